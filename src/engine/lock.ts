// A freeze by hand: no new release starts. What runs goes on, and everything that takes a version back is allowed.
import type { EnvironmentState, Lock } from './state.ts'

/** The lock that is in force at this time, ISO 8601 in UTC. */
export function lockAt({ lock }: Pick<EnvironmentState, 'lock'>, at: string): Lock | null {
  // States that were kept by an earlier moodify have no such field.
  if (!lock) return null
  return lock.until === null || Temporal.Instant.compare(at, lock.until) < 0 ? lock : null
}

/** `locked by ana since 2026-01-06T10:00:00Z until 2026-01-06T12:00:00Z: database migration` */
export function lockInWords({ by, since, until, reason }: Lock): string {
  const end = until === null ? 'until somebody unlocks it' : `until ${toSeconds(until)}`
  return `locked by ${by.name} since ${toSeconds(since)} ${end}${reason === null ? '' : `: ${reason}`}`
}

function toSeconds(at: string): string {
  return at.replace(/\.\d+Z$/, 'Z')
}
