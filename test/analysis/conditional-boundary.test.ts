import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Comparison } from '../../src/analysis/comparison.ts'
import { type BoundaryState, spendOn, startOfBoundary } from '../../src/analysis/conditional-boundary.ts'
import { canaryBadUnits } from '../../src/analysis/noncentral-hypergeometric.ts'
import { seeded } from './support.ts'

const rules = { alpha: 0.01, oddsRatio: 1 }

function tick(canaryUnits: number, stableUnits: number, canaryBad: number, stableBad: number): Comparison {
  return { canary: { units: canaryUnits, bad: canaryBad }, stable: { units: stableUnits, bad: stableBad } }
}

function run(ticks: readonly Comparison[], with_ = rules): BoundaryState {
  return ticks.reduce((state, each) => spendOn(state, each, with_), startOfBoundary)
}

/** The boundary after n bad units, one per tick, all of them stable's: what the canary would have needed. */
function boundaryAfter(n: number, splitPercent: number, oddsRatio: number): number | null {
  const each = tick(splitPercent, 100 - splitPercent, 0, 1)
  const { crossesAt } = run(new Array(n).fill(each), { alpha: 0.01, oddsRatio })
  return crossesAt <= n ? crossesAt : null
}

const counts = [4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200]
const table: readonly [number, number, readonly (number | null)[]][] = [
  [1, 1, [4, 4, 4, 4, 4, 4, 4, 4, 4, 6, 9]],
  [5, 1, [4, 4, 4, 4, 4, 4, 5, 7, 9, 14, 24]],
  [10, 1, [4, 4, 4, 5, 5, 6, 7, 10, 14, 22, 38]],
  [25, 1, [null, 5, 6, 7, 7, 10, 12, 16, 24, 42, 74]],
  [50, 1, [null, null, null, 8, 10, 14, 17, 24, 37, 68, 127]],
  [10, 1.5, [4, 4, 5, 5, 6, 7, 9, 12, 17, 28, 49]],
]

describe('the boundary', () => {
  test.each(table)('at %s %% and an odds ratio of %s is the one of the table', (split, oddsRatio, expected) => {
    expect(counts.map((n) => boundaryAfter(n, split, oddsRatio))).toEqual(expected)
  })

  test('is crossed by the count it names, and not by one less', () => {
    const canary = tick(10, 90, 1, 0)
    const stable = tick(10, 90, 0, 1)
    expect(run([canary, canary, canary, canary])).toMatchObject({ crossed: true, canaryBad: 4, bad: 4 })
    expect(run([canary, canary, canary])).toMatchObject({ crossed: false, crossesAt: 4 })
    const mixed = [stable, stable, stable, stable, stable, stable, canary, canary, canary, canary]
    expect(run(mixed)).toMatchObject({ crossed: false, bad: 10, canaryBad: 4, crossesAt: 5 })
    expect(run([...mixed, canary])).toMatchObject({ crossed: true, canaryBad: 5 })
  })

  test('is not moved by ticks without a bad unit, nor by ticks in which all units are bad', () => {
    const before = run([tick(10, 90, 1, 1)])
    expect(spendOn(before, tick(50, 450, 0, 0), rules)).toBe(before)
    const outage = spendOn(before, tick(10, 90, 10, 90), rules)
    expect(outage.canaryBad - outage.first).toBe(before.canaryBad - before.first)
    expect(outage.crossed).toBe(false)
  })

  test('says nothing where only one version has traffic', () => {
    expect(run([tick(100, 0, 100, 0), tick(100, 0, 100, 0)])).toMatchObject({ crossed: false, spent: 0 })
    expect(run([tick(0, 100, 0, 100)])).toMatchObject({ crossed: false, spent: 0 })
  })

  test('hands over after 3000 bad units', () => {
    const state = run([tick(1000, 9000, 250, 2250), tick(1000, 9000, 60, 450)])
    expect(state).toMatchObject({ isOver: true, crossed: false, probabilities: [] })
    expect(spendOn(state, tick(10, 90, 10, 0), rules)).toBe(state)
  })
})

/** All paths one by one: the probability that a canary with exactly this odds ratio ever crosses. */
function crossingProbability(
  units: readonly (readonly [number, number, number])[],
  at = 0,
  before = startOfBoundary,
): number {
  const tickUnits = units[at]
  if (!tickUnits) return 0
  const [canaryUnits, stableUnits, bad] = tickUnits
  const { first, weights } = canaryBadUnits({ canaryUnits, stableUnits, bad, oddsRatio: rules.oddsRatio })
  let probability = 0
  for (const [index, weight] of weights.entries()) {
    const canaryBad = first + index
    const state = spendOn(before, tick(canaryUnits, stableUnits, canaryBad, bad - canaryBad), rules)
    probability += weight * (state.crossed ? 1 : crossingProbability(units, at + 1, state))
  }
  return probability
}

describe('what it spends', () => {
  test('is the probability of crossing that going through all paths gives', () => {
    const schedules = [
      [
        [5, 45, 2],
        [5, 45, 2],
        [5, 45, 3],
        [5, 45, 2],
        [5, 45, 2],
      ],
      [
        [1, 3, 2],
        [2, 2, 3],
        [3, 1, 2],
        [2, 6, 3],
        [1, 9, 4],
      ],
      [
        [20, 5, 6],
        [1, 99, 4],
        [50, 50, 5],
      ],
    ] as const
    for (const schedule of schedules) {
      let state = startOfBoundary
      for (const [canaryUnits, stableUnits, bad] of schedule) {
        const canaryBad = Math.max(0, bad - stableUnits)
        state = spendOn(state, tick(canaryUnits, stableUnits, canaryBad, bad - canaryBad), rules)
      }
      expect(state.spent).toBeGreaterThan(0)
      expect(crossingProbability(schedule)).toBeCloseTo(state.spent, 12)
    }
  })

  test('never exceeds alpha, and what is left in the paths is the rest', () => {
    const anyTick = fc
      .record({ canary: fc.nat(50), stable: fc.nat(200), a: fc.nat(12), b: fc.nat(12) })
      .map(({ canary, stable, a, b }) => tick(canary, stable, Math.min(a, canary), Math.min(b, stable)))
    fc.assert(
      fc.property(fc.array(anyTick, { maxLength: 60 }), (ticks) => {
        const state = run(ticks)
        expect(state.spent).toBeLessThanOrEqual(rules.alpha)
        const left = state.probabilities.reduce((sum, probability) => sum + probability, 0)
        if (!state.isOver) expect(left + state.spent).toBeCloseTo(1, 12)
        expect(JSON.stringify(state)).not.toMatch(/null|NaN/)
      }),
      seeded(200),
    )
  })

  test('grows with the odds that are allowed: what crosses at a wide margin crosses at a narrow one', () => {
    const anyTick = fc.record({ canary: fc.integer({ min: 1, max: 9 }), bad: fc.integer({ min: 0, max: 3 }) })
    fc.assert(
      fc.property(fc.array(anyTick, { maxLength: 40 }), (picks) => {
        const ticks = picks.map(({ canary, bad }) => tick(10, 90, Math.min(canary, bad), bad))
        if (run(ticks, { alpha: 0.01, oddsRatio: 1.5 }).crossed) expect(run(ticks).crossed).toBe(true)
      }),
      seeded(200),
    )
  })
})

test('the state stays short however long it runs', () => {
  let state = startOfBoundary
  let longest = 0
  for (let at = 0; at < 1400; at++) {
    state = spendOn(state, tick(500, 500, 1, 1), rules)
    longest = Math.max(longest, JSON.stringify(state).length)
  }
  expect(state.bad).toBe(2800)
  expect(longest).toBeLessThan(15_000)
})
