import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canaryBadUnits, type Draw } from '../../src/analysis/noncentral-hypergeometric.ts'
import { seeded } from './support.ts'

/** Exact weights from binomial coefficients of integers, for small counts. */
function exactly({ canaryUnits, stableUnits, bad, oddsRatio }: Draw): Map<number, number> {
  const weights = new Map<number, number>()
  for (let k = Math.max(0, bad - stableUnits); k <= Math.min(bad, canaryUnits); k++) {
    const ways = choose(canaryUnits, k) * choose(stableUnits, bad - k)
    weights.set(k, Number(ways) * oddsRatio ** k)
  }
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0)
  return new Map([...weights].map(([k, weight]) => [k, weight / total]))
}

function choose(n: number, k: number): bigint {
  let ways = 1n
  for (let i = 0; i < k; i++) ways = (ways * BigInt(n - i)) / BigInt(i + 1)
  return ways
}

function meanOf(draw: Draw): number {
  const { first, weights } = canaryBadUnits(draw)
  return weights.reduce((sum, weight, at) => sum + weight * (first + at), 0)
}

const smallDraw = fc
  .record({
    canaryUnits: fc.nat(40),
    stableUnits: fc.nat(60),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    oddsRatio: fc.constantFrom(0.2, 1, 1.25, 5, 100),
  })
  .map(({ share, ...draw }): Draw => ({ ...draw, bad: Math.round(share * (draw.canaryUnits + draw.stableUnits)) }))

const count = fc.oneof(fc.nat(100), fc.nat(1_000_000_000), fc.constant(1_000_000_000), fc.constant(0))
const anyDraw = fc
  .record({
    canaryUnits: count,
    stableUnits: count,
    share: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1e-9, 1e-6, 1)),
    oddsRatio: fc.constantFrom(1e-3, 1, 1.25, 5, 300),
  })
  .map(({ share, ...draw }): Draw => ({ ...draw, bad: Math.round(share * (draw.canaryUnits + draw.stableUnits)) }))

describe('the share of the bad units', () => {
  test('is the one that counting all draws gives', () => {
    fc.assert(
      fc.property(smallDraw, (draw) => {
        const expected = exactly(draw)
        const { first, weights } = canaryBadUnits(draw)
        for (const [k, weight] of expected) expect(weights[k - first] ?? 0).toBeCloseTo(weight, 12)
      }),
      seeded(300),
    )
  })

  test('is finite and sums to one for any counts to a billion, within the support', () => {
    fc.assert(
      fc.property(anyDraw, (draw) => {
        const { first, weights } = canaryBadUnits(draw)
        expect(weights.every((weight) => weight >= 0 && Number.isFinite(weight))).toBe(true)
        expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9)
        expect(first).toBeGreaterThanOrEqual(Math.max(0, draw.bad - draw.stableUnits))
        expect(first + weights.length - 1).toBeLessThanOrEqual(Math.min(draw.bad, draw.canaryUnits))
      }),
      seeded(200),
    )
  })

  test('of a billion units has the mean and the variance of the formula', () => {
    const draw = { canaryUnits: 100_000_000, stableUnits: 900_000_000, bad: 1_000_000, oddsRatio: 1 }
    const { first, weights } = canaryBadUnits(draw)
    const mean = weights.reduce((sum, weight, at) => sum + weight * (first + at), 0)
    const variance = weights.reduce((sum, weight, at) => sum + weight * (first + at - mean) ** 2, 0)
    expect(mean).toBeCloseTo(100_000, 3)
    expect(variance / (1e6 * 0.1 * 0.9 * ((1e9 - 1e6) / (1e9 - 1)))).toBeCloseTo(1, 9)
  })

  test('grows with the odds ratio and with the canary’s units', () => {
    fc.assert(
      fc.property(smallDraw, (draw) => {
        expect(meanOf({ ...draw, oddsRatio: draw.oddsRatio * 1.5 })).toBeGreaterThanOrEqual(meanOf(draw) - 1e-12)
        expect(meanOf({ ...draw, canaryUnits: draw.canaryUnits + 3 })).toBeGreaterThanOrEqual(meanOf(draw) - 1e-12)
      }),
      seeded(200),
    )
  })

  test('is the mirror image when the versions change places', () => {
    fc.assert(
      fc.property(smallDraw, (draw) => {
        const { canaryUnits, stableUnits, bad, oddsRatio } = draw
        const mirrored = { canaryUnits: stableUnits, stableUnits: canaryUnits, bad, oddsRatio: 1 / oddsRatio }
        expect(meanOf(draw)).toBeCloseTo(bad - meanOf(mirrored), 9)
      }),
      seeded(200),
    )
  })

  test.each([
    [-1, 5, 0],
    [5, 1.5, 1],
    [5, 5, 11],
  ])('of %s and %s units with %s bad ones is refused as a bug', (canaryUnits, stableUnits, bad) => {
    expect(() => canaryBadUnits({ canaryUnits, stableUnits, bad, oddsRatio: 1 })).toThrow(/bad units/)
  })
})
