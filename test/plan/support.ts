// Plans for tests, made by the planner itself from a configuration as a user writes it.
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/load.ts'
import { MOODIFY } from '../../src/domain/names.ts'
import type { Revision } from '../../src/domain/revision.ts'
import { evolve } from '../../src/engine/evolve.ts'
import type { RecordBody } from '../../src/engine/record.ts'
import { currentStep, type EnvironmentState, emptyService, emptyState } from '../../src/engine/state.ts'
import type { Placement, Plan } from '../../src/plan/plan.ts'
import { makePlan, type PlanRequest } from '../../src/plan/planner.ts'
import { stepInWords } from '../../src/plan/words.ts'

export function configOf(text: string): Config {
  const parsed = parseConfig(text, { file: '/project/moodify.yaml', root: '/project' })
  if ('problems' in parsed) throw new Error(parsed.problems.map(({ message }) => message).join('\n'))
  return parsed.config
}

export function revisionOf(config: Config, service: string, version: string): Revision {
  const { start, build, env, envFile, probes, graceMs, drainMs, memoryLimitMb } = config.services.find(
    (one) => one.name === service,
  )!
  return {
    id: `${service}-${version}`,
    service,
    version,
    workload: {
      source: { kind: 'directory', path: `/versions/${version}`, digest: version },
      directory: '.',
      build,
      start,
      env,
      envFile,
      probes,
      graceMs,
      drainMs,
      memoryLimitMb,
    },
  }
}

/** What one version of a service runs as, with the replicas of the configuration. */
export function placementOf(config: Config, service: string, version: string, slot: string): Placement {
  const { replicas } = config.services.find((one) => one.name === service)!
  return { slot, revision: revisionOf(config, service, version), replicas }
}

export interface PlanWish {
  readonly strategy: PlanRequest['strategy']
  readonly version: string
  /** Services to ship; all when left out. */
  readonly services?: readonly string[]
  /** What is stable, by service; those left out are new. */
  readonly stable?: Readonly<Record<string, Placement>>
  readonly slots?: readonly string[]
  readonly layouts?: PlanRequest['layouts']
}

export function planOf(config: Config, wish: PlanWish): Plan {
  const { strategy, version, stable = {}, slots = ['blue', 'green'] } = wish
  const services = wish.services ?? config.services.map(({ name }) => name)
  const [environment] = Object.values(config.environments)
  return makePlan({
    config,
    environment: environment!.name,
    version,
    strategy,
    revisions: Object.fromEntries(services.map((name) => [name, revisionOf(config, name, version)])),
    current: Object.fromEntries(Object.entries(stable).map(([name, placement]) => [name, { stable: placement }])),
    slots,
    ...(wish.layouts ? { layouts: wish.layouts } : {}),
    settings: environment!.settings,
  })
}

export const wordsOf = ({ steps }: Pick<Plan, 'steps'>): readonly string[] => steps.map(stepInWords)

// --- states, as records make them --------------------------------------------------------------------------------

export function after(state: EnvironmentState, ...bodies: readonly RecordBody[]): EnvironmentState {
  return bodies.reduce(
    (now, body) =>
      evolve(now, {
        version: 1,
        seq: now.seq + 1,
        at: '2026-01-06T10:00:00.000Z',
        epoch: 1,
        environment: 'production',
        release: now.release?.id ?? null,
        reason: 'test',
        actor: MOODIFY,
        body,
      }),
    state,
  )
}

/** A release that has just begun, on what its plan says is stable. */
export function started(plan: Plan): EnvironmentState {
  const roles = plan.members.map(
    ({ service, from }) => [service, { ...emptyService, stable: from, previous: null }] as const,
  )
  const before: EnvironmentState = { ...emptyState, services: Object.fromEntries(roles) }
  return after(before, { kind: 'releaseStarted', release: 'r-1', plan })
}

export function startCurrent(state: EnvironmentState): EnvironmentState {
  return after(state, { kind: 'stepStarted', step: currentStep(state.release!)!, effect: null, attempt: 1 })
}

/** Ends the current step as facts would, with what it changes of roles and outcome. */
export function finishCurrent(state: EnvironmentState): EnvironmentState {
  const step = currentStep(state.release!)!
  const changes: RecordBody[] = []
  if (step.kind === 'flip') {
    const { service, stable, previous } = step
    changes.push({ kind: 'rolesChanged', service, stable, previous })
  }
  if (step.kind === 'mark') changes.push({ kind: 'outcomeReached', outcome: step.outcome })
  return after(state, ...changes, { kind: 'stepFinished', step, verdict: null, passedBy: 'facts' })
}

/** Every state on the way of a plan: before and after the start of each step, until its last has ended. */
export function walk(plan: Plan): readonly EnvironmentState[] {
  const states = [started(plan)]
  for (;;) {
    const state = states.at(-1)!
    if (!currentStep(state.release!)) return states
    const begun = startCurrent(state)
    states.push(begun, finishCurrent(begun))
  }
}
