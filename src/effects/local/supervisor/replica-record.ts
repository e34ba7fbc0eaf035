import { randomInt } from 'node:crypto'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readJson, writeDurably } from '../durable.ts'
import type { RunSpec } from '../protocol.ts'

// The folder of one replica: meta.json (this record), log, and one folder for each start with pid and exit status.

export interface ReplicaRecord {
  readonly id: string
  readonly service: string
  readonly slot: string
  readonly run: RunSpec
  readonly port: number | null
  /** Number of starts so far. */
  readonly starts: number
  readonly restarts: number
  /** Wall time of the last start in milliseconds since 1970, for what a later supervisor says about its age. */
  readonly startedAtMs: number
  readonly startupPassed: boolean
  readonly ready: boolean
  readonly ending: boolean
  /** It is gone; only its log is kept. */
  readonly ended: boolean
}

export function newRecord(service: string, slot: string, run: RunSpec): ReplicaRecord {
  return {
    id: `${service}-${slot}-${randomInt(36 ** 5, 36 ** 6).toString(36)}`,
    service,
    slot,
    run,
    port: null,
    starts: 0,
    restarts: 0,
    startedAtMs: Date.now(),
    startupPassed: false,
    ready: false,
    ending: false,
    ended: false,
  }
}

export function saveRecord(folder: string, record: ReplicaRecord): void {
  writeDurably(join(folder, record.id, 'meta.json'), JSON.stringify(record))
}

export function loadRecords(folder: string): ReplicaRecord[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((id) => readJson<ReplicaRecord>(join(folder, id, 'meta.json')) ?? [])
}

/** Removes the folders of ended replicas of a slot, except the newest, whose logs somebody may want to read. */
export function pruneEnded(folder: string, service: string, slot: string, keep: number): void {
  const ended = loadRecords(folder).filter((one) => one.ended && one.service === service && one.slot === slot)
  const changed = (one: ReplicaRecord) => statSync(join(folder, one.id, 'meta.json')).mtimeMs
  for (const one of ended.toSorted((a, b) => changed(b) - changed(a)).slice(keep)) {
    rmSync(join(folder, one.id), { recursive: true, force: true })
  }
}
