// Roll back when too many of the bad units are the canary's: an exact test that may be looked at after every tick.
//
// Intuition: the canary gets a tenth of the traffic, so a tenth of the bad units should be its own. Four of the first
// four are not bad luck. The probability of every possible count is followed exactly, with paths that have already
// crossed taken out, and the boundary is put where what is left beyond it costs no more than may be spent by now.
// Hypothesis: the canary's odds of a bad unit are at most `oddsRatio` times stable's.
// What makes it valid: only the share of the bad units in each tick is used, given their number (see
// noncentral-hypergeometric.ts). It holds under any drift of the baseline, shared outages, any change of weights and
// any number of looks, as long as bad units are exchangeable between the versions within a tick. The probability of
// ever crossing is the sum of what was spent, which `alpha · n / (n + 10)` bounds after n bad units.
// Source: Kulldorff et al., A maximized sequential probability ratio test (2011); Kulldorff and Silva on the minimum
// number of events (2017); docs/judgement.md.
import type { Comparison } from './comparison.ts'
import { canaryBadUnits, type Distribution } from './noncentral-hypergeometric.ts'

export interface BoundaryRules {
  /** Probability with which a canary that is within the margin may ever cross. */
  readonly alpha: number
  readonly oddsRatio: number
}

export interface BoundaryState {
  /** Bad units of both versions, and of the canary alone. */
  readonly bad: number
  readonly canaryBad: number
  /** Part of alpha that is used up. */
  readonly spent: number
  /** Probabilities of the canary's count from `first` on, without the paths that have crossed. */
  readonly first: number
  readonly probabilities: readonly number[]
  /** Smallest count of the canary that crosses now; above `bad` while none can. */
  readonly crossesAt: number
  readonly crossed: boolean
  /** After this many bad units almost all alpha is spent and the test ends; the e-process beside it goes on. */
  readonly isOver: boolean
}

/** With fewer bad units of the canary nothing is taken back. */
export const MINIMUM_BAD = 4
/** Half of alpha may be spent after this many bad units. */
const HALF_SPENT_AFTER = 10
const MOST_BAD = 3000
/** Probability that may be dropped at the lower end per tick, to keep the state short. */
const NEGLIGIBLE = 1e-18

export const startOfBoundary: BoundaryState = {
  bad: 0,
  canaryBad: 0,
  spent: 0,
  first: 0,
  probabilities: [1],
  crossesAt: MINIMUM_BAD,
  crossed: false,
  isOver: false,
}

/** @throws InvariantError if a count is no integer ≥ 0 or exceeds its units (a bug in the caller) */
export function spendOn(state: BoundaryState, { canary, stable }: Comparison, rules: BoundaryRules): BoundaryState {
  const bad = canary.bad + stable.bad
  if (bad === 0 || state.crossed || state.isOver) return state
  if (state.bad + bad > MOST_BAD) return { ...state, isOver: true, probabilities: [] }
  const draw = { canaryUnits: canary.units, stableUnits: stable.units, bad, oddsRatio: rules.oddsRatio }
  return cut(
    {
      ...state,
      ...convolve(state, canaryBadUnits(draw)),
      bad: state.bad + bad,
      canaryBad: state.canaryBad + canary.bad,
    },
    rules.alpha,
  )
}

/** Part of alpha that may be used up by now. */
export function spendableAfter(bad: number, alpha: number): number {
  return (alpha * bad) / (bad + HALF_SPENT_AFTER)
}

/** Puts the boundary where the probability beyond it fits into the budget, and takes those paths out. */
function cut(state: BoundaryState, alpha: number): BoundaryState {
  const { bad, canaryBad, first, probabilities } = state
  const budget = spendableAfter(bad, alpha) - state.spent
  let crossesAt = first + probabilities.length
  let beyond = 0
  while (crossesAt > Math.max(MINIMUM_BAD, first)) {
    const more = beyond + probabilities[crossesAt - 1 - first]!
    if (more > budget) break
    beyond = more
    crossesAt--
  }
  crossesAt = Math.max(crossesAt, MINIMUM_BAD)
  return {
    ...state,
    ...withoutLowEnd(first, probabilities.slice(0, Math.max(0, crossesAt - first))),
    spent: state.spent + beyond,
    crossesAt,
    crossed: canaryBad >= crossesAt,
  }
}

function convolve(
  { first, probabilities }: BoundaryState,
  added: Distribution,
): Pick<BoundaryState, 'first' | 'probabilities'> {
  const sums = new Array<number>(probabilities.length + added.weights.length - 1).fill(0)
  for (const [at, probability] of probabilities.entries()) {
    for (let more = 0; more < added.weights.length; more++) sums[at + more]! += probability * added.weights[more]!
  }
  return { first: first + added.first, probabilities: sums }
}

function withoutLowEnd(first: number, probabilities: readonly number[]) {
  let dropped = 0
  let start = 0
  while (start < probabilities.length && dropped + probabilities[start]! < NEGLIGIBLE)
    dropped += probabilities[start++]!
  return { first: first + start, probabilities: start === 0 ? probabilities : probabilities.slice(start) }
}
