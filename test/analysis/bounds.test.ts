import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { binomial, chanceFrom } from '../../bench/simulation/chance.ts'
import type { Comparison } from '../../src/analysis/comparison.ts'
import { lowerRate, upperRate } from '../../src/analysis/rate-bounds.ts'
import { learnRatio, noRatioEvidence, ratioBounds } from '../../src/analysis/ratio-bounds.ts'
import { seeded } from './support.ts'

function tick(canaryUnits: number, canaryBad: number, stableUnits: number, stableBad: number): Comparison {
  return { canary: { units: canaryUnits, bad: canaryBad }, stable: { units: stableUnits, bad: stableBad } }
}

describe('the bounds of a rate', () => {
  test('without a bad unit in 4/δ are just above δ', () => {
    expect(upperRate({ units: 800, bad: 0 }, 0.05)).toBeCloseTo(0.00507, 5)
    expect(upperRate({ units: 0, bad: 0 }, 0.05)).toBe(1)
    expect(lowerRate({ units: 800, bad: 0 }, 0.05)).toBe(0)
    expect(upperRate({ units: 5, bad: 5 }, 0.05)).toBe(1)
  })

  test('enclose what was observed, and come closer with more of the same', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (units, share) => {
          const bad = Math.floor(units * share)
          const upper = upperRate({ units, bad }, 0.05)
          const lower = lowerRate({ units, bad }, 0.05)
          expect(lower).toBeLessThanOrEqual(bad / units)
          expect(upper).toBeGreaterThanOrEqual(bad / units)
          expect(lower).toBeGreaterThanOrEqual(0)
          expect(upper).toBeLessThanOrEqual(1)
          expect(upperRate({ units: units * 10, bad: bad * 10 }, 0.05)).toBeLessThanOrEqual(upper)
          expect(lowerRate({ units: units * 10, bad: bad * 10 }, 0.05)).toBeGreaterThanOrEqual(lower)
        },
      ),
      seeded(300),
    )
  })

  test('hold at all times together, more often than promised', () => {
    let missed = 0
    for (let trial = 0; trial < 300; trial++) {
      const chance = chanceFrom(1, trial)
      let seen = { units: 0, bad: 0 }
      let left = false
      for (let look = 0; look < 100; look++) {
        seen = { units: seen.units + 50, bad: seen.bad + binomial(chance, 50, 0.02) }
        left ||= upperRate(seen, 0.05) < 0.02 || lowerRate(seen, 0.05) > 0.02
      }
      if (left) missed++
    }
    // Both sides share one bet, so 5 % in all; 300 · 5 % = 15.
    expect(missed).toBeLessThanOrEqual(15)
    expect(missed).toBeGreaterThan(0)
  })
})

describe('the bounds of the ratio', () => {
  const see = (ticks: readonly Comparison[]) => ratioBounds(ticks.reduce(learnRatio, noRatioEvidence), 0.05)

  test('of nothing are open on both sides', () => {
    expect(see([])).toEqual({ low: null, best: null, high: null })
  })

  test('enclose the ratio, and only from below when stable had no bad unit', () => {
    const { low, best, high } = see([tick(1000, 60, 9000, 90)])
    expect(low).toBeGreaterThan(3)
    expect(best).toBeCloseTo(6, -0.5)
    expect(high).toBeLessThan(12)
    const open = see([tick(1000, 9, 9000, 0)])
    expect(open.low).toBeGreaterThan(2)
    expect(open.high).toBe(null)
  })

  test('close in on a billion requests without losing the ratio', () => {
    const { low, best, high } = see([tick(100_000_000, 2_000_000, 900_000_000, 9_000_000)])
    expect(low).toBeGreaterThan(1.7)
    expect(low).toBeLessThanOrEqual(2)
    expect(best).toBeCloseTo(2, 0)
    expect(high).toBeGreaterThanOrEqual(2)
    expect(high).toBeLessThan(2.3)
  })

  test('hold at all times together, through a change of weights', () => {
    let missed = 0
    for (let trial = 0; trial < 200; trial++) {
      const chance = chanceFrom(2, trial)
      let state = noRatioEvidence
      let left = false
      for (let look = 0; look < 100; look++) {
        const units = look < 50 ? 100 : 500
        const rate = look % 20 < 10 ? 0.01 : 0.05
        state = learnRatio(
          state,
          tick(units, binomial(chance, units, 2 * rate), 1000 - units, binomial(chance, 1000 - units, rate)),
        )
        const { low, high } = ratioBounds(state, 0.05)
        left ||= (low ?? 0) > 2 || (high ?? 9) < 2
      }
      if (left) missed++
    }
    expect(missed).toBeLessThanOrEqual(10)
  })
})
