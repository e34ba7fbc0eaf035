import type { Wait } from '../record.ts'
import type { Tick } from '../watch.ts'

export interface Blocked {
  readonly kind: 'blocked'
  readonly wait: Wait
  /** Whether the release goes back when the deadline passes; else it holds and says so. */
  readonly goesBackAtDeadline: boolean
}

export function blockedOn(wait: Wait, goesBackAtDeadline: boolean): Blocked {
  return { kind: 'blocked', wait, goesBackAtDeadline }
}

/** A snapshot older than this is stale: nothing is concluded from it. */
export const STALE_MS = 5000

/** Blocked when the snapshot cannot be trusted; null when it can. */
export function unseen({ snapshot }: Tick): Blocked | null {
  if (snapshot.complete && snapshot.observedAgoMs <= STALE_MS) return null
  const what = snapshot.complete ? 'the last snapshot is stale' : `no answer from ${snapshot.missing.join(', ')}`
  return blockedOn(
    {
      blocker: `the platform cannot be seen: ${what}`,
      deadlineMs: null,
      atDeadline: 'it goes on when the platform answers; what is live stays as it is',
      next: 'moodify doctor',
      needsPerson: false,
    },
    false,
  )
}
