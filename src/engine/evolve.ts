// evolve(state, record) → state. Total, pure and frozen: a journal written by an earlier version must fold to
// the same state forever, so this file changes only by additions.
import { InvariantError } from '../errors/catalogue.ts'
import type { Step } from '../plan/plan.ts'
import type { EffectId } from './effect.ts'
import type { JournalRecord, RecordBody } from './record.ts'
import { type CurrentStep, type EnvironmentState, emptyService, emptyState, type ReleaseState } from './state.ts'

export function fold(records: Iterable<JournalRecord>, from: EnvironmentState = emptyState): EnvironmentState {
  let state = from
  for (const record of records) state = evolve(state, record)
  return state
}

export function evolve(state: EnvironmentState, record: JournalRecord): EnvironmentState {
  if (record.seq !== state.seq + 1) {
    throw new InvariantError(`record ${record.seq} cannot follow record ${state.seq}: the journal has a gap`)
  }
  return apply({ ...state, seq: record.seq, epoch: Math.max(state.epoch, record.epoch) }, record, record.body)
}

function apply(state: EnvironmentState, record: JournalRecord, body: RecordBody): EnvironmentState {
  switch (body.kind) {
    case 'epochTaken':
      return state
    case 'commanded':
      return { ...state, lastCommandId: Math.max(state.lastCommandId, body.commandId) }
    case 'releaseStarted':
      return startRelease(state, record, body)
    case 'queued':
      return { ...state, queued: { plan: body.plan, actor: record.actor } }
    case 'rolesChanged':
      return withService(state, body.service, { stable: body.stable, previous: body.previous })
    case 'releaseEnded':
      return endRelease(state, body.outcome)
    case 'locked':
      return { ...state, lock: { by: record.actor, since: record.at, reason: body.reason, until: body.until } }
    case 'unlocked':
      return { ...state, lock: null }
    default:
      return state.release ? applyToRelease(state, state.release, body, record.reason) : state
  }
}

type ReleaseBody = Exclude<
  RecordBody,
  {
    kind:
      | 'epochTaken'
      | 'commanded'
      | 'releaseStarted'
      | 'queued'
      | 'rolesChanged'
      | 'releaseEnded'
      | 'locked'
      | 'unlocked'
  }
>

function applyToRelease(
  state: EnvironmentState,
  release: ReleaseState,
  body: ReleaseBody,
  reason: string,
): EnvironmentState {
  const become = (change: Partial<ReleaseState>): EnvironmentState => ({ ...state, release: { ...release, ...change } })
  switch (body.kind) {
    case 'stepStarted':
      return startStep(state, release, body)
    case 'effectSucceeded':
      return become({ current: withResult(release.current, body.id, { effected: true, failed: null }) })
    case 'effectFailed': {
      const failed = { code: body.code, reason, retryInMs: body.retryInMs }
      return become({ current: withResult(release.current, body.id, { failed }) })
    }
    case 'stepFinished': {
      const verdicts =
        body.verdict && 'service' in body.step
          ? { ...release.verdicts, [body.step.service]: body.verdict }
          : release.verdicts
      return become({ cursor: release.cursor + 1, current: null, wait: null, verdicts })
    }
    case 'waiting':
      return become({ wait: body.wait })
    case 'warned':
      return state
    case 'turnedBack':
      return turnBack(state, release, body)
    case 'keepCut':
      return become({ keepCut: true })
    case 'paused':
      return become({ paused: true })
    case 'continued':
      return become({ paused: false, wait: null })
    case 'resolved':
      return become({
        current: release.current && { ...release.current, inFlight: null, resolved: body.as },
        wait: null,
      })
    case 'outcomeReached':
      return become({ outcome: body.outcome })
    case 'violated':
      return become({ violation: body.predicate })
  }
}

function startRelease(
  state: EnvironmentState,
  record: JournalRecord,
  { release, plan }: Extract<RecordBody, { kind: 'releaseStarted' }>,
): EnvironmentState {
  const adopted = plan.members.flatMap(({ service, from, isAdopted }) =>
    isAdopted && from ? [[service, { ...(state.services[service] ?? emptyService), stable: from }] as const] : [],
  )
  const services = { ...state.services, ...Object.fromEntries(adopted) }
  const before = Object.fromEntries(plan.members.map(({ service }) => [service, services[service] ?? emptyService]))
  const started: ReleaseState = {
    id: release,
    plan,
    actor: record.actor,
    startedAt: record.at,
    direction: 'forward',
    steps: plan.steps,
    cursor: 0,
    current: null,
    exposed: {},
    touched: [],
    before,
    paused: false,
    wait: null,
    cause: null,
    outcome: null,
    violation: null,
    verdicts: {},
    keepCut: false,
  }
  return { ...state, services, releaseCount: state.releaseCount + 1, release: started, queued: null }
}

function startStep(
  state: EnvironmentState,
  release: ReleaseState,
  { step, effect, attempt }: Extract<RecordBody, { kind: 'stepStarted' }>,
): EnvironmentState {
  const id: EffectId | null = effect ? { release: release.id, step: step.id, attempt } : null
  const current: CurrentStep = {
    id: step.id,
    attempt,
    inFlight: id,
    effected: effect === null,
    failed: null,
    resolved: null,
  }
  const moved = { ...release, current, wait: null, ...exposure(release, step) }
  const next = { ...state, release: moved }
  if (effect?.kind !== 'setShares') return next
  return withService(next, effect.service, { generation: effect.generation })
}

/** Which services a forward step has touched, and whose candidate gets traffic from it. */
function exposure(release: ReleaseState, step: Step): Pick<ReleaseState, 'touched' | 'exposed'> {
  const { touched, exposed } = release
  if (release.direction === 'back' || !('service' in step)) return { touched, exposed }
  const touches = step.kind === 'apply' || step.kind === 'roll' || step.kind === 'shift'
  const exposes = step.kind === 'roll' || step.kind === 'shift'
  return {
    touched: touches && !touched.includes(step.service) ? [...touched, step.service] : touched,
    exposed: exposes ? { ...exposed, [step.service]: step.id } : exposed,
  }
}

function withResult(current: CurrentStep | null, id: EffectId, change: Partial<CurrentStep>): CurrentStep | null {
  if (!current || current.id !== id.step || current.attempt !== id.attempt) return current
  return { ...current, inFlight: null, ...change }
}

function turnBack(
  state: EnvironmentState,
  release: ReleaseState,
  { cause, steps }: Extract<RecordBody, { kind: 'turnedBack' }>,
): EnvironmentState {
  const wasReleased = release.outcome === 'released'
  const blame = cause.kind === 'verdict' || cause.kind === 'step-failed' || wasReleased
  const revisions = release.plan.members.map((member) => [member.to.revision.id, cause.reason] as const)
  const takenBack = blame ? { ...state.takenBack, ...Object.fromEntries(revisions) } : state.takenBack
  const back: ReleaseState = {
    ...release,
    direction: 'back',
    steps,
    cursor: 0,
    current: null,
    cause,
    wait: null,
    paused: false,
    outcome: null,
  }
  return { ...state, takenBack, release: back }
}

function endRelease(state: EnvironmentState, outcome: 'released' | 'rolled-back' | 'failed'): EnvironmentState {
  const { release } = state
  if (!release) return state
  const { members, strategy } = release.plan
  const released = outcome === 'released' ? members.map((member) => member.to.revision.id) : []
  const left = outcome === 'released' && strategy === 'rollback' ? members.flatMap((member) => member.from ?? []) : []
  const takenBack = Object.fromEntries([
    ...Object.entries(state.takenBack).filter(([id]) => !released.includes(id)),
    ...left.map((placement) => [placement.revision.id, `rolled back by ${release.actor.name}`]),
  ])
  const ended = { id: release.id, plan: release.plan, outcome, cause: release.cause }
  const lastReleased = outcome === 'released' ? ended : state.lastReleased
  return { ...state, takenBack, release: null, last: ended, lastReleased }
}

function withService(
  state: EnvironmentState,
  service: string,
  change: Partial<EnvironmentState['services'][string]>,
): EnvironmentState {
  const before = state.services[service] ?? emptyService
  return { ...state, services: { ...state.services, [service]: { ...before, ...change } } }
}
