// One environment state for each phase, made by the engine itself from records, so that the table of verbs is
// printed from what really decides.
import { parseConfig } from '../../src/config/load.ts'
import { MOODIFY } from '../../src/domain/names.ts'
import type { Revision } from '../../src/domain/revision.ts'
import type { Phase } from '../../src/engine/admission.ts'
import { evolve } from '../../src/engine/evolve.ts'
import type { RecordBody } from '../../src/engine/record.ts'
import { currentStep, type EnvironmentState, emptyState, rolesAfterEnding } from '../../src/engine/state.ts'
import type { Plan, StepKind } from '../../src/plan/plan.ts'
import { makePlan, type PlanRequest } from '../../src/plan/planner.ts'

const parsed = parseConfig(
  `
name: shop
services: { backend: { start: node server.mjs } }
environments: { production: { platform: local, listen: 0, strategy: canary } }
blueGreen: { approval: true }
hooks: { before: ./migrate.sh }
`,
  { file: '/project/moodify.yaml', root: '/project' },
)
if ('problems' in parsed) throw new Error(parsed.problems.map(({ message }) => message).join('\n'))
const { config } = parsed

/** When all of it happens, and when the verbs are typed. */
export const SAMPLE_AT = '2026-01-06T10:00:00.000Z'

export function samplePlan(state: EnvironmentState, version: string, strategy: PlanRequest['strategy']): Plan {
  const [service] = config.services
  const revision: Revision = {
    id: version,
    service: service!.name,
    version,
    workload: {
      source: { kind: 'directory', path: `/project/${version}`, digest: version },
      directory: '.',
      build: null,
      start: service!.start,
      env: {},
      envFile: null,
      probes: service!.probes,
      graceMs: service!.graceMs,
      drainMs: service!.drainMs,
      memoryLimitMb: null,
    },
  }
  return makePlan({
    config,
    environment: 'production',
    version,
    strategy,
    revisions: { [service!.name]: revision },
    current: rolesAfterEnding(state),
    slots: ['blue', 'green'],
    settings: config.environments['production']!.settings,
  })
}

function then(state: EnvironmentState, ...bodies: RecordBody[]): EnvironmentState {
  return bodies.reduce(
    (now, body) =>
      evolve(now, {
        version: 1,
        seq: now.seq + 1,
        at: SAMPLE_AT,
        epoch: 1,
        environment: 'production',
        release: now.release?.id ?? null,
        reason: 'sample',
        actor: MOODIFY,
        body,
      }),
    state,
  )
}

/** Walks the plan without a world until a step of this kind is current. */
function walkTo(state: EnvironmentState, kind: StepKind | 'end'): EnvironmentState {
  let now = state
  for (;;) {
    const step = now.release && currentStep(now.release)
    if (!step) return now
    const started = then(now, { kind: 'stepStarted', step, effect: null, attempt: 1 })
    if (step.kind === kind) return started
    const { service, stable, previous } = step.kind === 'flip' ? step : { service: '', stable: null, previous: null }
    const flipped = step.kind === 'flip' ? then(started, { kind: 'rolesChanged', service, stable, previous }) : started
    const marked = step.kind === 'mark' ? then(flipped, { kind: 'outcomeReached', outcome: step.outcome }) : flipped
    now = then(marked, { kind: 'stepFinished', step, verdict: null, passedBy: 'facts' })
  }
}

function release(
  state: EnvironmentState,
  version: string,
  strategy: PlanRequest['strategy'],
  until: StepKind | 'end',
): EnvironmentState {
  const plan = samplePlan(state, version, strategy)
  const walked = walkTo(then(state, { kind: 'releaseStarted', release: `r-${state.releaseCount + 1}`, plan }), until)
  return until === 'end' ? then(walked, { kind: 'releaseEnded', outcome: 'released' }) : walked
}

export interface Sample {
  readonly phase: Phase
  readonly title: string
  readonly state: EnvironmentState
}

const wait = { deadlineMs: null, atDeadline: 'it holds', needsPerson: true } as const

export function sampleStates(): readonly Sample[] {
  const first = release(emptyState, 'v1', 'canary', 'end')
  const second = release(first, 'v2', 'canary', 'end')
  const canary = release(second, 'v3', 'canary', 'analyse')
  const back = { kind: 'asked', reason: 'ana aborted it', verdict: null } as const
  return [
    { phase: 'empty', title: 'nothing released yet', state: emptyState },
    { phase: 'settled', title: 'v1 is live, nothing before it', state: first },
    { phase: 'settled', title: 'v2 is live, v1 before it (its slot is empty)', state: second },
    {
      phase: 'settled',
      title: 'v1 is live again after a rollback by hand',
      state: release(second, 'v1', 'rollback', 'end'),
    },
    {
      phase: 'settled',
      title: 'v2 is live, and the environment is locked',
      state: then(second, { kind: 'locked', reason: 'migration', until: '2026-01-06T12:00:00.000Z' }),
    },
    {
      phase: 'forward',
      title: 'canary of v3, its replicas are starting',
      state: release(second, 'v3', 'canary', 'apply'),
    },
    { phase: 'forward', title: 'canary of v3, judged at 10 %', state: canary },
    { phase: 'forward', title: 'rolling to v3', state: release(second, 'v3', 'rolling', 'roll') },
    {
      phase: 'approval',
      title: 'blue-green of v3 waits for approval',
      state: release(second, 'v3', 'blue-green', 'approve'),
    },
    { phase: 'paused', title: 'canary of v3, paused at 10 %', state: then(canary, { kind: 'paused' }) },
    {
      phase: 'held',
      title: 'canary of v3, the result of hook before is unknown',
      state: then(release(second, 'v3', 'canary', 'hook'), {
        kind: 'waiting',
        wait: {
          ...wait,
          blocker: 'hook before was started and its result is unknown',
          next: 'moodify resume --done before',
        },
      }),
    },
    { phase: 'keeping', title: 'v3 released by canary, v2 kept warm', state: release(second, 'v3', 'canary', 'keep') },
    {
      phase: 'back',
      title: 'canary of v3 going back',
      state: then(canary, { kind: 'turnedBack', cause: back, steps: canary.release!.steps }),
    },
  ]
}
