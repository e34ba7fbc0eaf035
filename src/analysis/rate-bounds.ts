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
/** Halvings of ln(rate / (1 − rate)) between ±40. */
const HALVINGS = 50
const FARTHEST = 40

/** 1 of no units. */
export function upperRate(tally: Tally, alpha: number): number {
  if (tally.bad >= tally.units) return 1
  return borderOf(tally, alpha, logitOf(tally), FARTHEST)
}

/** 0 without a bad unit. */
export function lowerRate(tally: Tally, alpha: number): number {
  if (tally.bad === 0) return 0
  return borderOf(tally, alpha, logitOf(tally), -FARTHEST)
}

/** Goes from the observed rate outwards until the rate is excluded. */
function borderOf({ units, bad }: Tally, alpha: number, from: number, to: number): number {
  const won = logBeta(A + bad, B + units - bad) - LOG_PRIOR + Math.log(alpha)
  let inside = from
  let outside = to
  for (let step = 0; step < HALVINGS; step++) {
    const middle = (inside + outside) / 2
    const logLikelihood = -bad * softplus(-middle) - (units - bad) * softplus(middle)
    if (won >= logLikelihood) outside = middle
    else inside = middle
  }
  return 1 / (1 + Math.exp(-outside))
}

function logitOf({ units, bad }: Tally): number {
  if (bad === 0) return -FARTHEST
  if (bad >= units) return FARTHEST
  return Math.log(bad / (units - bad))
}

/** ln(1 + e^x) */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
}
