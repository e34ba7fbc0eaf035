import { describe, expect, test } from 'vitest'
import { binomial, chanceFrom } from '../../bench/simulation/chance.ts'
import { logMismatch } from '../../src/analysis/sample-ratio.ts'

describe('the share of the traffic', () => {
  test('has a mean evidence of 1 at the configured weight', () => {
    let mean = 0
    let ways = 1
    for (let canary = 0; canary <= 40; canary++) {
      mean += ways * 0.1 ** canary * 0.9 ** (40 - canary) * Math.exp(logMismatch(canary, 40 - canary, 0.1))
      ways = (ways * (40 - canary)) / (canary + 1)
    }
    expect(mean).toBeCloseTo(1, 10)
  })

  test('of one in eight instead of one in ten is found, of one in ten is not', () => {
    expect(logMismatch(5000, 35_000, 0.1)).toBeGreaterThan(Math.log(1000))
    expect(logMismatch(4000, 36_000, 0.1)).toBeLessThan(0)
    let alarms = 0
    for (let trial = 0; trial < 200; trial++) {
      const chance = chanceFrom(4, trial)
      let canary = 0
      let found = false
      for (let look = 1; look <= 100; look++) {
        canary += binomial(chance, 500, 0.1)
        found ||= logMismatch(canary, 500 * look - canary, 0.1) >= Math.log(100)
      }
      if (found) alarms++
    }
    expect(alarms).toBeLessThanOrEqual(2)
  })

  test('is finite for a billion requests', () => {
    expect(Number.isFinite(logMismatch(1e9, 0, 0.1))).toBe(true)
    expect(Number.isFinite(logMismatch(0, 1e9, 0.99))).toBe(true)
  })
})
