// One environment on the fake platform and virtual time, driven through the real runner, engine and judge.
import { judgeByMode } from '../../src/analysis/judges.ts'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/load.ts'
import type { Actor, SlotLayout } from '../../src/domain/names.ts'
import type { Revision } from '../../src/domain/revision.ts'
import { fakeClock } from '../../src/effects/fakes/clock.ts'
import { fakeHooks, fakeNotifier } from '../../src/effects/fakes/messages.ts'
import { type FakePlatformOptions, fakePlatform } from '../../src/effects/fakes/platform.ts'
import { fold } from '../../src/engine/evolve.ts'
import type { Command } from '../../src/engine/record.ts'
import { type EnvironmentState, rolesAfterEnding } from '../../src/engine/state.ts'
import { memoryJournal } from '../../src/journal/memory.ts'
import { makePlan, type PlanRequest } from '../../src/plan/planner.ts'
import { type RunnerEnd, type RunnerOptions, runReleases } from '../../src/runner/run-release.ts'

export const someone: Actor = { kind: 'person', name: 'ana' }

export const configText = `
name: shop
services:
  backend:
    start: node server.mjs
    replicas: 3
    smoke: [{ request: GET /health, status: 200 }]
environments:
  production: { platform: local, listen: 0, strategy: canary }
canary: { weights: [10, 50, 100], stageSeconds: 20 }
blueGreen: { monitorSeconds: 20 }
rolling: { monitorSeconds: 20, minReadySeconds: 2 }
triggers: { minRequests: 20, minBad: 3, windowSeconds: 10 }
waits: { readySeconds: 60, proofSeconds: 10, unknownSeconds: 30 }
keepSeconds: 30
`

/** A runner died on purpose at a probe point. */
export class Killed extends Error {}

export function fakeEnvironment(
  options: Partial<FakePlatformOptions> & {
    config?: string
    hooks?: Record<string, number>
    keepReleases?: number
    /** Of every service; two slots and no visitor when left out. */
    layout?: SlotLayout
  } = {},
) {
  const clock = fakeClock()
  const platform = fakePlatform({ ...options, clock })
  const journal = memoryJournal('production', () => clock.wall(), options)
  const notifier = fakeNotifier()
  const hooks = fakeHooks(options.hooks)
  const config = readConfig(options.config ?? configText)

  const state = async (): Promise<EnvironmentState> => {
    const { base, records } = await journal.newest()
    return fold(records, base.state)
  }

  function revisionOf(service: string, version: string): Revision {
    const found = config.services.find((one) => one.name === service)!
    return {
      id: `${service}-${version}`,
      service,
      version,
      workload: {
        source: { kind: 'directory', path: `/versions/${version}`, digest: version },
        directory: '.',
        build: found.build,
        start: found.start,
        env: found.env,
        envFile: null,
        probes: found.probes,
        graceMs: found.graceMs,
        drainMs: found.drainMs,
        memoryLimitMb: null,
      },
    }
  }

  async function planFor(
    version: string,
    strategy: PlanRequest['strategy'] = 'canary',
    found: PlanRequest['current'] = {},
  ) {
    return makePlan({
      config,
      environment: 'production',
      version,
      strategy,
      revisions: Object.fromEntries(config.services.map(({ name }) => [name, revisionOf(name, version)])),
      current: { ...rolesAfterEnding(await state()), ...found },
      slots: ['blue', 'green'],
      ...(options.layout
        ? { layouts: Object.fromEntries(config.services.map(({ name }) => [name, options.layout!])) }
        : {}),
      settings: config.environments['production']!.settings,
    })
  }

  async function run(more: Partial<RunnerOptions> = {}): Promise<RunnerEnd> {
    return runReleases({
      journal,
      platform,
      clock,
      hooks,
      notifierFor: () => notifier,
      judge: judgeByMode,
      name: 'test',
      version: '0',
      idleMs: 0,
      report: () => {},
      signal: new AbortController().signal,
      ...more,
    })
  }

  return {
    clock,
    platform,
    journal,
    notifier,
    hooks,
    config,
    state,
    planFor,
    run,
    revisionOf,
    post: (command: Command) => journal.post(command, someone),
    async deploy(
      version: string,
      strategy?: PlanRequest['strategy'],
      more: { supersede?: boolean; again?: boolean } = {},
    ) {
      const plan = await planFor(version, strategy)
      return journal.post(
        { verb: 'deploy', plan, supersede: more.supersede ?? false, again: more.again ?? false },
        someone,
      )
    },
    /** Runs until a record of this kind stands in the journal, then leaves the runner as if it were stopped. */
    async runUntil(isIt: (text: string) => boolean): Promise<void> {
      const stop = new AbortController()
      const probe = (point: string) => {
        if (isIt(point)) stop.abort()
      }
      await run({ signal: stop.signal, probe })
    },
    async kinds() {
      return (await journal.read()).map((record) => record.body.kind)
    },
    async stableVersion(service = 'backend') {
      return (await state()).services[service]?.stable?.revision.version
    },
  }
}

function readConfig(text: string): Config {
  const parsed = parseConfig(text, { file: '/project/moodify.yaml', root: '/project' })
  if ('problems' in parsed) throw new Error(parsed.problems.map((problem) => problem.message).join('\n'))
  return parsed.config
}
