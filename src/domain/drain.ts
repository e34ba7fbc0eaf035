// The drain rule: the one place that says when something that served traffic may be ended.
//
// Intuition: a replica must not be ended by us while a request may still be on its way to it. Three things
// have to be true, in this order: it is out of rotation; the data plane is known to follow that; and either
// nothing is in flight any more, or the drain time has passed.
//
// "Nothing in flight" alone is not enough right after the change: a request may have been assigned a moment
// before. So a short settle time is always waited, in which the data plane's counters catch up.

/** Time that a data plane is given to count a request which it assigned just before the change. */
export const SETTLE_MS = 200

export interface OutOfRotation {
  /** Null where it is not known: then the drain time is waited in full. */
  readonly inFlight: number | null
  /** How long the data plane has been known to send nothing new; null while it may. */
  readonly outOfRotationMs: number | null
}

export interface DrainAnswer {
  readonly mayEnd: boolean
  /** Longest time that is still to be waited; 0 when it may end, null when it is not out of rotation. */
  readonly waitMs: number | null
  readonly reason: string
}

/**
 * Whether what serves this traffic may be ended now.
 *
 * @param facts    what the data plane reports
 * @param drainMs  longest time that requests in flight are waited for, ≥ 0
 */
export function drainRule(facts: OutOfRotation, drainMs: number): DrainAnswer {
  const { inFlight, outOfRotationMs } = facts
  if (outOfRotationMs === null) {
    return { mayEnd: false, waitMs: null, reason: 'it still receives traffic' }
  }
  if (outOfRotationMs < SETTLE_MS) {
    return { mayEnd: false, waitMs: SETTLE_MS - outOfRotationMs, reason: 'it has only just left the rotation' }
  }
  if (inFlight === 0) return { mayEnd: true, waitMs: 0, reason: 'nothing is in flight' }
  const remaining = inFlight === null ? 'what is in flight is not known' : `${inFlight} still in flight`
  if (outOfRotationMs >= drainMs) return { mayEnd: true, waitMs: 0, reason: `the drain time has passed; ${remaining}` }
  return { mayEnd: false, waitMs: drainMs - outOfRotationMs, reason: remaining }
}
