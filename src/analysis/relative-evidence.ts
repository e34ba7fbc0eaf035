// How many to one would a bookmaker who suspects the canary have won by now?
//
// Intuition: before each tick the bookmaker splits the stake over 24 guesses of how many times as bad the canary is,
// and bets on who the bad units belong to. If the canary is within the margin, no such bets gain on average; whoever
// has turned 1 into 340 has evidence of 340 : 1. The winnings can be looked at whenever one likes, and be shown.
// Hypothesis: the canary's risk is at most `margin` times stable's.
// What makes it valid: each factor has mean ≤ 1 under the hypothesis, for any error rates and any change of weights,
// because 1 + x ≤ e^x; so the chance of ever reaching 1/α is at most α (Ville's inequality). `bad` may be a sum of
// shares instead of a count: a^x ≤ 1 + x(a − 1) for x in [0, 1], so units of many requests stay valid however their
// requests depend on each other. Evidence on several metrics is averaged, never multiplied.
// Source: Lindon and Malek, Anytime-valid inference for multinomial count data (2022); Waudby-Smith and Ramdas,
// Estimating means of bounded random variables by betting; Vovk and Wang, E-values (2021); docs/judgement.md.
import type { Comparison } from './comparison.ts'
import { logSumExp } from './numerics/log-sum.ts'

export interface RelativeEvidence {
  /** One per guess: logarithm of what a stake of 1 on it has become. */
  readonly logStakes: readonly number[]
}

const GUESSES = 24
/** Multiples of the margin, evenly spaced on a logarithmic scale. */
const NEAREST = 1.5
const FARTHEST = 300
/** Small rises are likelier than large ones. */
const PREFERENCE = -0.2

const logMultiples = Array.from(
  { length: GUESSES },
  (_, at) => Math.log(NEAREST) + (at / (GUESSES - 1)) * Math.log(FARTHEST / NEAREST),
)
const multiples = logMultiples.map(Math.exp)
const logShares = logMultiples.map((log) => PREFERENCE * log)
const logTotal = logSumExp(logShares)

export const noEvidence: RelativeEvidence = { logStakes: new Array<number>(GUESSES).fill(0) }

export function betOn(state: RelativeEvidence, { canary, stable }: Comparison, margin: number): RelativeEvidence {
  const bad = canary.bad + stable.bad
  const fair = stable.units + margin * canary.units
  if (bad === 0 || fair === 0) return state
  const canaryShare = (margin * canary.units) / fair
  return {
    logStakes: state.logStakes.map(
      (log, at) => log + canary.bad * logMultiples[at]! - bad * Math.log1p((multiples[at]! - 1) * canaryShare),
    ),
  }
}

/** Natural logarithm of the evidence: 0 is none, ln 340 is "340 : 1". */
export function logEvidence({ logStakes }: RelativeEvidence): number {
  return logSumExp(logStakes.map((log, at) => log + logShares[at]! - logTotal))
}

/** Logarithm of the mean: evidence on several metrics, or several views of one, valid under any dependence. */
export function averageEvidence(logs: readonly number[]): number {
  return logs.length === 0 ? 0 : logSumExp(logs) - Math.log(logs.length)
}
