// The runner dies before and after each append and each effect, at every single one of them, in the simulated world:
// the end is the same, and every check of the simulation holds on the way.
import { expect, it } from 'vitest'
import { type Behaviour, makeScenario, type Operation, type Scenario } from './scenario.ts'
import { simulate } from './simulation.ts'

const strategies = ['canary', 'blue-green', 'rolling'] as const
type Strategy = (typeof strategies)[number]

const deploy = (atMs: number, version: string, strategy: Strategy, supersede = false): Operation => {
  return { atMs, points: null, verb: 'deploy', version, strategy, supersede, again: false, blind: true }
}
const command = (atMs: number, verb: 'abort' | 'rollback'): Operation => {
  return { atMs, points: null, verb, to: 'undo', blind: true }
}

interface Story {
  readonly second: Behaviour['kind']
  /** What is typed after the second version, which is shipped at 12 s. */
  readonly typed: (strategy: Strategy) => readonly Operation[]
}

const stories: Readonly<Record<string, Story>> = {
  'a good version': { second: 'good', typed: () => [] },
  'a failing version, which is taken back': { second: 'failing', typed: () => [] },
  'an abort in the middle': { second: 'good', typed: () => [command(26_000, 'abort')] },
  'a rollback in the keep time': { second: 'good', typed: () => [command(80_000, 'rollback')] },
  'a version that supersedes it': { second: 'good', typed: (strategy) => [deploy(26_000, 'v3', strategy, true)] },
}

function scenarioOf(strategy: Strategy, { second, typed }: Story): Scenario {
  const behaviour: Behaviour = { kind: 'good', afterMs: 0, failureShare: 0.5, startMs: 500, replicas: 2 }
  const drawn = makeScenario(1, 'canary')
  return {
    ...drawn,
    settings: (base) => ({
      ...base,
      // Long enough that what is typed in the middle comes in the middle, however late a new runner is there.
      canary: { ...base.canary, stageMs: 15_000 },
      blueGreen: { ...base.blueGreen, monitorMs: 15_000 },
      rolling: { ...base.rolling, monitorMs: 15_000 },
      keepMs: 60_000,
      hooks: { before: { run: './before.sh', timeoutMs: 5_000, onUnknown: 'retry' } },
    }),
    requestsPerSecond: 60,
    loopMs: 150,
    versions: { ...drawn.versions, v1: behaviour, v2: { ...behaviour, kind: second }, v3: behaviour },
    operations: [deploy(0, 'v1', strategy), deploy(12_000, 'v2', strategy), ...typed(strategy)],
    faults: [],
    calmAtMs: 100_000,
  }
}

/** The first version is of no interest here, and neither is the good one that ends each simulation. */
const KILLING = { fromMs: 12_000, toMs: 100_000 }

async function run(scenario: Scenario, killAt: number | null) {
  let points = 0
  const probe = (nowMs: number) => nowMs >= KILLING.fromMs && nowMs < KILLING.toMs && ++points === killAt
  const result = await simulate({ seed: 1, scenario, probe })
  return { points, result }
}

const cases = strategies.flatMap((strategy) => Object.keys(stories).map((name) => [strategy, name] as const))

it.each(cases)('%s: %s ends the same, wherever its runner dies', async (strategy, name) => {
  const scenario = scenarioOf(strategy, stories[name]!)
  const undisturbed = await run(scenario, null)
  expect(undisturbed.result.violations).toEqual([])
  for (let killAt = 1; killAt <= undisturbed.points; killAt++) {
    const { result } = await run(scenario, killAt)
    const context = `killed at point ${killAt} of ${undisturbed.points}`
    expect(result.violations, context).toEqual([])
    expect(result.outcomes, context).toEqual(undisturbed.result.outcomes)
    expect(result.stable, context).toBe(undisturbed.result.stable)
  }
})
