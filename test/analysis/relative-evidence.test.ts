import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Comparison } from '../../src/analysis/comparison.ts'
import {
  averageEvidence,
  betOn,
  logEvidence,
  noEvidence,
  type RelativeEvidence,
} from '../../src/analysis/relative-evidence.ts'
import { seeded } from './support.ts'

const MARGIN = 1.25

function tick(canaryUnits: number, canaryBad: number, stableUnits: number, stableBad: number): Comparison {
  return { canary: { units: canaryUnits, bad: canaryBad }, stable: { units: stableUnits, bad: stableBad } }
}

function see(ticks: readonly Comparison[], margin = MARGIN): RelativeEvidence {
  return ticks.reduce((state, each) => betOn(state, each, margin), noEvidence)
}

/** P(X = k), X binomial. */
function binomial(n: number, k: number, p: number): number {
  let ways = 1
  for (let i = 0; i < k; i++) ways = (ways * (n - i)) / (i + 1)
  return ways * p ** k * (1 - p) ** (n - k)
}

describe('the evidence', () => {
  test('is what integrating over all guesses gives', () => {
    const ticks = [tick(50, 3, 450, 1), tick(100, 0, 400, 2), tick(60, 5, 440, 0)]
    const points = Array.from({ length: 24 }, (_, at) => MARGIN * 1.5 * 200 ** (at / 23))
    const shares = points.map((ratio) => (ratio / MARGIN) ** -0.2)
    const winnings = points.map((ratio) =>
      ticks.reduce((product, { canary, stable }) => {
        const canaryShare = (canary.units * ratio) / (canary.units * ratio + stable.units)
        const fairShare = (canary.units * MARGIN) / (canary.units * MARGIN + stable.units)
        return product * (canaryShare / fairShare) ** canary.bad * ((1 - canaryShare) / (1 - fairShare)) ** stable.bad
      }, 1),
    )
    const total = shares.reduce((sum, share) => sum + share, 0)
    const expected = shares.reduce((sum, share, at) => sum + (share / total) * winnings[at]!, 0)
    expect(logEvidence(see(ticks))).toBeCloseTo(Math.log(expected), 10)
  })

  test('has a mean of at most 1 where the canary is within the margin, whatever the rates', () => {
    for (const rate of [0.01, 0.2, 0.7]) {
      for (const ratio of [0.2, 1, MARGIN]) {
        let mean = 0
        for (let c = 0; c <= 6; c++) {
          for (let s = 0; s <= 9; s++) {
            const probability = binomial(6, c, rate * ratio) * binomial(9, s, rate)
            mean += probability * Math.exp(logEvidence(see([tick(6, c, 9, s)])))
          }
        }
        expect(mean).toBeLessThanOrEqual(1 + 1e-12)
        // Not by being timid: beyond the margin it gains.
        if (ratio === MARGIN && rate < 0.1) expect(mean).toBeGreaterThan(0.9)
      }
    }
  })

  test('keeps that mean where units are shares of several requests that depend on each other', () => {
    const rate = 0.3
    const values = [
      { share: 0, probability: 0.5 },
      { share: 0.4, probability: 0.25 },
      { share: 0.8, probability: 0.25 },
    ]
    expect(values.reduce((sum, { share, probability }) => sum + share * probability, 0)).toBeCloseTo(rate)
    let mean = 0
    for (const a of values)
      for (const b of values)
        for (const c of values) {
          const log = logEvidence(see([tick(1, a.share, 2, b.share + c.share)]))
          mean += a.probability * b.probability * c.probability * Math.exp(log)
        }
    expect(mean).toBeLessThanOrEqual(1)
  })

  test('grows when a bad unit moves from stable to the canary, and falls with the margin', () => {
    const anyTick = fc.record({
      canary: fc.integer({ min: 10, max: 500 }),
      stable: fc.integer({ min: 10, max: 500 }),
      bad: fc.integer({ min: 1, max: 9 }),
    })
    fc.assert(
      fc.property(anyTick, ({ canary, stable, bad }) => {
        const evidence = (canaryBad: number, margin = MARGIN) =>
          logEvidence(see([tick(canary, canaryBad, stable, bad - canaryBad)], margin))
        for (let canaryBad = 1; canaryBad <= bad; canaryBad++)
          expect(evidence(canaryBad)).toBeGreaterThan(evidence(canaryBad - 1))
        expect(evidence(bad, 2)).toBeLessThan(evidence(bad, 1))
      }),
      seeded(200),
    )
  })

  test('does not depend on how the same rates are cut into ticks', () => {
    const once = see([tick(1000, 30, 9000, 90)])
    const often = see(new Array(10).fill(tick(100, 3, 900, 9)))
    expect(logEvidence(often)).toBeCloseTo(logEvidence(once), 9)
  })

  test('is none where there is nothing to compare', () => {
    expect(see([tick(0, 0, 0, 0), tick(100, 0, 900, 0)])).toBe(noEvidence)
    expect(logEvidence(see([tick(100, 100, 0, 0)]))).toBeCloseTo(0, 12)
    expect(logEvidence(see([tick(0, 0, 100, 100)]))).toBeCloseTo(0, 12)
  })

  test('stays finite for any counts to a billion', () => {
    const count = fc.oneof(fc.nat(100), fc.nat(1_000_000_000), fc.constant(0))
    fc.assert(
      fc.property(fc.array(fc.tuple(count, count, count, count), { maxLength: 5 }), (numbers) => {
        const ticks = numbers.map(([a, b, c, d]) => tick(a, Math.min(a, b), c, Math.min(c, d)))
        const state = see(ticks)
        expect(Number.isFinite(logEvidence(state))).toBe(true)
        expect(JSON.parse(JSON.stringify(state))).toEqual(state)
      }),
      seeded(500),
    )
  })
})

test('evidence on several metrics is averaged', () => {
  expect(averageEvidence([Math.log(100), 0])).toBeCloseTo(Math.log(50.5), 12)
  expect(averageEvidence([])).toBe(0)
})
