// The invariants as predicates over (state, snapshot, decision), checked on every decision before it is
// appended. They repeat what the rules of the engine promise, on purpose: a rule that is changed wrongly is
// caught here, and then none of the decision's effects is performed.
//
//   1 no dropped request            2 never to what is not ready      3 promote what was analysed
//   4 don't know is no answer       5 the way back is never closed    6 every wait has an exit
//   9 everything has a reason
//
// 7 (kill it anywhere) and 8 (one writer) are properties of whole runs and are shown by the tests.
import { capacityRule } from '../domain/capacity.ts'
import { drainRule } from '../domain/drain.ts'
import { readyReplicas, type Snapshot } from '../domain/snapshot.ts'
import type { Effect } from './effect.ts'
import type { Decision, RecordBody } from './record.ts'
import { currentStep, type EnvironmentState } from './state.ts'
import { rotationOf } from './steps/start.ts'

/** The names of the predicates that a decision breaks, with what is wrong; empty when all hold. */
export function violations(state: EnvironmentState, snapshot: Snapshot, decision: Decision): readonly string[] {
  const { body } = decision
  return [
    ...(body.kind === 'stepStarted' && body.effect ? effectViolations(state, snapshot, body.effect) : []),
    ...promotionViolations(state, body),
    ...waitViolations(body),
    ...(decision.reason.trim() === '' ? [`everything has a reason: ${body.kind} has none`] : []),
  ]
}

function effectViolations(state: EnvironmentState, snapshot: Snapshot, effect: Effect): readonly string[] {
  switch (effect.kind) {
    case 'retire':
      return retireViolations(state, snapshot, effect)
    case 'applyRevision':
      return overwriteViolations(snapshot, effect)
    case 'setShares':
      return shareViolations(snapshot, effect)
    default:
      return []
  }
}

function retireViolations(
  state: EnvironmentState,
  snapshot: Snapshot,
  { service, slot }: Extract<Effect, { kind: 'retire' }>,
): readonly string[] {
  const step = state.release && currentStep(state.release)
  const drainMs = step?.kind === 'retire' ? step.drainMs : Number.POSITIVE_INFINITY
  const answer = drainRule(rotationOf(snapshot, service, slot), drainMs)
  return answer.mayEnd ? [] : [`no dropped request: ${service} in ${slot} would end although ${answer.reason}`]
}

function overwriteViolations(
  snapshot: Snapshot,
  { service, placement }: Extract<Effect, { kind: 'applyRevision' }>,
): readonly string[] {
  const facts = snapshot.services[service]
  const share = facts?.route.shares[placement.slot] ?? 0
  const runs = facts?.slots[placement.slot]?.desiredRevision ?? null
  const isServed = share > 0 && readyReplicas(facts?.slots[placement.slot]) > 0
  if (!isServed || runs === null || runs === placement.revision.id) return []
  return [`no dropped request: ${placement.slot} carries ${share} % of ${service} with another revision`]
}

function shareViolations(snapshot: Snapshot, effect: Extract<Effect, { kind: 'setShares' }>): readonly string[] {
  const sum = Object.values(effect.shares).reduce((total, share) => total + share, 0)
  const answer = capacityRule(snapshot.services[effect.service], effect.shares)
  return [
    ...(sum === 100 ? [] : [`never to what is not ready: shares of ${effect.service} add up to ${sum}`]),
    ...(answer.allowed ? [] : [`never to what is not ready: ${answer.reason}`]),
  ]
}

function promotionViolations(state: EnvironmentState, body: RecordBody): readonly string[] {
  const { release } = state
  if (!release || release.direction === 'back') return []
  if (body.kind === 'stepFinished' && body.step.kind === 'analyse' && body.passedBy === 'verdict') {
    return body.verdict?.kind === 'healthy'
      ? []
      : ["don't know is no answer: an analysis passed without a healthy verdict"]
  }
  if (body.kind !== 'rolesChanged') return []
  const step = currentStep(release)
  const analyses = release.plan.steps.filter(
    (planned) => planned.kind === 'analyse' && planned.service === body.service,
  )
  const passed = release.steps.slice(0, release.cursor)
  const allPassed = analyses.every((analysis) => passed.some((done) => done.id === analysis.id))
  const member = release.plan.members.find((candidate) => candidate.service === body.service)
  const right = step?.kind === 'flip' && member?.to.revision.id === body.stable?.revision.id
  return allPassed && right ? [] : [`promote what was analysed: ${body.service} would change roles without it`]
}

function waitViolations(body: RecordBody): readonly string[] {
  if (body.kind !== 'waiting' || body.wait === null) return []
  const { blocker, next, atDeadline } = body.wait
  return blocker && next && atDeadline ? [] : ['every wait has an exit: blocker, deadline or next command is missing']
}
