import { describe, expect, test } from 'vitest'
import { binomial, chanceFrom, poisson } from '../../bench/simulation/chance.ts'
import { secondsToRollback } from '../../bench/simulation/strategies.ts'
import { addLoad, compareCells, largestSample, noLoad } from '../../src/analysis/cells.ts'
import { spendOn, startOfBoundary } from '../../src/analysis/conditional-boundary.ts'
import {
  detectionAlone,
  detectionOf,
  proposeStages,
  smallestVisibleAlone,
  smallestVisibleRate,
} from '../../src/analysis/sensitivity.ts'
import { type Cell, noCounts } from '../../src/domain/counts.ts'

const traffic = { requestsPerSecond: 50, weight: 0.1, baseline: 0.001 }
const power = { alpha: 0.01, margin: 1 }

describe('what a stage can see', () => {
  test('is found in the simulation within the time it says, for most canaries', () => {
    for (const rate of [0.005, 0.01, 0.05]) {
      const { seconds } = detectionOf(rate, traffic, power)!
      let found = 0
      for (let trial = 0; trial < 200; trial++) {
        const chance = chanceFrom(5, trial)
        let state = startOfBoundary
        for (let at = 0; at < Math.ceil(seconds); at++) {
          const canary = { units: 5, bad: binomial(chance, 5, rate) }
          state = spendOn(
            state,
            { canary, stable: { units: 45, bad: binomial(chance, 45, 0.001) } },
            { alpha: 0.01, oddsRatio: 1 },
          )
        }
        if (state.crossed) found++
      }
      expect(found / 200).toBeGreaterThan(0.5)
      expect(found / 200).toBeLessThan(0.95)
    }
  })

  test.each([
    { replicas: { canary: 1, stable: 9 }, requestsPerSecond: 50, rate: 0.01 },
    { replicas: { canary: 3, stable: 3 }, requestsPerSecond: 50, rate: 0.05 },
    { replicas: { canary: 3, stable: 3 }, requestsPerSecond: 300, rate: 0.01 },
    { replicas: { canary: 3, stable: 1 }, requestsPerSecond: 50, rate: 0.05 },
  ])('is found in cells of $replicas.canary beside $replicas.stable replicas within the time it says', (one) => {
    const asShipped = { alpha: 0.002, margin: 1.25 }
    const { seconds } = detectionOf(one.rate, { ...traffic, ...one }, asShipped)!
    const found = Array.from({ length: 60 }, (_, trial) => findsInCells({ ...one, seconds, trial }, asShipped))
    const share = found.filter(Boolean).length / found.length
    expect(share).toBeGreaterThan(0.5)
    expect(share).toBeLessThan(1)
  })

  function findsInCells(
    stage: {
      replicas: { canary: number; stable: number }
      requestsPerSecond: number
      rate: number
      seconds: number
      trial: number
    },
    { alpha, margin }: typeof power,
  ): boolean {
    const { replicas, requestsPerSecond, rate, seconds, trial } = stage
    const chance = chanceFrom(6, trial)
    const serve = (arm: 'canary' | 'stable', second: number, fails: number): Cell[] => {
      const share = arm === 'canary' ? traffic.weight : 1 - traffic.weight
      return Array.from({ length: replicas[arm] }, (_, at) => {
        const requests = poisson(chance, (requestsPerSecond * share) / replicas[arm])
        const failures = binomial(chance, requests, fails)
        return { slot: arm, revision: arm, replica: `${at}`, second, requests, failures, latency: noCounts.latency }
      }).filter((cell) => cell.requests > 0)
    }
    let state = startOfBoundary
    let loads = { canary: noLoad, stable: noLoad }
    for (let second = 0; second < seconds; second++) {
      const cells = { canary: serve('canary', second, rate), stable: serve('stable', second, traffic.baseline) }
      const most = largestSample(loads.stable)
      loads = { canary: addLoad(loads.canary, cells.canary), stable: addLoad(loads.stable, cells.stable) }
      state = spendOn(state, compareCells(cells, loads, most).drawn, { alpha, oddsRatio: margin })
    }
    return state.crossed
  }

  test('is less in cells of unequal load, and the same where every cell holds as many requests', () => {
    const wide = { ...power, margin: 1.25 }
    const smallest = (replicas?: { canary: number; stable: number }) =>
      smallestVisibleRate(300, { ...traffic, ...(replicas && { replicas }) }, wide)!
    expect(smallest({ canary: 3, stable: 3 })).toBeGreaterThan(1.5 * smallest())
    expect(smallest({ canary: 1, stable: 9 })).toBeCloseTo(smallest(), 2)
  })

  test('does not end where every cell holds a failed request', () => {
    const busy = { ...traffic, requestsPerSecond: 1e9, replicas: { canary: 3, stable: 3 } }
    expect(smallestVisibleRate(300, busy, { alpha: 0.002, margin: 1.25 })).toBeLessThan(0.0025)
  })

  test('with nothing beside the candidate is what the simulation finds in most releases', () => {
    const alone = { requestsPerSecond: 50, baseline: 0.001, knownFrom: 30_000, guardrail: 0.05 }
    const { seconds } = detectionAlone(0.01, alone, 0.005)!
    const found = Array.from({ length: 30 }, (_, trial) =>
      secondsToRollback({
        strategy: 'blue-green',
        mode: 'sequential',
        candidate: { fails: 0.01, slow: 0 },
        seed: 5,
        trial,
      }),
    ).filter((at) => at !== null && at <= 30 + seconds)
    expect(found.length / 30).toBeGreaterThan(0.3)
    expect(found.length / 30).toBeLessThan(1)
    expect(detectionAlone(0.004, alone, 0.005)).toBe(null)
    expect(smallestVisibleAlone(300, alone, 0.005)).toBeLessThan(0.01)
    expect(smallestVisibleAlone(5, alone, 0.005)).toBe(null)
  })

  test('is nothing within the margin, nor without traffic', () => {
    expect(detectionOf(0.0012, traffic, { alpha: 0.01, margin: 1.25 })).toBe(null)
    expect(detectionOf(0.5, { ...traffic, requestsPerSecond: 0 }, power)).toBe(null)
    expect(smallestVisibleRate(300, { ...traffic, requestsPerSecond: 0.01 }, power)).toBe(null)
  })

  test('is more with more time, more traffic and more weight', () => {
    const rate = (seconds: number, more = {}) => smallestVisibleRate(seconds, { ...traffic, ...more }, power)!
    expect(rate(600)).toBeLessThan(rate(300))
    expect(rate(300, { requestsPerSecond: 100 })).toBeLessThan(rate(300))
    expect(detectionOf(rate(300), traffic, power)!.seconds).toBeCloseTo(300, 3)
  })

  test('of a stable version without errors is finite', () => {
    const { seconds, hurt } = detectionOf(0.01, { ...traffic, baseline: 0 }, power)!
    expect(hurt).toBe(4)
    expect(seconds).toBeCloseTo(80, 6)
  })

  test('is proposed for each usual weight, with less time for more weight', () => {
    const stages = proposeStages(0.01, traffic, power)
    expect(stages.map(({ weight }) => weight)).toContain(0.1)
    const early = stages.filter(({ weight }) => weight <= 0.25).map(({ seconds }) => seconds)
    expect([...early].sort((a, b) => b - a)).toEqual(early)
    expect(proposeStages(0.001, traffic, power)).toEqual([])
  })
})
