// Has the canary shown that it is good?
//
// Intuition: no alarm is not the same as good; a canary without traffic raises none. It has shown itself when even its
// pessimistic error rate is no worse than one and a half times stable's optimistic one, give or take half a
// percentage point.
// Hypothesis: the canary's rate is above 1.5 × stable's + δ. It is rejected wrongly with probability at most α_p.
// What makes it valid: both bounds hold at all times together with probability 1 − α_p, for rates that do not change;
// with rates that drift they bound the largest and the smallest. Without an error it takes about 4/δ requests.
// Source: docs/judgement.md.
import type { Tally } from './comparison.ts'
import { lowerRate, upperRate } from './rate-bounds.ts'

export interface Standing {
  /** Upper bound of the canary. */
  readonly canaryAtMost: number
  /** What it has to keep below. */
  readonly limit: number
  readonly isProven: boolean
  /** The rates as observed keep the same limit. */
  readonly looksNoWorse: boolean
}

export const DELTA = 0.005
const FACTOR = 1.5
/** Parts of α_p = 5 %. The canary's bound is what takes long. */
const ALPHA_CANARY = 0.04
const ALPHA_STABLE = 0.01

/** @param stable  of the version it is compared with; null where there is none, then `limit` alone counts */
export function standingOf(canary: Tally, stable: Tally | null, limitAlone: number): Standing {
  const canaryAtMost = upperRate(canary, ALPHA_CANARY)
  const limit = stable ? FACTOR * lowerRate(stable, ALPHA_STABLE) + DELTA : limitAlone
  const looseLimit = stable ? FACTOR * shareOf(stable) + DELTA : limitAlone
  return {
    canaryAtMost,
    limit,
    isProven: canaryAtMost <= limit,
    looksNoWorse: canary.units > 0 && shareOf(canary) <= looseLimit,
  }
}

/** Doublings of the data that are looked ahead. */
const MOST_DOUBLINGS = 24

/** How many more units of the canary it takes if the rates stay as they are; null if it can never be shown so. */
export function unitsMissing(canary: Tally, stable: Tally | null, limitAlone: number): number | null {
  if (canary.units === 0) return Math.ceil(4 / DELTA)
  const isProven = (times: number) =>
    standingOf(scaled(canary, times), stable && scaled(stable, times), limitAlone).isProven
  let enough = 1
  for (let doubling = 0; !isProven(enough); doubling++) {
    if (doubling === MOST_DOUBLINGS) return null
    enough *= 2
  }
  let tooFew = enough / 2
  for (let step = 0; step < 8; step++) {
    const middle = (tooFew + enough) / 2
    if (isProven(middle)) enough = middle
    else tooFew = middle
  }
  return Math.max(0, Math.ceil(canary.units * (enough - 1)))
}

function scaled({ units, bad }: Tally, times: number): Tally {
  return { units: units * times, bad: bad * times }
}

function shareOf({ units, bad }: Tally): number {
  return units === 0 ? 0 : bad / units
}
