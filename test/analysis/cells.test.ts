import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { binomial, type Chance, chanceFrom, poisson } from '../../bench/simulation/chance.ts'
import {
  addLoad,
  bySecond,
  chanceInSample,
  compareCells,
  compareShares,
  largestSample,
  noLoad,
  type Second,
  tallyRequests,
} from '../../src/analysis/cells.ts'
import type { Comparison } from '../../src/analysis/comparison.ts'
import { spendOn, startOfBoundary } from '../../src/analysis/conditional-boundary.ts'
import { type Cell, noCounts } from '../../src/domain/counts.ts'
import { seeded } from './support.ts'

function cell(replica: string, second: number, requests: number, failures = 0): Cell {
  return { slot: 'green', revision: 'new', replica, second, requests, failures, latency: noCounts.latency }
}
const loadOf = (cells: readonly Cell[]) => addLoad(noLoad, cells)

describe('cells', () => {
  test('are compared second by second, without those that had no request or belong to neither version', () => {
    const cells = [cell('b', 2, 5), cell('a', 1, 5), cell('c', 2, 0), cell('x', 2, 9), cell('s', 2, 7)]
    const armOf = ({ replica }: Cell) => (replica === 'x' ? null : replica === 's' ? 'stable' : 'canary')
    expect(bySecond(cells, armOf)).toEqual([
      { second: 1, canary: [cell('a', 1, 5)], stable: [] },
      { second: 2, canary: [cell('b', 2, 5)], stable: [cell('s', 2, 7)] },
    ])
  })

  test('count ten failures of one replica in one second as one', () => {
    const canary = [cell('a', 1, 10, 10), cell('b', 1, 10)]
    const stable = [cell('s', 1, 10, 3)]
    const loads = { canary: loadOf(canary), stable: loadOf(stable) }
    expect(compareCells({ canary, stable }, loads).drawn).toEqual({
      canary: { units: 2, bad: 1 },
      stable: { units: 1, bad: 1 },
    })
  })

  test('of a canary with more requests per cell weigh more, with fewer no less', () => {
    const canary = [cell('a', 1, 30), cell('b', 1, 30)]
    const stable = [cell('s', 1, 10), cell('t', 1, 10)]
    const loads = { canary: loadOf(canary), stable: loadOf(stable) }
    expect(compareCells({ canary, stable }, loads).drawn.canary.units).toBe(6)
    const reversed = { canary: loads.stable, stable: loads.canary }
    expect(compareCells({ canary: stable, stable: canary }, reversed).drawn.canary.units).toBe(2)
    const alone = { canary: loads.canary, stable: noLoad }
    expect(compareCells({ canary, stable: [] }, alone).drawn).toEqual({
      canary: { units: 2, bad: 0 },
      stable: { units: 0, bad: 0 },
    })
  })

  test('of stable with more requests than the canary’s count as bad as often as a sample of that size would be', () => {
    const canary = [cell('a', 1, 5)]
    const stable = Array.from({ length: 4000 }, (_, at) => cell(`s${at}`, 1, 45, at % 2))
    const loads = { canary: loadOf(canary), stable: loadOf(stable) }
    const { drawn, expected } = compareCells({ canary, stable }, loads)
    expect(expected.stable).toEqual({ units: 4000, bad: expect.closeTo(2000 / 9, 6) })
    expect(Math.abs(drawn.stable.bad - 2000 / 9)).toBeLessThan(4 * Math.sqrt(2000 / 9))
    expect(drawn.canary).toEqual(expected.canary)
    expect(compareCells({ canary, stable }, loads).drawn).toEqual(drawn)
    const later = stable.map((each) => ({ ...each, second: 2 }))
    expect(compareCells({ canary, stable: later }, loads).drawn.stable.bad).not.toBe(drawn.stable.bad)
  })

  test('so large that all would be bad are sampled in both versions, by what stable has done before', () => {
    expect(largestSample(noLoad)).toBe(500)
    expect(largestSample({ requests: 1e7, failures: 1e4 })).toBeCloseTo(500, 0)
    const stable = Array.from({ length: 2000 }, (_, at) => cell(`s${at}`, 1, 100_000, 100))
    const canary = Array.from({ length: 2000 }, (_, at) => cell(`c${at}`, 1, 50_000, 250))
    const { drawn, expected } = compareCells(
      { canary, stable },
      { canary: loadOf(canary), stable: loadOf(stable) },
      500,
    )
    expect(expected.stable.bad / 2000).toBeCloseTo(1 - 0.999 ** 500, 2)
    expect(expected.canary.bad / 2000).toBeCloseTo(1 - 0.995 ** 500, 2)
    expect(expected.canary.units).toBe(2000)
    expect(Math.abs(drawn.stable.bad - expected.stable.bad)).toBeLessThan(100)
  })

  test('of stable in which everything fails are bad, however small the sample', () => {
    for (const part of [1e-6, 0.01, 0.5, 1]) expect(chanceInSample({ requests: 45, failures: 45 }, part)).toBe(1)
  })

  test('count with the share of their bad requests where shares are compared', () => {
    const canary = [cell('a', 1, 10, 5), cell('b', 1, 4, 1)]
    expect(compareShares({ canary, stable: [] }, (each) => each.failures)).toEqual({
      canary: { units: 2, bad: 0.75 },
      stable: { units: 0, bad: 0 },
    })
    expect(tallyRequests(canary, (each) => each.failures)).toEqual({ units: 14, bad: 6 })
  })
})

describe('the chance that a sample holds a failed request', () => {
  /** Fails of a sample drawn one by one. */
  function byDrawing(requests: number, failures: number, size: number): number {
    let allGood = 1
    for (let drawn = 0; drawn < size; drawn++) allGood *= Math.max(0, requests - failures - drawn) / (requests - drawn)
    return 1 - allGood
  }

  test('is that of drawing one request after the other', () => {
    for (let requests = 1; requests <= 24; requests++) {
      for (let failures = 0; failures <= requests; failures++) {
        for (let size = 1; size <= requests; size++) {
          const chance = chanceInSample({ requests, failures }, size / requests)
          expect(chance).toBeCloseTo(byDrawing(requests, failures, size), 9)
        }
      }
    }
  })

  test('rises with the failures and with the sample, between 0 and 1, for any counts to a billion', () => {
    const upTo = fc.integer({ min: 1, max: 1_000_000_000 })
    fc.assert(
      fc.property(upTo, upTo, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, part) => {
        const [failures, requests] = [Math.min(a, b), Math.max(a, b)]
        const chance = chanceInSample({ requests, failures }, part)
        expect(chance).toBeGreaterThanOrEqual(0)
        expect(chance).toBeLessThanOrEqual(1)
        expect(chanceInSample({ requests, failures: failures - 1 }, part)).toBeLessThanOrEqual(chance + 1e-6)
        expect(chanceInSample({ requests, failures }, part / 2)).toBeLessThanOrEqual(chance + 1e-6)
      }),
      seeded(300),
    )
  })
})

describe('an equal canary with a ninth of stable’s load', () => {
  const ALPHA = 0.05
  const TRIALS = 300

  /** Share of the trials in which it is taken back; `failuresOf` draws what one cell fails of its requests. */
  function takenBack(
    failuresOf: (chance: Chance, requests: number) => number,
    compare: (cells: Pick<Second, 'canary' | 'stable'>, loads: Parameters<typeof compareCells>[1]) => Comparison,
  ): number {
    let crossed = 0
    for (let trial = 0; trial < TRIALS; trial++) {
      const chance = chanceFrom(31, trial)
      const serve = (name: string, second: number, mean: number) =>
        Array.from({ length: 3 }, (_, at) => {
          const requests = poisson(chance, mean)
          return cell(`${name}${at}`, second, requests, failuresOf(chance, requests))
        }).filter(({ requests }) => requests > 0)
      let state = startOfBoundary
      let loads = { canary: noLoad, stable: noLoad }
      for (let second = 0; second < 150; second++) {
        const cells = { canary: serve('c', second, 2), stable: serve('s', second, 18) }
        loads = { canary: addLoad(loads.canary, cells.canary), stable: addLoad(loads.stable, cells.stable) }
        state = spendOn(state, compare(cells, loads), { alpha: ALPHA, oddsRatio: 1 })
      }
      if (state.crossed) crossed++
    }
    return crossed / TRIALS
  }

  const bySamples = (...of: Parameters<typeof compareCells>) => compareCells(...of).drawn
  const byRequests = ({ canary, stable }: Pick<Second, 'canary' | 'stable'>) => ({
    canary: tallyRequests(canary, (each) => each.failures),
    stable: tallyRequests(stable, (each) => each.failures),
  })
  const atMost = ALPHA + 3 * Math.sqrt((ALPHA * (1 - ALPHA)) / TRIALS)
  const stalls = (chance: Chance, requests: number) => (chance() < 0.02 ? requests : 0)

  test.each([
    ['requests fail one by one', (chance: Chance, requests: number) => binomial(chance, requests, 0.02)],
    [
      'three requests fail together',
      (chance: Chance, requests: number) => Math.min(requests, 3 * binomial(chance, requests, 0.01)),
    ],
    ['replicas stall and fail everything', stalls],
    [
      'half of a stalled replica’s requests fail',
      (chance: Chance, requests: number) => (chance() < 0.02 ? Math.ceil(requests / 2) : 0),
    ],
  ])('is taken back with α at most where %s', (_, failuresOf) => {
    expect(takenBack(failuresOf, bySamples)).toBeLessThanOrEqual(atMost)
  })

  test('would be taken back far too often by stalls if requests were counted', () => {
    expect(takenBack(stalls, byRequests)).toBeGreaterThan(2 * atMost)
  })
})
