import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EnvironmentName } from '../../domain/names.ts'
import type { StatePaths } from './paths.ts'
import { loadRecords, type ReplicaRecord } from './supervisor/replica-record.ts'

export interface ReplicaLog {
  readonly service: string
  readonly slot: string
  readonly replica: string
  readonly revision: string
  /** Absolute path. */
  readonly file: string
}

export interface LogLine {
  readonly log: ReplicaLog
  readonly line: string
}

/** Null or left out is all. */
export interface WantedLogs {
  readonly service?: string | null
  readonly slot?: string | null
}

const POLL_MS = 200
const CHUNK_BYTES = 64 * 1024

/**
 * Log files found on disk, so that the platform need not run. Of a slot without replicas they are those of the ones
 * that ended last: that is what one wants to see after a rollback.
 */
export function recordedLogs(paths: StatePaths, environment: EnvironmentName, wanted: WantedLogs = {}): ReplicaLog[] {
  const folder = join(paths.state, 'environments', environment, 'replicas')
  const records = loadRecords(folder).filter((record) => isWanted(record, wanted))
  const hasLiving = ({ service, slot }: ReplicaRecord) =>
    records.some((other) => !other.ended && other.service === service && other.slot === slot)
  return records
    .filter((record) => !record.ended || !hasLiving(record))
    .map(({ id, service, slot, run }) => {
      return { service, slot, replica: id, revision: run.revision, file: join(folder, id, 'log') }
    })
}

function isWanted(place: { service: string; slot: string }, { service, slot }: WantedLogs): boolean {
  return (service ?? place.service) === place.service && (slot ?? place.slot) === place.slot
}

/**
 * The last lines of each log and then, when they are followed, new ones as they come, also of replicas that start
 * in the meantime.
 *
 * @param list    the logs of now; asked again and again while they are followed
 * @param signal  ends following
 */
export async function* tailLogs(
  list: () => readonly ReplicaLog[],
  { lines, follow }: { lines: number; follow: boolean },
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const tails = new Map<string, Tail>()
  for (let first = true; !signal.aborted; first = false) {
    for (const log of list()) {
      const tail = tails.get(log.file) ?? new Tail(log.file)
      tails.set(log.file, tail)
      const fresh = tail.read()
      for (const line of first ? fresh.slice(-lines) : fresh) yield { log, line }
    }
    if (!follow) return
    await sleep(POLL_MS, undefined, { signal }).catch(() => {})
  }
}

/** Reads a file on from where it was last read; begins anew when the file has been emptied. */
class Tail {
  readonly #file: string
  #offset = 0
  #rest = ''

  constructor(file: string) {
    this.#file = file
  }

  /** Complete lines since the last call. */
  read(): string[] {
    const parts = (this.#rest + this.#readNew()).split('\n')
    this.#rest = parts.pop()!
    return parts
  }

  #readNew(): string {
    let size: number
    try {
      size = statSync(this.#file).size
    } catch {
      return ''
    }
    if (size < this.#offset) this.#offset = 0
    const descriptor = openSync(this.#file, 'r')
    try {
      const chunks: Buffer[] = []
      for (let read = -1; read !== 0; this.#offset += read) {
        const chunk = Buffer.alloc(CHUNK_BYTES)
        read = readSync(descriptor, chunk, 0, CHUNK_BYTES, this.#offset)
        chunks.push(chunk.subarray(0, read))
      }
      return Buffer.concat(chunks).toString()
    } finally {
      closeSync(descriptor)
    }
  }
}
