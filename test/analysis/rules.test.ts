import { describe, expect, test } from 'vitest'
import { limitFromBefore } from '../../src/analysis/before-after.ts'
import { addSecond, deadMan, noSeconds } from '../../src/analysis/dead-man.ts'
import { standingOf, unitsMissing } from '../../src/analysis/promotion.ts'
import { isShared } from '../../src/analysis/shared-fault.ts'

const tally = (units: number, bad: number) => ({ units, bad })

describe('the dead-man’s switch', () => {
  const see = (counts: readonly (readonly [number, number])[]) =>
    deadMan(counts.reduce((state, [units, bad]) => addSecond(state, tally(units, bad), tally(90, 1)), noSeconds))

  test('fires at half of twenty requests, not below and not with fewer', () => {
    expect(
      see([
        [10, 5],
        [10, 5],
      ])?.canary,
    ).toEqual(tally(20, 10))
    expect(
      see([
        [10, 5],
        [10, 4],
      ]),
    ).toBe(null)
    expect(
      see([
        [10, 10],
        [9, 9],
      ]),
    ).toBe(null)
  })

  test('looks at the newest requests only, however long the canary was good', () => {
    expect(see([...new Array(500).fill([100, 0] as const), [100, 100], [100, 100]])?.canary).toEqual(tally(200, 200))
  })

  test('takes more than one bad second', () => {
    expect(see([[1000, 1000]])).toBe(null)
    expect(
      see([
        [1000, 0],
        [1000, 1000],
      ]),
    ).not.toBe(null)
  })

  test('finds a canary with little traffic, and keeps a bounded number of seconds', () => {
    let state = noSeconds
    for (let second = 0; second < 100; second++) state = addSecond(state, tally(1, second < 50 ? 0 : 1), tally(9, 0))
    expect(state.seconds.length).toBe(20)
    expect(deadMan(state)?.canary).toEqual(tally(20, 20))
    expect(addSecond(state, tally(0, 0), tally(9, 9))).toEqual(state)
  })
})

describe('a shared fault', () => {
  const facts = { limit: 0.05, margin: 1.25, logEvidence: 0, logThreshold: Math.log(1000) }
  const both = { canary: tally(50, 12), stable: tally(450, 100) }

  test('is one that stable has too in the same time', () => {
    expect(isShared(both, facts)).toBe(true)
    expect(isShared({ ...both, stable: tally(450, 22) }, facts)).toBe(false)
    expect(isShared({ ...both, stable: tally(0, 0) }, facts)).toBe(false)
  })

  test('is the canary’s own when the comparison says 10 : 1, or the requests at hand leave no doubt', () => {
    expect(isShared(both, { ...facts, logEvidence: Math.log(9) })).toBe(true)
    expect(isShared(both, { ...facts, logEvidence: Math.log(11) })).toBe(false)
    expect(isShared({ canary: tally(50, 50), stable: tally(450, 30) }, facts)).toBe(false)
  })
})

describe('a canary', () => {
  const stable = tally(7000, 7)

  test('has shown itself after about 4/δ requests without an error', () => {
    expect(standingOf(tally(880, 0), stable, 0.01).isProven).toBe(true)
    expect(standingOf(tally(700, 0), stable, 0.01).isProven).toBe(false)
    const missing = unitsMissing(tally(200, 0), stable, 0.01)!
    expect(missing).toBeGreaterThan(400)
    expect(missing).toBeLessThan(700)
  })

  test('that is bad looks worse and can never show itself', () => {
    const bad = tally(1000, 20)
    expect(standingOf(bad, stable, 0.01)).toMatchObject({ isProven: false, looksNoWorse: false })
    expect(unitsMissing(bad, stable, 0.01)).toBe(null)
  })

  test('without a request neither looks good nor bad', () => {
    expect(standingOf(tally(0, 0), stable, 0.01)).toMatchObject({
      isProven: false,
      looksNoWorse: false,
      canaryAtMost: 1,
    })
  })

  test('with nothing beside it has to keep below a limit', () => {
    expect(standingOf(tally(1000, 1), null, 0.01)).toMatchObject({ isProven: true, limit: 0.01 })
  })
})

describe('before and after', () => {
  test('allow twice the upper bound of before, at least 0.5 %, and nothing where the guardrail is nearly as strict', () => {
    expect(limitFromBefore(tally(100_000, 100), 0.05)).toBe(0.005)
    expect(limitFromBefore(tally(100_000, 1000), 0.05)).toBeCloseTo(0.0222, 3)
    expect(limitFromBefore(tally(100, 0), 0.05)).toBe(null)
    expect(limitFromBefore(tally(100_000, 1500), 0.05)).toBe(null)
    expect(limitFromBefore(null, 0.05)).toBe(null)
  })
})
