import { copyFileSync, existsSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs'
import { residentBytes } from '../processes/identity.ts'
import type { Replica } from './replica.ts'
import type { Tuning } from './tuning.ts'

/** A replica that holds this many times its limit is not spared for the sake of the others. */
const FAR_OVER = 2

/**
 * Restarts replicas of one environment whose process group holds more memory than it may. Those of a slot leak alike
 * and reach the limit together: one goes after the other, the largest first, so that somebody is always there.
 */
export function enforceMemoryLimits(replicas: readonly Replica[]): void {
  const limited = replicas.filter(({ pid, record }) => pid !== null && record.run.memoryLimitMb !== null)
  if (limited.length === 0) return
  const resident = residentBytes(new Set(limited.map(({ pid }) => pid!)))
  const over = limited
    .map((replica) => ({ replica, megabytes: (resident.get(replica.pid!) ?? 0) / 2 ** 20 }))
    .filter(({ replica, megabytes }) => megabytes > replica.record.run.memoryLimitMb!)
    .toSorted((a, b) => b.megabytes - a.megabytes)
  const away = new Set(replicas.filter(({ record }) => !record.ready).map(slotOf))
  for (const { replica, megabytes } of over) {
    const limit = replica.record.run.memoryLimitMb!
    if (away.has(slotOf(replica)) && megabytes < FAR_OVER * limit) continue
    away.add(slotOf(replica))
    replica.restart(`it holds ${Math.round(megabytes)} MB of memory, the limit is ${limit} MB`)
  }
}

function slotOf({ record: { service, slot } }: Replica): string {
  return `${service}/${slot}`
}

/**
 * Moves what is in a log to `log.1` once it is too large, and what is there to `log.2`. The writer keeps the file
 * open in append mode, so it is copied and emptied; lines written in between are lost.
 */
export function rotateLog(log: string, { logMaxBytes, logKeep }: Pick<Tuning, 'logMaxBytes' | 'logKeep'>): void {
  if (!existsSync(log) || statSync(log).size <= logMaxBytes) return
  for (let number = logKeep; number > 1; number--) {
    if (existsSync(`${log}.${number - 1}`)) renameSync(`${log}.${number - 1}`, `${log}.${number}`)
  }
  try {
    copyFileSync(log, `${log}.1`)
  } catch {
    // A full disk: what this log holds is the space that is missing.
    rmSync(`${log}.1`, { force: true })
  }
  truncateSync(log)
}
