// The journal on this machine: SQLite through node:sqlite, one file per environment, owner-only. WAL with full
// sync: an appended record survives a power cut, and readers never block the writer.
//
// SQLite notices a torn page, not a changed byte in a text. So each record has a checksum of its own, and a small
// file beside the journal says that it once held something: an empty one would look like that of a new environment.
import { hash } from 'node:crypto'
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Actor } from '../domain/names.ts'
import type { Command, JournalRecord } from '../engine/record.ts'
import { RECORD_VERSION, recordVersion } from '../engine/record.ts'
import { OperatingError } from '../errors/catalogue.ts'
import { type Journal, JournalDamaged, type PostedCommand, type Sample } from './journal.ts'

const schema = `
  create table if not exists records (
    seq integer primary key, version integer not null, at text not null, epoch integer not null,
    environment text not null, release text, kind text not null, reason text not null,
    actor text not null, body text not null, checksum text
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

const statements = {
  last: 'select max(seq) as seq, max(epoch) as epoch, max(version) as version from records',
  insert:
    'insert into records (seq, version, at, epoch, environment, release, kind, reason, actor, body, checksum) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  read: 'select seq, version, at, epoch, environment, release, kind, reason, actor, body, checksum from records where seq > ? order by seq',
  post: 'insert into commands (at, actor, command) values (?, ?, ?)',
  commands: 'select * from commands where id > ? order by id',
  saveCheckpoint: 'insert into checkpoints values (?, ?) on conflict (key) do update set value = excluded.value',
  checkpoint: 'select value from checkpoints where key = ?',
  saveSample: 'insert into samples (release, service, step, at_ms, candidate, control) values (?, ?, ?, ?, ?, ?)',
  samples: 'select * from samples where release = ? order by id',
}
type StatementName = keyof typeof statements

type Row = Record<string, string | number | null>

/**
 * A file that cannot be written is opened for reading, and one that cannot be read for neither: what cannot be done
 * is refused when it is tried, so that everything else still can be.
 *
 * @param wall  wall time as ISO 8601 in UTC, for the `at` of records
 */
export function openSqliteJournal(file: string, environment: string, wall: () => string): Journal {
  const { db, refusal } = openFile(file)
  const prepared = new Map<StatementName, StatementSync>()

  function statement(name: StatementName): StatementSync {
    if (!db) throw refusal!
    const known = prepared.get(name) ?? db.prepare(statements[name])
    prepared.set(name, known)
    return known
  }

  function transaction<T>(work: () => T): T {
    if (refusal) throw refusal
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

  /** One statement is a transaction of its own. */
  function write(name: StatementName, ...parameters: (string | number | null)[]): number {
    if (refusal) throw refusal
    return guard(file, () => Number(statement(name).run(...parameters).lastInsertRowid))
  }

  function insert(record: JournalRecord): JournalRecord {
    const row = rowOf(record)
    statement('insert').run(...row, checksumOf(row))
    return record
  }

  const lastOf = () => {
    const row = statement('last').get() as Row
    return { seq: Number(row['seq'] ?? 0), epoch: Number(row['epoch'] ?? 0), version: Number(row['version'] ?? 0) }
  }

  /** @throws JournalDamaged at the first record that is not what was written */
  function recordsAfter(after: number): JournalRecord[] {
    const records: JournalRecord[] = []
    try {
      guard(file, () => {
        for (const row of statement('read').iterate(after) as Iterable<Row>)
          records.push(recordOf(file, row, { seq: after + records.length + 1, environment }))
      })
    } catch (error) {
      throw error instanceof JournalDamaged ? new JournalDamaged(error.message, error.hint!, records) : error
    }
    return records
  }

  return {
    async takeEpoch(runner) {
      // The first write of a runner: nothing may be added to what cannot be read.
      recordsAfter(0)
      return transaction(() => {
        const last = lastOf()
        refuseNewer(last.version)
        const epoch = last.epoch + 1
        const body = { kind: 'epochTaken', runner: runner.name, moodify: runner.moodify } as const
        insert({
          version: recordVersion(body),
          seq: last.seq + 1,
          at: wall(),
          epoch,
          environment,
          release: null,
          body,
          reason: `${runner.name} took over`,
          actor: { kind: 'moodify', name: 'moodify' },
        })
        rememberInUse(file, wall())
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
            version: recordVersion(decision.body),
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
      return recordsAfter(after)
    },
    async post(command, actor) {
      return write('post', wall(), JSON.stringify(actor), JSON.stringify(command))
    },
    async commands(after) {
      return guard(file, () => (statement('commands').all(after) as Row[]).map((row) => commandOf(file, row)))
    },
    async saveCheckpoint(key, value) {
      write('saveCheckpoint', key, JSON.stringify(value))
    },
    async checkpoint(key) {
      const row = guard(file, () => statement('checkpoint').get(key)) as Row | undefined
      // One that cannot be read is one that was lost.
      return row ? parsedOr(String(row['value']), null) : null
    },
    async saveSample(sample) {
      const { release, service, step, atMs, candidate, control } = sample
      const counts = [JSON.stringify(candidate), control ? JSON.stringify(control) : null]
      write('saveSample', release, service, step, Math.round(atMs), ...counts)
    },
    async samples(release) {
      return guard(file, () => (statement('samples').all(release) as Row[]).flatMap(sampleOf))
    },
    close() {
      db?.close()
    },
  }
}

// --- the file ---------------------------------------------------------------------------------------------

type Opened =
  | { readonly db: DatabaseSync; readonly refusal: null }
  /** For reading or, with `db` null, for nothing. */
  | { readonly db: DatabaseSync | null; readonly refusal: OperatingError }

function openFile(file: string): Opened {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const lost = whatIsLost(file)
  if (lost) return { db: null, refusal: damaged(file, lost) }
  try {
    return { db: guard(file, () => openForWriting(file)), refusal: null }
  } catch (refusal) {
    const db = openForReading(file)
    if (!(refusal instanceof OperatingError) || (!db && !(refusal instanceof JournalDamaged))) throw refusal
    return { db, refusal }
  }
}

const MAGIC = 'SQLite format 3\0'

/** What SQLite would take for a new database, and write to: nothing at all, or less than its first page. */
function whatIsLost(file: string): string | null {
  const bytes = existsSync(file) && statSync(file).isFile() ? statSync(file).size : null
  if (!bytes) {
    return existsSync(inUseFile(file))
      ? `it ${bytes === 0 ? 'is empty' : 'is gone'} from offset 0 on, and has held records before`
      : null
  }
  const head = Buffer.alloc(18)
  const descriptor = openSync(file, 'r')
  readSync(descriptor, head)
  closeSync(descriptor)
  if (head.toString('latin1', 0, 16) !== MAGIC) return 'it is no database from offset 0 on'
  const pageBytes = head.readUInt16BE(16)
  return bytes < (pageBytes === 1 ? 65_536 : pageBytes) ? `it ends at offset ${bytes}, in its first page` : null
}

function openForWriting(file: string): DatabaseSync {
  const db = new DatabaseSync(file)
  try {
    chmodSync(file, 0o600)
    db.exec('pragma busy_timeout = 5000; pragma journal_mode = wal; pragma synchronous = full;')
    db.exec(schema)
    const columns = db.prepare('pragma table_info(records)').all()
    // A journal of 0.1 has none.
    if (!columns.some(({ name }) => name === 'checksum')) db.exec('alter table records add column checksum text')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function openForReading(file: string): DatabaseSync | null {
  try {
    return new DatabaseSync(file, { readOnly: true })
  } catch {
    return null
  }
}

function inUseFile(file: string): string {
  return `${file}.in-use`
}

function rememberInUse(file: string, at: string): void {
  if (!existsSync(inUseFile(file))) writeFileSync(inUseFile(file), `${at}\n`, { mode: 0o600, flush: true })
}

/** Of SQLite: a schema that does not fit, a page that cannot be, a file that is no database. */
const DAMAGE_CODES = [1, 11, 26]

/** Turns a failure of the database into an operating error that says which file it was. */
function guard<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof OperatingError) throw error
    const { message, errcode = 0 } = error as Error & { errcode?: number }
    if (DAMAGE_CODES.includes(errcode & 0xff)) throw damaged(file, `${brokenPlace(file)}: ${message}`)
    throw new OperatingError('JOURNAL_FAILED', `journal ${file}: ${message}`, 'moodify doctor')
  }
}

function damaged(file: string, what: string): JournalDamaged {
  return new JournalDamaged(
    `journal ${file} is damaged: ${what}`,
    `restore it from a copy; to begin a new one instead: rm ${file} ${inUseFile(file)}`,
  )
}

/** The first page that SQLite complains about, as an offset into the file. */
function brokenPlace(file: string): string {
  const db = openForReading(file)
  try {
    const [row] = db?.prepare('pragma quick_check(1)').all() ?? []
    const page = /\bpage (\d+)/.exec(String(row?.['quick_check']))
    const { page_size: pageBytes } = db!.prepare('pragma page_size').get() as Row
    return `at offset ${page ? (Number(page[1]) - 1) * Number(pageBytes) : 0}`
  } catch {
    return 'at offset 0'
  } finally {
    db?.close()
  }
}

// --- records ----------------------------------------------------------------------------------------------

/** Neither read nor written: whoever cannot fold it must not take it over from somebody who can. */
function refuseNewer(version: number): void {
  if (version <= RECORD_VERSION) return
  throw new OperatingError(
    'JOURNAL_NEWER',
    `the journal was written by a newer moodify (record version ${version}, this one knows ${RECORD_VERSION})`,
    'use the newer moodify; nothing was changed',
  )
}

/** In the order of the columns, without the checksum. */
function rowOf(record: JournalRecord): (string | number | null)[] {
  return [
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
  ]
}

function checksumOf(row: readonly (string | number | null)[]): string {
  return hash('sha256', JSON.stringify(row)).slice(0, 16)
}

function recordOf(file: string, row: Row, expected: { seq: number; environment: string }): JournalRecord {
  const version = Number(row['version'])
  refuseNewer(version)
  const { seq, environment } = expected
  const { checksum, ...rest } = row
  if (row['seq'] !== seq) throw damaged(file, `record ${seq} is missing, the next one is ${row['seq']}`)
  if (checksum !== null && checksum !== checksumOf(Object.values(rest)))
    throw damaged(file, `record ${seq} is not what was written`)
  if (row['environment'] !== environment)
    throw damaged(file, `record ${seq} is of ${row['environment']}, not of ${environment}`)
  const actor = parsedOr(String(row['actor']), null) as Actor | null
  const body = parsedOr(String(row['body']), null) as JournalRecord['body'] | null
  if (actor === null || body === null) throw damaged(file, `record ${seq} cannot be read`)
  return {
    version,
    seq,
    at: String(row['at']),
    epoch: Number(row['epoch']),
    environment,
    release: row['release'] === null ? null : String(row['release']),
    reason: String(row['reason']),
    actor,
    body,
  }
}

function commandOf(file: string, row: Row): PostedCommand {
  const actor = parsedOr(String(row['actor']), null) as Actor | null
  const command = parsedOr(String(row['command']), null) as Command | null
  if (actor === null || command === null) throw damaged(file, `command ${row['id']} cannot be read`)
  return { id: Number(row['id']), at: String(row['at']), actor, command }
}

/** A sample that cannot be read is left out: it is evidence for people, and decides nothing. */
function sampleOf(row: Row): Sample[] {
  const candidate = parsedOr(String(row['candidate']), null) as Sample['candidate'] | null
  if (candidate === null) return []
  return [
    {
      release: String(row['release']),
      service: String(row['service']),
      step: String(row['step']),
      atMs: Number(row['at_ms']),
      candidate,
      control: row['control'] === null ? null : (parsedOr(String(row['control']), null) as Sample['control']),
    },
  ]
}

function parsedOr<T>(text: string, otherwise: T): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return otherwise
  }
}
