import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { binomial, chanceFrom } from '../../bench/simulation/chance.ts'
import {
  betAgainst,
  type GuardrailBets,
  logExcess,
  logWinnings,
  noBets,
} from '../../src/analysis/absolute-guardrail.ts'
import { nothing } from '../../src/analysis/comparison.ts'
import { seeded } from './support.ts'

const LIMIT = 0.05

function see(counts: readonly (readonly [number, number])[], limit = LIMIT): GuardrailBets {
  return counts.reduce(
    (state, [units, bad]) => betAgainst(state, { units, bad, events: Math.min(1, bad), beside: nothing }, limit),
    noBets,
  )
}

describe('a guardrail', () => {
  // mpmath 1.3, quadrature with 60 digits.
  test.each([
    [10, 5, 0.05, 7.150336801683686],
    [100, 20, 0.05, 12.363953294985977],
    [1000, 50, 0.05, -3.1854661789382597],
    [1000, 0, 0.05, -5.411204190625253],
    [40, 40, 0.01, 176.65406083286894],
    [400, 9, 0.01, 0.07338020953477452],
  ])('of %s units with %s bad ones at %s has won what quadrature says', (units, bad, limit, expected) => {
    expect(logWinnings({ units, bad }, limit)).toBeCloseTo(expected, 9)
  })

  test('at its limit raises an alarm less often than promised, however often it is looked at', () => {
    let alarms = 0
    for (let trial = 0; trial < 300; trial++) {
      const chance = chanceFrom(3, trial)
      let state = noBets
      let highest = 0
      for (let look = 0; look < 200; look++) {
        const bad = binomial(chance, 25, LIMIT)
        state = betAgainst(state, { units: 25, bad, events: bad, beside: nothing }, LIMIT)
        highest = Math.max(highest, logExcess(state, LIMIT, 0))
      }
      if (highest >= Math.log(20)) alarms++
    }
    expect(alarms).toBeLessThanOrEqual(15)
  })

  test('finds a canary that turns bad after a long good time', () => {
    const good = new Array(2000).fill([50, 0] as const)
    const state = see([...good, ...new Array(8).fill([50, 10] as const)])
    expect(logExcess(state, LIMIT, 5)).toBeGreaterThan(Math.log(2000))
    expect(logExcess(see(good), LIMIT, 0)).toBeLessThan(0)
  })

  test('needs several bad events, however many units one of them had', () => {
    const burst = see([
      [50, 0],
      [50, 50],
    ])
    expect(logExcess(burst, LIMIT, 1)).toBeGreaterThan(50)
    expect(logExcess(burst, LIMIT, 2)).toBe(Number.NEGATIVE_INFINITY)
    expect(
      logExcess(
        see([
          [50, 25],
          [50, 25],
        ]),
        LIMIT,
        2,
      ),
    ).toBeGreaterThan(50)
  })

  test('keeps a bounded number of bets, and begins a new one after enough units', () => {
    const state = see(new Array(5000).fill([1000, 20] as const))
    expect(state.bets.length).toBeLessThanOrEqual(16)
    expect(state.begun).toBe(5001)
    expect(see([[399, 0]]).bets.length).toBe(1)
    expect(see([[400, 0]]).bets.length).toBe(2)
  })

  test('stakes no more than it has', () => {
    const { bets } = see(new Array(12).fill([1000, 20] as const))
    const staked = bets.reduce((sum, { logStake }) => sum + Math.exp(logStake), 0)
    expect(staked).toBeLessThanOrEqual(1)
    expect(staked).toBeGreaterThan(0.9)
  })

  test('is finite for any counts to a billion, and grows with the bad ones', () => {
    const limit = fc.constantFrom(0.001, 0.01, 0.05, 0.5)
    fc.assert(
      fc.property(fc.nat(1_000_000_000), fc.double({ min: 0, max: 1, noNaN: true }), limit, (units, share, limit) => {
        const bad = Math.floor(units * share)
        const won = logWinnings({ units, bad }, limit)
        expect(Number.isFinite(won)).toBe(true)
        if (bad < units) expect(logWinnings({ units, bad: bad + 1 }, limit)).toBeGreaterThan(won - 1e-5 * Math.abs(won))
      }),
      seeded(300),
    )
  })
})
