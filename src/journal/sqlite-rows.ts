// Rows of a SQLite journal and what they say.
import { hash } from 'node:crypto'
import type { Actor } from '../domain/names.ts'
import type { Command, JournalRecord } from '../engine/record.ts'
import { RECORD_VERSION } from '../engine/record.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { PostedCommand, Sample } from './journal.ts'
import { damaged } from './sqlite-file.ts'

export type Row = Record<string, string | number | null>

/** Neither read nor written: whoever cannot fold it must not take it over from somebody who can. */
export function refuseNewer(version: number): void {
  if (version <= RECORD_VERSION) return
  throw new OperatingError(
    'JOURNAL_NEWER',
    `the journal was written by a newer moodify (record version ${version}, this one knows ${RECORD_VERSION})`,
    'use the newer moodify; nothing was changed',
  )
}

/** In the order of the columns, without the checksum. */
export function rowOf(record: JournalRecord): (string | number | null)[] {
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

export function checksumOf(row: readonly (string | number | null)[]): string {
  return hash('sha256', JSON.stringify(row)).slice(0, 16)
}

export function recordOf(file: string, row: Row, expected: { seq: number; environment: string }): JournalRecord {
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

export function commandOf(file: string, row: Row): PostedCommand {
  const actor = parsedOr(String(row['actor']), null) as Actor | null
  const command = parsedOr(String(row['command']), null) as Command | null
  if (actor === null || command === null) throw damaged(file, `command ${row['id']} cannot be read`)
  return { id: Number(row['id']), at: String(row['at']), actor, command }
}

/** A sample that cannot be read is left out: it is evidence for people, and decides nothing. */
export function sampleOf(row: Row): Sample[] {
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

export function parsedOr<T>(text: string, otherwise: T): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return otherwise
  }
}
