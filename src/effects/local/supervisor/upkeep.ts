import { copyFileSync, existsSync, renameSync, statSync, truncateSync } from 'node:fs'
import { residentBytes } from '../processes/identity.ts'
import type { Replica } from './replica.ts'
import type { Tuning } from './tuning.ts'

/** Restarts replicas whose process group holds more memory than it may. */
export function enforceMemoryLimits(replicas: readonly Replica[]): void {
  const limited = replicas.filter(({ pid, record }) => pid !== null && record.run.memoryLimitMb !== null)
  if (limited.length === 0) return
  const resident = residentBytes(new Set(limited.map(({ pid }) => pid!)))
  for (const replica of limited) {
    const megabytes = (resident.get(replica.pid!) ?? 0) / 2 ** 20
    const limit = replica.record.run.memoryLimitMb!
    if (megabytes > limit) replica.restart(`it holds ${Math.round(megabytes)} MB of memory, the limit is ${limit} MB`)
  }
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
  copyFileSync(log, `${log}.1`)
  truncateSync(log)
}
