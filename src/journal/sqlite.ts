// The journal on this machine: SQLite through node:sqlite, one file per environment, owner-only. WAL with full
// sync: an appended record survives a power cut, and readers never block the writer.
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Actor } from '../domain/names.ts'
import type { Command, JournalRecord } from '../engine/record.ts'
import { RECORD_VERSION } from '../engine/record.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { Journal, PostedCommand, Sample } from './journal.ts'

const schema = `
  create table if not exists records (
    seq integer primary key, version integer not null, at text not null, epoch integer not null,
    environment text not null, release text, kind text not null, reason text not null,
    actor text not null, body text not null
  ) strict;
  create table if not exists commands (
    id integer primary key autoincrement, at text not null, actor text not null, command text not null
  ) strict;
  create table if not exists checkpoints (key text primary key, value text not null) strict;
  create table if not exists samples (
    id integer primary key, release text not null, service text not null, step text not null,
    at_ms integer not null, candidate text not null, control text
  ) strict;
  create index if not exists samples_by_release on samples (release, id);
`

type Row = Record<string, string | number | null>

/** @param wall  wall time as ISO 8601 in UTC, for the `at` of records */
export function openSqliteJournal(file: string, environment: string, wall: () => string): Journal {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const db = guard(file, () => open(file))
  const statements = {
    last: db.prepare('select max(seq) as seq, max(epoch) as epoch, max(version) as version from records'),
    insert: db.prepare(
      'insert into records (seq, version, at, epoch, environment, release, kind, reason, actor, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    read: db.prepare('select * from records where seq > ? order by seq'),
    post: db.prepare('insert into commands (at, actor, command) values (?, ?, ?)'),
    commands: db.prepare('select * from commands where id > ? order by id'),
    saveCheckpoint: db.prepare(
      'insert into checkpoints values (?, ?) on conflict (key) do update set value = excluded.value',
    ),
    checkpoint: db.prepare('select value from checkpoints where key = ?'),
    saveSample: db.prepare(
      'insert into samples (release, service, step, at_ms, candidate, control) values (?, ?, ?, ?, ?, ?)',
    ),
    samples: db.prepare('select * from samples where release = ? order by id'),
  }

  function transaction<T>(work: () => T): T {
    return guard(file, () => {
      db.exec('begin immediate')
      try {
        const result = work()
        db.exec('commit')
        return result
      } catch (error) {
        db.exec('rollback')
        throw error
      }
    })
  }

  function insert(record: JournalRecord): JournalRecord {
    statements.insert.run(
      record.seq,
      record.version,
      record.at,
      record.epoch,
      record.environment,
      record.release,
      record.body.kind,
      record.reason,
      JSON.stringify(record.actor),
      JSON.stringify(record.body),
    )
    return record
  }

  const lastOf = () => {
    const row = statements.last.get() as Row
    return { seq: Number(row['seq'] ?? 0), epoch: Number(row['epoch'] ?? 0), version: Number(row['version'] ?? 0) }
  }

  return {
    async takeEpoch(runner) {
      return transaction(() => {
        const last = lastOf()
        refuseNewer(last.version)
        const epoch = last.epoch + 1
        insert({
          version: RECORD_VERSION,
          seq: last.seq + 1,
          at: wall(),
          epoch,
          environment,
          release: null,
          body: { kind: 'epochTaken', runner: runner.name, moodify: runner.moodify },
          reason: `${runner.name} took over`,
          actor: { kind: 'moodify', name: 'moodify' },
        })
        return epoch
      })
    },
    async append(decisions, expected) {
      return transaction(() => {
        const last = lastOf()
        if (last.epoch > expected.epoch || last.seq !== expected.seq) {
          throw new OperatingError(
            'STALE_EPOCH',
            `another runner (epoch ${last.epoch}) writes this journal; this one had ${expected.epoch}`,
          )
        }
        const { epoch, release } = expected
        return decisions.map((decision, index) =>
          insert({
            ...decision,
            version: RECORD_VERSION,
            seq: last.seq + 1 + index,
            at: wall(),
            epoch,
            environment,
            release,
          }),
        )
      })
    },
    async read(after = 0) {
      return guard(file, () => (statements.read.all(after) as Row[]).map(recordOf))
    },
    async post(command, actor) {
      return guard(file, () =>
        Number(statements.post.run(wall(), JSON.stringify(actor), JSON.stringify(command)).lastInsertRowid),
      )
    },
    async commands(after) {
      return guard(file, () => (statements.commands.all(after) as Row[]).map(commandOf))
    },
    async saveCheckpoint(key, value) {
      guard(file, () => statements.saveCheckpoint.run(key, JSON.stringify(value)))
    },
    async checkpoint(key) {
      const row = guard(file, () => statements.checkpoint.get(key)) as Row | undefined
      return row ? JSON.parse(String(row['value'])) : null
    },
    async saveSample(sample) {
      guard(file, () =>
        statements.saveSample.run(
          sample.release,
          sample.service,
          sample.step,
          Math.round(sample.atMs),
          JSON.stringify(sample.candidate),
          sample.control ? JSON.stringify(sample.control) : null,
        ),
      )
    },
    async samples(release) {
      return guard(file, () => (statements.samples.all(release) as Row[]).map(sampleOf))
    },
    close() {
      db.close()
    },
  }
}

function open(file: string): DatabaseSync {
  const db = new DatabaseSync(file)
  chmodSync(file, 0o600)
  db.exec('pragma busy_timeout = 5000; pragma journal_mode = wal; pragma synchronous = full;')
  db.exec(schema)
  return db
}

/** Turns a failure of the database into an operating error that says which file it was. */
function guard<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof OperatingError) throw error
    throw new OperatingError('JOURNAL_FAILED', `journal ${file}: ${(error as Error).message}`, 'moodify doctor')
  }
}

/** Neither read nor written: whoever cannot fold it must not take it over from somebody who can. */
function refuseNewer(version: number): void {
  if (version <= RECORD_VERSION) return
  throw new OperatingError(
    'JOURNAL_NEWER',
    `the journal was written by a newer moodify (record version ${version}, this one knows ${RECORD_VERSION})`,
    'use the newer moodify; nothing was changed',
  )
}

function recordOf(row: Row): JournalRecord {
  const version = Number(row['version'])
  refuseNewer(version)
  return {
    version,
    seq: Number(row['seq']),
    at: String(row['at']),
    epoch: Number(row['epoch']),
    environment: String(row['environment']),
    release: row['release'] === null ? null : String(row['release']),
    reason: String(row['reason']),
    actor: JSON.parse(String(row['actor'])) as Actor,
    body: JSON.parse(String(row['body'])),
  }
}

function commandOf(row: Row): PostedCommand {
  return {
    id: Number(row['id']),
    at: String(row['at']),
    actor: JSON.parse(String(row['actor'])) as Actor,
    command: JSON.parse(String(row['command'])) as Command,
  }
}

function sampleOf(row: Row): Sample {
  return {
    release: String(row['release']),
    service: String(row['service']),
    step: String(row['step']),
    atMs: Number(row['at_ms']),
    candidate: JSON.parse(String(row['candidate'])),
    control: row['control'] === null ? null : JSON.parse(String(row['control'])),
  }
}
