// What to compare with when nothing runs beside the candidate: the version before it, before.
//
// Intuition: after a switch all traffic is the candidate's, so a fault of a dependency looks like its own. Only a
// rise far beyond what the old version ever showed is held against it.
// Hypothesis: each unit is bad with probability at most twice the upper bound of the old version, and at least 0.5 %.
// What makes it valid: as absolute-guardrail.ts, with that limit, if nothing else changed with the switch. That is
// what makes it weaker evidence than a comparison: the day's course and shared faults are not seen.
// Source: docs/judgement.md.
import type { Tally } from './comparison.ts'
import { upperRate } from './rate-bounds.ts'

const FACTOR = 2
const LEAST_LIMIT = 0.005
const ALPHA = 0.05
/** Closer to the guardrail it would only add false alarms: a noisy past says little about the present. */
const MUCH_STRICTER = 1 / 2

/** Limit of the candidate's rate; null where too little is known of before to be much stricter than `guardrail`. */
export function limitFromBefore(before: Tally | null, guardrail: number): number | null {
  if (!before || before.units === 0) return null
  const limit = Math.max(LEAST_LIMIT, FACTOR * upperRate(before, ALPHA))
  return limit < guardrail * MUCH_STRICTER ? limit : null
}
