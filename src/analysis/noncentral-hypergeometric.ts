// Which of the bad units of a tick are the canary's, if the canary is `oddsRatio` times as bad as stable?
//
// Intuition: put all units of both versions into one urn and draw as many bad ones as there were. Nothing about how
// often units are bad is needed, so nothing about it can be wrong: a shared outage only makes the draw larger.
// Hypothesis: every unit is bad independently of the others, with odds that differ between the versions by the factor
// `oddsRatio` and by nothing else. Then the canary's share of a given number of bad units is Fisher's distribution,
//
//   w[k+1] / w[k] = oddsRatio · (Nc − k)(D − k) / ((k + 1)(Ns − D + k + 1)),   max(0, D − Ns) ≤ k ≤ min(D, Nc)
//
// Numerics: w is log-concave, so it is walked away from its largest value by this ratio until it is too small to
// matter. All values are at most 1, so nothing overflows, and what is left out is below 1e-20 of the whole, so counts
// of 1e9 take a window of a few standard deviations instead of their support.
// Source: Fisher, The logic of inductive inference (1935); docs/judgement.md.
import { invariant } from '../errors/catalogue.ts'

export interface Draw {
  /** Need not be whole: units of the canary may be weighted, see cells.ts. */
  readonly canaryUnits: number
  readonly stableUnits: number
  /** Bad units of both versions together, at most as many as there are units. */
  readonly bad: number
  readonly oddsRatio: number
}

/** Probabilities of the values `first`, `first + 1`, …; their sum is 1. */
export interface Distribution {
  readonly first: number
  readonly weights: Float64Array
}

/** Relative to the largest weight. */
const NEGLIGIBLE = 1e-20

/** @throws InvariantError if a count is no integer ≥ 0 or the bad units do not fit (a bug in the caller) */
export function canaryBadUnits(draw: Draw): Distribution {
  checkDraw(draw)
  const lowest = Math.max(0, draw.bad - draw.stableUnits)
  const highest = Math.min(draw.bad, Math.floor(draw.canaryUnits))
  const mode = modeOf(draw, lowest, highest)
  const below: number[] = []
  for (let value = mode, weight = 1; value > lowest; value--) {
    weight /= ratioAfter(draw, value - 1)
    if (weight < NEGLIGIBLE) break
    below.push(weight)
  }
  const above: number[] = []
  for (let value = mode, weight = 1; value < highest; value++) {
    weight *= ratioAfter(draw, value)
    if (weight < NEGLIGIBLE) break
    above.push(weight)
  }
  const weights = Float64Array.from([...below.reverse(), 1, ...above])
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return { first: mode - below.length, weights: weights.map((weight) => weight / total) }
}

function checkDraw({ canaryUnits, stableUnits, bad, oddsRatio }: Draw): void {
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0
  const wholeCanary = Math.floor(canaryUnits)
  invariant(
    isCount(wholeCanary) && isCount(stableUnits) && isCount(bad) && bad <= wholeCanary + stableUnits,
    `${bad} bad units of ${canaryUnits} and ${stableUnits}`,
  )
  invariant(oddsRatio > 0 && Number.isFinite(oddsRatio), `an odds ratio of ${oddsRatio}`)
}

/** w[value + 1] / w[value] */
function ratioAfter({ canaryUnits, stableUnits, bad, oddsRatio }: Draw, value: number): number {
  return (oddsRatio * ((canaryUnits - value) / (value + 1)) * (bad - value)) / (stableUnits - bad + value + 1)
}

/** The first value after which the weights fall. The ratio only falls, so halving finds it. */
function modeOf(draw: Draw, lowest: number, highest: number): number {
  let low = lowest
  let high = highest
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (ratioAfter(draw, middle) >= 1) low = middle + 1
    else high = middle
  }
  return low
}
