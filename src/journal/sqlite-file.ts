// The file of a SQLite journal: opening it as well as it can be, and saying where it is broken.
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { OperatingError } from '../errors/catalogue.ts'
import { JournalDamaged } from './journal.ts'

const schema = `
  create table if not exists records (
    seq integer primary key, version integer not null, at text not null, epoch integer not null,
    environment text not null, release text, kind text not null, reason text not null,
    actor text not null, body text not null, checksum text
  ) strict;
  create table if not exists seals (
    seq integer primary key, version integer not null, releases integer not null, state text not null,
    checksum text not null
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

export type Opened =
  | { readonly db: DatabaseSync; readonly refusal: null }
  /** For reading or, with `db` null, for nothing. */
  | { readonly db: DatabaseSync | null; readonly refusal: OperatingError }

export function openFile(file: string): Opened {
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

export function rememberInUse(file: string, at: string): void {
  if (!existsSync(inUseFile(file))) writeFileSync(inUseFile(file), `${at}\n`, { mode: 0o600, flush: true })
}

/** Of SQLite: a schema that does not fit, a page that cannot be, a file that is no database. */
const DAMAGE_CODES = [1, 11, 26]

/** Turns a failure of the database into an operating error that says which file it was. */
export function guard<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof OperatingError) throw error
    const { message, errcode = 0 } = error as Error & { errcode?: number }
    if (DAMAGE_CODES.includes(errcode & 0xff)) throw damaged(file, `${brokenPlace(file)}: ${message}`)
    throw new OperatingError('JOURNAL_FAILED', `journal ${file}: ${message}`, 'moodify doctor')
  }
}

export function damaged(file: string, what: string): JournalDamaged {
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
    const { page_size: pageBytes } = db!.prepare('pragma page_size').get() as Record<string, unknown>
    return `at offset ${page ? (Number(page[1]) - 1) * Number(pageBytes) : 0}`
  } catch {
    return 'at offset 0'
  } finally {
    db?.close()
  }
}
