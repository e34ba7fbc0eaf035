import { describe, expect, test } from 'vitest'
import { binomial, chanceFrom } from '../../bench/simulation/chance.ts'
import { spendOn, startOfBoundary } from '../../src/analysis/conditional-boundary.ts'
import { detectionOf, proposeStages, smallestVisibleRate } from '../../src/analysis/sensitivity.ts'

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

  test('is less in cells of unequal load, and the same where every cell holds as many requests', () => {
    const wide = { ...power, margin: 1.25 }
    const smallest = (replicas?: { canary: number; stable: number }) =>
      smallestVisibleRate(300, { ...traffic, ...(replicas && { replicas }) }, wide)!
    expect(smallest({ canary: 3, stable: 3 })).toBeGreaterThan(3 * smallest())
    expect(smallest({ canary: 1, stable: 9 })).toBeCloseTo(smallest(), 2)
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
