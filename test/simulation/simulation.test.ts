import { expect, it } from 'vitest'
import { runMany } from './pool.ts'
import { faultKinds, makeScenario, scenarioNames } from './scenario.ts'
import { shrink } from './shrink.ts'
import { simulate } from './simulation.ts'

const RUNS = 5_000

it(`${RUNS} worlds: nothing that must be true is broken, and every release ends`, { timeout: 900_000 }, async () => {
  const { failed, runs, outcomes } = await runMany({ seed: 1, runs: RUNS, only: null, mostFailures: 10 })
  const told = failed.map(({ seed, violations }) => `npm run simulate -- --seed ${seed} --runs 1   # ${violations[0]}`)
  expect(told).toEqual([])
  expect(runs).toBe(RUNS)
  // The worlds are neither all kind nor all cruel.
  expect(outcomes['released']).toBeGreaterThan(RUNS)
  expect(outcomes['rolled-back']).toBeGreaterThan(RUNS / 10)
  expect(outcomes['failed']).toBeGreaterThan(RUNS / 10)
})

it('the same seed is the same run, byte for byte', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const [first, second] = [await simulate({ seed, traced: true }), await simulate({ seed, traced: true })]
    expect(second.journal).toBe(first.journal)
    expect(second.trace).toEqual(first.trace)
  }
})

it('every kind of scenario and of fault is drawn', () => {
  const drawn = Array.from({ length: 400 }, (_, index) => makeScenario(index + 1, null))
  expect(new Set(drawn.map(({ name }) => name))).toEqual(new Set(scenarioNames))
  expect(new Set(drawn.flatMap(({ faults }) => faults.map(({ kind }) => kind)))).toEqual(new Set(faultKinds))
})

it('leaving out a fault changes nothing about the others', () => {
  const whole = makeScenario(7, 'anything')
  const without = makeScenario(7, 'anything', { kinds: [], faults: [0], operations: [] })
  expect(whole.faults.length).toBeGreaterThan(1)
  expect(without.faults).toEqual(whole.faults.slice(1))
  expect(without.operations).toEqual(whole.operations)
})

it('a run that does not fail shrinks to itself', async () => {
  const { omitted, result } = await shrink(3, null)
  expect(omitted).toEqual({ kinds: [], faults: [], operations: [] })
  expect(result.violations).toEqual([])
})
