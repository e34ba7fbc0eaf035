// The journal on this machine: SQLite through node:sqlite, one file per environment, owner-only. WAL with full
// sync: an appended record survives a power cut, and readers never block the writer.
//
// SQLite notices a torn page, not a changed byte in a text. So each record has a checksum of its own, and a small
// file beside the journal says that it once held something: an empty one would look like that of a new environment.
import type { StatementSync } from 'node:sqlite'
import { type JournalRecord, recordVersion } from '../engine/record.ts'
import { OperatingError } from '../errors/catalogue.ts'
import { type Journal, JournalDamaged } from './journal.ts'
import {
  type Base,
  baseOf,
  firstBase,
  isIntact,
  KEEP_RELEASES,
  prunableTo,
  refuseNewerSeal,
  type Seal,
  sealOf,
} from './seals.ts'
import { damaged, guard, openFile, rememberInUse } from './sqlite-file.ts'
import { checksumOf, commandOf, parsedOr, type Row, recordOf, refuseNewer, rowOf, sampleOf } from './sqlite-rows.ts'

const statements = {
  last: 'select seq, epoch from records order by seq desc limit 1',
  first: 'select min(seq) as seq from records',
  version: 'select max(version) as version from records where seq > coalesce((select max(seq) from seals), 0)',
  insert:
    'insert into records (seq, version, at, epoch, environment, release, kind, reason, actor, body, checksum) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  read: 'select seq, version, at, epoch, environment, release, kind, reason, actor, body, checksum from records where seq > ? order by seq',
  starts: "select 1 from records where seq > ? and kind = 'releaseStarted' limit 1",
  seals: 'select * from seals where seq <= ? order by seq desc',
  oldestSeal: 'select * from seals order by seq limit 1',
  sealedTo: 'select max(seq) as seq from seals',
  sealsOf: 'select * from seals where releases <= ?',
  seal: 'insert into seals (seq, version, releases, state, checksum) values (?, ?, ?, ?, ?) on conflict (seq) do update set version = excluded.version, releases = excluded.releases, state = excluded.state, checksum = excluded.checksum',
  pruneSamples:
    "delete from samples where release in (select release from records where seq <= ? and kind = 'releaseStarted')",
  pruneRecords: 'delete from records where seq <= ?',
  pruneSeals: 'delete from seals where seq < ?',
  pruneCommands: 'delete from commands where id <= ?',
  post: 'insert into commands (at, actor, command) values (?, ?, ?)',
  withdraw: 'delete from commands where id = ?',
  commands: 'select * from commands where id > ? order by id',
  saveCheckpoint: 'insert into checkpoints values (?, ?) on conflict (key) do update set value = excluded.value',
  checkpoint: 'select value from checkpoints where key = ?',
  saveSample: 'insert into samples (release, service, step, at_ms, candidate, control) values (?, ?, ?, ?, ?, ?)',
  samples: 'select * from samples where release = ? order by id',
}
type StatementName = keyof typeof statements

/**
 * A file that cannot be written is opened for reading, and one that cannot be read for neither: what cannot be done
 * is refused when it is tried, so that everything else still can be.
 *
 * @param options.wall          wall time as ISO 8601 in UTC, for the `at` of records
 * @param options.keepReleases  releases whose records are kept
 */
export function openSqliteJournal(
  file: string,
  environment: string,
  { wall, keepReleases = KEEP_RELEASES }: { readonly wall: () => string; readonly keepReleases?: number },
): Journal {
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
        // A full disk has ended it already.
        if (db.isTransaction) db.exec('rollback')
        throw error
      }
    })
  }

  /** Several reads of one moment: a runner may add a record, seal it, and let old ones go between two of them. */
  function atOnce<T>(work: () => T): T {
    if (!db || db.isTransaction) return work()
    db.exec('begin')
    try {
      return work()
    } finally {
      if (db.isTransaction) db.exec('commit')
    }
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
    const row = statement('last').get() as Row | undefined
    const { version } = statement('version').get() as Row
    return { seq: Number(row?.['seq'] ?? 0), epoch: Number(row?.['epoch'] ?? 0), version: Number(version ?? 0) }
  }

  /** The seq up to which records were let go: there a seal stands in front of the first one. */
  function prunedTo(): number {
    const before = Number((statement('first').get() as Row)['seq'] ?? 1) - 1
    const oldest = statement('oldestSeal').get() as Seal | undefined
    return before > 0 && oldest?.seq === before && isIntact(oldest) ? before : 0
  }

  function baseUpTo(notAfter: number): Base {
    for (const seal of statement('seals').iterate(notAfter) as Iterable<Seal & Row>) {
      const base = statement('starts').get(seal.seq) ? baseOf(seal) : null
      if (base) return base
    }
    if (prunedTo() === 0) return firstBase
    const oldest = statement('oldestSeal').get() as unknown as Seal
    return baseOf(oldest) ?? refuseNewerSeal(oldest.version)
  }

  /** @throws JournalDamaged at the first record that is not what was written */
  function recordsAfter(after: number, base = firstBase): JournalRecord[] {
    const records: JournalRecord[] = []
    try {
      guard(file, () =>
        atOnce(() => {
          for (const row of statement('read').iterate(after) as Iterable<Row>)
            records.push(recordOf(file, row, { seq: after + records.length + 1, environment }))
          const sealed = Number((statement('sealedTo').get() as Row)['seq'] ?? 0)
          const next = after + records.length + 1
          if (after < sealed && next <= sealed) throw damaged(file, `record ${next} is missing, and was sealed`)
        }),
      )
    } catch (error) {
      throw error instanceof JournalDamaged ? new JournalDamaged(error.message, error.hint!, records, base) : error
    }
    return records
  }

  function newest(notAfter: number) {
    return guard(file, () =>
      atOnce(() => {
        const base = baseUpTo(notAfter)
        return { base, records: recordsAfter(base.seq, base) }
      }),
    )
  }

  return {
    async takeEpoch(runner) {
      // The first write of a runner: nothing may be added to what cannot be read.
      newest(Number.MAX_SAFE_INTEGER)
      return transaction(() => {
        const last = lastOf()
        refuseNewer(last.version)
        const epoch = Math.max(last.epoch, runner.above ?? 0) + 1
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
    async newest(notAfter = Number.MAX_SAFE_INTEGER) {
      return newest(notAfter)
    },
    async seal(state) {
      const { seq, version, releases, state: text, checksum } = sealOf(state)
      transaction(() => {
        statement('seal').run(seq, version, releases, text, checksum)
        const upTo = prunableTo(
          statement('sealsOf').all(releases - keepReleases) as unknown as Seal[],
          state,
          keepReleases,
        )
        if (upTo === 0) return
        for (const name of ['pruneSamples', 'pruneRecords', 'pruneSeals'] as const) statement(name).run(upTo)
        statement('pruneCommands').run(state.lastCommandId)
      })
    },
    async read(after = 0) {
      return recordsAfter(Math.max(after, guard(file, prunedTo)))
    },
    async post(command, actor) {
      return write('post', wall(), JSON.stringify(actor), JSON.stringify(command))
    },
    async withdraw(id) {
      write('withdraw', id)
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
