// Logarithm of the regularised incomplete beta function.
//
// Problem: with thousands of requests the value is often below the smallest number there is, and 1 minus it is wanted
// just as well. Solution: the continued fraction stands beside its prefactor, whose logarithm is taken; it converges
// below the mean of the distribution, and above it the complement is taken from the mirrored fraction.
// Source: DLMF 8.17.22 (continued fraction), 8.17.4 (mirror image); Thompson and Barnett (1986) for its evaluation.
import { invariant } from '../../errors/catalogue.ts'
import { logBeta } from './gamma.ts'

const PRECISION = 1e-15
/** It takes about the square root of the larger parameter. */
const MOST_TERMS = 1_000_000
/** Stands in for a zero denominator. */
const TINY = 1e-300

/** ln Iₓ(a, b): the probability that a Beta(a, b) variable is at most x; 0 < x < 1, a and b > 0. */
export function logIncompleteBeta(x: number, a: number, b: number): number {
  if (x <= (a + 1) / (a + b + 2)) return belowMean(x, a, b)
  return logOfComplement(belowMean(1 - x, b, a))
}

function belowMean(x: number, a: number, b: number): number {
  return a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b) - Math.log(a) - Math.log(continuedFraction(x, a, b))
}

/** 1 + d₁/(1 + d₂/(1 + …)), by the modified method of Lentz. */
function continuedFraction(x: number, a: number, b: number): number {
  let value = 1
  let above = 1
  let below = 0
  for (let term = 1; term <= MOST_TERMS; term++) {
    const m = term >> 1
    const part =
      term % 2 === 1
        ? (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
        : (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    below = 1 / notZero(1 + part * below)
    above = notZero(1 + part / above)
    const change = above * below
    value *= change
    if (Math.abs(change - 1) < PRECISION) return value
  }
  invariant(false, `the incomplete beta function of ${x}, ${a}, ${b} does not converge`)
}

function notZero(value: number): number {
  return Math.abs(value) < TINY ? TINY : value
}

/** ln(1 − e^log) */
function logOfComplement(log: number): number {
  return log > -Math.LN2 ? Math.log(-Math.expm1(log)) : Math.log1p(-Math.exp(log))
}
