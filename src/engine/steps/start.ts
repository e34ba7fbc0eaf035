// When a step may start, and what it asks of the world.
import { capacityRule } from '../../domain/capacity.ts'
import { drainRule, type OutOfRotation } from '../../domain/drain.ts'
import { readyReplicas, type Snapshot } from '../../domain/snapshot.ts'
import type { Placement, Step } from '../../plan/plan.ts'
import type { Effect } from '../effect.ts'
import type { Wait } from '../record.ts'
import { type EnvironmentState, emptyService, isReleased, type ReleaseState } from '../state.ts'
import type { Tick } from '../watch.ts'
import { type Blocked, blockedOn, unseen } from './blocked.ts'

export type Start =
  | { readonly kind: 'go' }
  /** What it would bring about is already so. */
  | { readonly kind: 'satisfied'; readonly reason: string }
  | { readonly kind: 'fails'; readonly reason: string }
  | Blocked

const go: Start = { kind: 'go' }

export function startBlocker(state: EnvironmentState, release: ReleaseState, step: Step, tick: Tick): Start {
  switch (step.kind) {
    case 'apply':
      return release.direction === 'back' ? restoreStart(step, tick) : applyStart(step, tick)
    case 'shift':
      return shiftStart(release, step, tick)
    case 'retire':
      return retireStart(state, step, tick)
    case 'flip':
      return release.direction === 'back' ? flipStart(step, tick) : go
    case 'check':
      return step.tests.length === 0
        ? { kind: 'satisfied', reason: 'no smoke tests are declared' }
        : (unseen(tick) ?? go)
    case 'keep':
      return release.keepCut ? { kind: 'satisfied', reason: 'the next release has cut the keep time' } : go
    default:
      return go
  }
}

function applyStart(step: Extract<Step, { kind: 'apply' }>, tick: Tick): Start {
  const missing = unseen(tick)
  if (missing) return missing
  const facts = tick.snapshot.services[step.service]
  const share = facts?.route.shares[step.placement.slot] ?? 0
  const slot = facts?.slots[step.placement.slot]
  const running = slot?.desiredRevision
  const serves = share > 0 && readyReplicas(slot) > 0
  if (serves && running && running !== step.placement.revision.id) {
    return {
      kind: 'fails',
      reason: `${step.placement.slot} carries ${share} % of the traffic with another revision; nothing was overwritten`,
    }
  }
  return isRunning(tick.snapshot, step.service, step.placement)
    ? { kind: 'satisfied', reason: `${step.placement.revision.version} is already ready in ${step.placement.slot}` }
    : go
}

/** On the way back a warm old version needs nothing: the traffic can move at once. */
function restoreStart(step: Extract<Step, { kind: 'apply' }>, tick: Tick): Start {
  const { slot, revision } = step.placement
  const slotFacts = tick.snapshot.services[step.service]?.slots[slot]
  const isItsRevision = slotFacts?.desiredRevision === revision.id
  const enough = isItsRevision && capacityRule(tick.snapshot.services[step.service], { [slot]: 100 }).allowed
  if (enough) return { kind: 'satisfied', reason: `${revision.version} is still warm in ${slot}` }
  return unseen(tick) ?? go
}

function shiftStart(release: ReleaseState, step: Extract<Step, { kind: 'shift' }>, tick: Tick): Start {
  if (release.direction === 'forward') {
    const missing = unseen(tick)
    if (missing) return missing
  }
  const answer = capacityRule(tick.snapshot.services[step.service], step.shares)
  if (answer.allowed) return go
  return blockedOn(
    wait(
      `not enough ready capacity: ${answer.reason}`,
      step.withinMs,
      release.direction === 'forward' ? 'it goes back' : 'it is said again',
    ),
    true,
  )
}

/** On the way back roles follow the traffic: nothing becomes stable that has none while something else has it all. */
function flipStart({ service, stable }: Extract<Step, { kind: 'flip' }>, tick: Tick): Start {
  const missing = unseen(tick)
  if (missing) return missing
  const shares = tick.snapshot.services[service]?.route.shares ?? {}
  const isElsewhere = Object.entries(shares).some(([slot, share]) => slot !== stable.slot && share === 100)
  return isElsewhere ? { kind: 'satisfied', reason: `${stable.slot} has no traffic: roles stay as they are` } : go
}

/** What still gets traffic this long after its drain time will not stop by itself. */
export const FOLLOW_MS = 10_000

/** The drain rule owns when anything may be ended. */
function retireStart(state: EnvironmentState, step: Extract<Step, { kind: 'retire' }>, tick: Tick): Start {
  const missing = unseen(tick)
  if (missing) return missing
  const { stable } = state.services[step.service] ?? emptyService
  if (stable?.slot === step.slot) return { kind: 'fails', reason: `${step.slot} is stable and is never retired` }
  const slot = tick.snapshot.services[step.service]?.slots[step.slot]
  if (!slot || (slot.desiredReplicas === 0 && slot.replicas.length === 0)) {
    return { kind: 'satisfied', reason: `${step.slot} is empty` }
  }
  const answer = drainRule(rotationOf(tick.snapshot, step.service, step.slot), step.drainMs)
  return answer.mayEnd
    ? go
    : blockedOn(wait(`draining ${step.slot}: ${answer.reason}`, step.drainMs + FOLLOW_MS, 'it is said again'), false)
}

/** What the data plane says of a slot. One that it has never heard of has never received anything. */
export function rotationOf(snapshot: Snapshot, service: string, slot: string): OutOfRotation {
  const traffic = snapshot.services[service]?.route.slots[slot]
  return traffic ?? { inFlight: 0, outOfRotationMs: Number.POSITIVE_INFINITY }
}

export function isRunning(snapshot: Snapshot, service: string, { slot, revision, replicas }: Placement): boolean {
  const facts = snapshot.services[service]?.slots[slot]
  if (facts?.desiredRevision !== revision.id || facts.desiredReplicas < replicas) return false
  return (
    readyReplicas(facts, revision.id) >= replicas && facts.replicas.every((replica) => replica.revision === revision.id)
  )
}

function wait(blocker: string, deadlineMs: number | null, atDeadline: string): Wait {
  return { blocker, deadlineMs, atDeadline, next: 'moodify abort', needsPerson: false }
}

/** The effect of a step, or null when it only waits. */
export function effectOf(
  state: EnvironmentState,
  release: ReleaseState,
  step: Step,
  snapshot: Snapshot,
): Effect | null {
  switch (step.kind) {
    case 'prepare':
      return { kind: 'prepare', revision: step.revision }
    case 'apply':
      return { kind: 'applyRevision', service: step.service, placement: step.placement }
    case 'roll': {
      const { service, placement, minReadyMs } = step
      return { kind: 'rollInPlace', service, placement, minReadyMs }
    }
    case 'shift':
      return sharesEffect(state, release, step, snapshot)
    case 'retire':
      return { kind: 'retire', service: step.service, slot: step.slot }
    case 'check':
      return { kind: 'smoke', service: step.service, slot: step.slot, tests: step.tests }
    case 'hook':
      return { kind: 'runHook', name: step.name, hook: step.hook, context: contextOf(release) }
    case 'notify':
      return {
        kind: 'notify',
        webhook: step.webhook,
        event: step.event,
        idempotencyKey: `${release.plan.environment}/${release.id}/${step.id}`,
        data: contextOf(release),
      }
    case 'approve':
    case 'analyse':
    case 'flip':
    case 'drain':
    case 'mark':
    case 'keep':
      return null
  }
}

/** A repeat keeps its generation; a new change is above all that the data plane and the journal know of. */
function sharesEffect(
  state: EnvironmentState,
  release: ReleaseState,
  { service, shares, id }: Extract<Step, { kind: 'shift' }>,
  snapshot: Snapshot,
): Effect {
  const decided = (state.services[service] ?? emptyService).generation
  const route = snapshot.services[service]?.route
  const written = Math.max(route?.generation ?? 0, route?.behind?.generation ?? 0)
  const isRepeat = release.current?.id === id && decided >= written
  return { kind: 'setShares', service, shares, generation: isRepeat ? decided : Math.max(decided, written) + 1 }
}

function contextOf(release: ReleaseState): Record<string, string> {
  return {
    environment: release.plan.environment,
    release: release.id,
    version: release.plan.version,
    strategy: release.plan.strategy,
    outcome: release.outcome ?? (isReleased(release) ? 'released' : 'running'),
    reason: release.cause?.reason ?? '',
    actor: release.actor.name,
  }
}
