// Does the canary get the share of the traffic that it was given?
//
// Intuition: at 10 % one request in ten arrives at the canary. If it is one in eight for long, routing is broken,
// sessions stick to a version, or replicas are crashing; and no comparison of the versions should be trusted blindly.
// Hypothesis: each request goes to the canary with the configured probability, independently of the others.
// What makes it valid: the evidence is the likelihood under a Dirichlet mixture around the configured share against
// the likelihood under that share itself, whose mean is 1; so it may be looked at after every request. The
// concentration of 10 000 looks for small deviations.
// Source: Lindon and Malek, Anytime-valid inference for multinomial count data (2022); docs/judgement.md.
import { logBeta } from './numerics/gamma.ts'

const CONCENTRATION = 10_000

/**
 * Natural logarithm of the evidence that the share is another one.
 *
 * @param expected  share of the canary, between 0 and 1, both excluded
 */
export function logMismatch(canary: number, stable: number, expected: number): number {
  const a = CONCENTRATION * expected
  const b = CONCENTRATION * (1 - expected)
  return logBeta(a + canary, b + stable) - logBeta(a, b) - canary * Math.log(expected) - stable * Math.log1p(-expected)
}
