// A short form of bench/analysis.ts with fixed seeds: the figures of the long form, with room for its fewer trials.
import { describe, expect, test } from 'vitest'
import { simulateStage } from '../../bench/simulation/one-stage.ts'
import { lowerLimit, type ScenarioName, scenarios, simulateRamps, upperLimit } from '../../bench/simulation/ramp.ts'
import { type StrategyName, secondsToRollback } from '../../bench/simulation/strategies.ts'
import { guardrails } from '../../src/analysis/guardrails.ts'
import type { Judge } from '../../src/analysis/judge.ts'

const trials = 400
const seed = 11

describe('a stage at 10 % of 50 requests/s', () => {
  test('takes a good canary back in at most 1 % of the trials', () => {
    expect(simulateStage({ trials, seed, canaryRate: 0.001 }).moodify.detected).toBeLessThanOrEqual(0.02)
  })

  test.each([
    { canaryRate: 0.005, detected: 0.96, seconds: 260, errors: 8 },
    { canaryRate: 0.01, detected: 1, seconds: 95, errors: 5.4 },
    { canaryRate: 0.05, detected: 1, seconds: 20, errors: 5 },
    { canaryRate: 0.2, detected: 1, seconds: 5, errors: 6.8 },
  ])('finds a canary that fails $canaryRate of its requests after a handful of errors', (goal) => {
    const { moodify, Flagger, Argo } = simulateStage({ trials, seed, canaryRate: goal.canaryRate })
    expect(moodify.detected).toBeGreaterThanOrEqual(goal.detected)
    expect(moodify.medianSeconds).toBeLessThanOrEqual(goal.seconds)
    expect(moodify.errors).toBeLessThanOrEqual(goal.errors)
    for (const other of [Flagger, Argo]) {
      expect(moodify.detected).toBeGreaterThanOrEqual(other.detected)
      if (other.errors !== null) expect(other.errors / moodify.errors!).toBeGreaterThan(3)
    }
  })

  test('a margin forgives a canary that is within it', () => {
    const found = simulateStage({ trials, seed, canaryRate: 0.00125, margin: 1.25 })
    expect(found.moodify.detected).toBeLessThanOrEqual(0.02)
  })
})

describe('a good version through 10, 25, 50 and 100 %', () => {
  const promised = (Object.keys(scenarios) as ScenarioName[]).filter((name) => scenarios[name].promised !== null)

  test.each(promised)('is not taken back by %s while stable runs beside it', (name) => {
    expect(simulateRamps(name, { trials: 8, seed }).falseRollbacks).toBe(0)
  })

  test.each(promised)('is not taken back by %s with as many replicas as stable either', (name) => {
    expect(simulateRamps(name, { trials: 8, seed, layout: '3 beside 3', untilAlone: true }).falseRollbacks).toBe(0)
  })

  test('would be taken back by a shared outage where only limits count', () => {
    const threshold: Judge = {
      start: (question, previous) =>
        guardrails.start({ ...question, triggers: { ...question.triggers, errorRatePercent: 1 } }, previous),
      tick: guardrails.tick,
    }
    const outage = { trials: 4, seed }
    expect(simulateRamps('shared outage, 3 % for 6 min', { ...outage, judge: threshold }).falseRollbacks).toBe(4)
  })

  test('would be taken back by its cold start without the warm-up', () => {
    const cold = { trials: 30, seed, triggers: { margin: 1, warmUpMs: 0 } }
    const warm = { trials: 30, seed, triggers: { margin: 1, warmUpMs: 30_000 } }
    const name = 'cold starts, 10×, at 0.5 %'
    expect(simulateRamps(name, cold).falseRollbacks).toBeGreaterThan(simulateRamps(name, warm).falseRollbacks + 3)
  })
})

describe('a version that fails ten times as many requests as stable', () => {
  const tenfold = { fails: 0.01, slow: 0 }
  const found = (strategy: StrategyName, trials: number) =>
    Array.from({ length: trials }, (_, trial) =>
      secondsToRollback({ strategy, mode: 'sequential', candidate: tenfold, seed, trial }),
    ).filter((seconds) => seconds !== null).length

  test('is not hidden by cells of stable that hold nine times as many requests', () => {
    expect(found('canary, 3 and 3 replicas', 40)).toBeGreaterThanOrEqual(10)
  })

  test('is found in a roll, though nothing runs beside it any more', () => {
    expect(found('rolling', 10)).toBe(10)
  })
})

test('the upper limit of none in 459 is 1 %', () => {
  expect(upperLimit(0, 459)).toBeCloseTo(0.01, 4)
  expect(upperLimit(10, 1000)).toBeCloseTo(0.0201, 3)
  expect(lowerLimit(0, 459)).toBe(0)
  expect(lowerLimit(10, 1000)).toBeCloseTo(0.00415, 4)
})
