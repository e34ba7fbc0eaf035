// How often is a unit bad? Bounds that may be looked at whenever one likes.
//
// Intuition: a rate is excluded once bets on other rates have won 1/α against it.
// Hypothesis, for each rate by itself: every unit is bad with this probability, whatever came before.
// What makes it valid: the winnings of a fixed mixture of bets against the true rate reach 1/α with probability at
// most α, ever. The mixture is Beta(0.15, 1), nearly the same for each order of magnitude, because error rates are
// small: without a bad unit it costs about one error more than knowing in advance that there is none.
// It does not hold as stated where bad units come in clusters; then it is too narrow.
// Source: Waudby-Smith and Ramdas; Robbins, Statistical methods related to the law of the iterated logarithm (1970);
// docs/judgement.md.
import type { Tally } from './comparison.ts'
import { logBeta } from './numerics/gamma.ts'

const A = 0.15
const B = 1
const LOG_PRIOR = logBeta(A, B)
/** Where the search begins, as ln(rate / (1 − rate)): outside of every interval. */
const FARTHEST = 40
const MOST_STEPS = 100
const PRECISION = 1e-12

/** 1 of no units. */
export function upperRate(tally: Tally, alpha: number): number {
  return tally.bad >= tally.units ? 1 : borderOf(tally, alpha, FARTHEST)
}

/** 0 without a bad unit. */
export function lowerRate(tally: Tally, alpha: number): number {
  return tally.bad === 0 ? 0 : borderOf(tally, alpha, -FARTHEST)
}

/** The log-likelihood is concave in ln(rate / (1 − rate)), so Newton's steps from outside never step inside. */
function borderOf({ units, bad }: Tally, alpha: number, from: number): number {
  const won = logBeta(A + bad, B + units - bad) - LOG_PRIOR + Math.log(alpha)
  let border = from
  for (let step = 0; step < MOST_STEPS; step++) {
    const logLikelihood = -bad * softplus(-border) - (units - bad) * softplus(border)
    const change = (logLikelihood - won) / (bad - units * rateAt(border))
    border -= change
    if (Math.abs(change) < PRECISION) break
  }
  return rateAt(border)
}

function rateAt(logit: number): number {
  return 1 / (1 + Math.exp(-logit))
}

/** ln(1 + e^x) */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
}
