// How many times as bad is the canary? An interval that may be looked at whenever one likes.
//
// Intuition: a ratio belongs to the interval as long as nobody who doubts it could have won much against it, by bets
// spread over all other ratios, as in relative-evidence.ts.
// Hypothesis, for each ratio by itself: the canary's risk is exactly this many times stable's.
// What makes it valid: the winnings against the true ratio reach 1/α with probability at most α, ever. The logarithm
// of the likelihood is concave in ln ratio, so what is not excluded is one interval; its ends are moved outwards to
// the next point of a fixed grid.
// Source: Lindon and Malek (2022); Waudby-Smith and Ramdas; docs/judgement.md.
import type { Comparison } from './comparison.ts'
import { logSumExp } from './numerics/log-sum.ts'

export interface RatioEvidence {
  /** Log-likelihood of each ratio of the grid, up to what is the same for all. */
  readonly logLikelihoods: readonly number[]
}

export interface RatioBounds {
  /** Null: unbounded on this side, or nothing known. */
  readonly low: number | null
  readonly best: number | null
  readonly high: number | null
}

const POINTS = 193
const FARTHEST = Math.log(400)
const logRatios = Array.from({ length: POINTS }, (_, at) => (at / (POINTS - 1)) * 2 * FARTHEST - FARTHEST)
const ratios = logRatios.map(Math.exp)

export const noRatioEvidence: RatioEvidence = { logLikelihoods: new Array<number>(POINTS).fill(0) }

export function learnRatio(state: RatioEvidence, { canary, stable }: Comparison): RatioEvidence {
  const bad = canary.bad + stable.bad
  const units = canary.units + stable.units
  if (bad === 0 || units === 0) return state
  const canaryShare = canary.units / units
  return {
    logLikelihoods: state.logLikelihoods.map(
      (log, at) => log + canary.bad * logRatios[at]! - bad * Math.log1p((ratios[at]! - 1) * canaryShare),
    ),
  }
}

/** @param alpha  chance that the true ratio is ever left out */
export function ratioBounds({ logLikelihoods }: RatioEvidence, alpha: number): RatioBounds {
  const best = logLikelihoods.indexOf(Math.max(...logLikelihoods))
  const threshold = logSumExp(logLikelihoods) - Math.log(POINTS) + Math.log(alpha)
  let low = best
  while (low >= 0 && logLikelihoods[low]! >= threshold) low--
  let high = best
  while (high < POINTS && logLikelihoods[high]! >= threshold) high++
  // Between two points that are both excluded the best one may still hide.
  if (low === best) low--
  if (high === best) high++
  const isFlat = low < 0 && high >= POINTS
  return {
    low: low < 0 ? null : ratios[low]!,
    best: isFlat && best === 0 ? null : ratios[best]!,
    high: high >= POINTS ? null : ratios[high]!,
  }
}
