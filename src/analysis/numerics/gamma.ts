// Logarithms of the gamma and beta functions.
//
// Problem: ln B(a, b) as lnΓ(a) + lnΓ(b) − lnΓ(a + b) takes the difference of numbers near 2e10 for counts of 1e9.
// Solution: Stirling's formula is put into the difference first, so that its large parts cancel on paper; only the
// small corrections are computed.
// Source: DLMF 5.11.1 (Stirling's series), 5.5.1 (recurrence), 5.12.1 (beta); Fullerton's DLBETA in SLATEC.

/** B(2k) / (2k(2k − 1)), k = 1 … 8 */
const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360_360, 1 / 156, -3617 / 122_400]
const LARGE = 10
const HALF_LOG_TWO_PI = 0.5 * Math.log(2 * Math.PI)

/** lnΓ(x), x > 0 */
export function logGamma(x: number): number {
  let shifted = x
  let product = 1
  while (shifted < LARGE) product *= shifted++
  return (shifted - 0.5) * Math.log(shifted) - shifted + HALF_LOG_TWO_PI + correction(shifted) - Math.log(product)
}

/** What Stirling's formula lacks, x ≥ 10. */
function correction(x: number): number {
  const inverseSquare = 1 / (x * x)
  return STIRLING.reduceRight((sum, coefficient) => sum * inverseSquare + coefficient, 0) / x
}

/** ln B(a, b), a and b > 0 */
export function logBeta(a: number, b: number): number {
  const small = Math.min(a, b)
  const large = Math.max(a, b)
  if (large < LARGE) return logGamma(small) + logGamma(large) - logGamma(small + large)
  const total = small + large
  const rest = (large - 0.5) * Math.log1p(-small / total) + correction(large) - correction(total)
  if (small < LARGE) return logGamma(small) + small - small * Math.log(total) + rest
  return HALF_LOG_TWO_PI - 0.5 * Math.log(total) + (small - 0.5) * Math.log(small / total) + correction(small) + rest
}
