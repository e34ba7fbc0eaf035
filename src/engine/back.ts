// The way back: what undoes the part of a release that was done, in reverse order of its members. The first version
// of a service has nothing behind it: once it has traffic it stays, and is what the next release starts from.
import type { Member, Placement, Plan, Step } from '../plan/plan.ts'
import type { EnvironmentState, ReleaseState } from './state.ts'

export function stepsBack(state: EnvironmentState, release: ReleaseState): readonly Step[] {
  const { plan } = release
  const members = plan.members.filter((member) => release.touched.includes(member.service)).reverse()
  const undo = trafficFirst(members.flatMap((member) => undoMember(state, release, member)))
  const trafficMoved = Object.keys(release.exposed).length > 0
  const hook: Step[] =
    trafficMoved && plan.back.hook
      ? [{ id: 'hook.afterRollback', kind: 'hook', name: 'afterRollback', hook: plan.back.hook }]
      : []
  const outcome = trafficMoved ? 'rolled-back' : 'failed'
  const notify: Step[] = plan.back.webhook
    ? [{ id: 'notify-back', kind: 'notify', event: outcome, webhook: plan.back.webhook }]
    : []
  return [...undo, ...hook, { id: outcome, kind: 'mark', outcome }, ...notify]
}

/**
 * What is left of the way back when one member's old version cannot be brought back: that member stays with its new
 * version. When not even that can take the traffic, and a person says so a second time, the route stays as it is and
 * the roles follow it.
 */
export function stepsToStay(release: ReleaseState, { service, from, to, visit }: Member): readonly Step[] {
  const others = release.steps.slice(release.cursor).filter((step) => !('service' in step) || step.service !== service)
  const shift: Step = {
    id: `${service}.stay-shift`,
    kind: 'shift',
    service,
    shares: { [to.slot]: 100 },
    withinMs: release.plan.back.proofMs,
  }
  const flip: Step = { id: `${service}.stay`, kind: 'flip', service, stable: to, previous: from }
  if (!from) return [flip, ...others]
  const start = visit ? [applied(release.plan, service, 'stay-apply', to)] : []
  if ([...start, shift].some(({ id }) => release.steps[release.cursor]?.id === id)) {
    const flipBack: Step = { id: `${service}.stay-old`, kind: 'flip', service, stable: from, previous: to }
    return [flipBack, flip, ...others]
  }
  const left = [...(from.slot === to.slot ? [] : [from.slot]), ...(visit ? [visit.slot] : [])]
  const retired = left.map((slot) =>
    retire(release.plan, service, slot, slot === from.slot ? 'stay-retire' : `stay-retire-${slot}`),
  )
  const marks = others.findIndex((step) => step.kind === 'mark')
  return [...start, shift, flip, ...others.slice(0, marks), ...retired, ...others.slice(marks)]
}

/** Users first: the traffic of every member moves before anything is drained and ended. */
function trafficFirst(steps: readonly Step[]): Step[] {
  const endsSomething = (step: Step) => step.kind === 'drain' || step.kind === 'retire'
  return [...steps.filter((step) => !endsSomething(step)), ...steps.filter(endsSomething)]
}

function undoMember(state: EnvironmentState, release: ReleaseState, member: Member): Step[] {
  const { service, from, to, visit } = member
  const exposed = release.exposed[service] !== undefined
  const flipped = state.services[service]?.stable?.revision.id === to.revision.id
  if (from === null) {
    if (!exposed) return [retire(release.plan, service, to.slot, 'retire-back')]
    if (flipped) return []
    const shift = release.plan.steps.filter((step) => step.id === release.exposed[service])
    const isShifted = release.steps.slice(0, release.cursor).some((step) => step.id === release.exposed[service])
    return [...(isShifted ? [] : shift), { id: `${service}.stay`, kind: 'flip', service, stable: to, previous: null }]
  }
  const flipBack: Step[] = flipped
    ? [{ id: `${service}.flip-back`, kind: 'flip', service, stable: from, previous: to }]
    : []
  const inPlace = from.slot === to.slot
  if (inPlace && !visit) return [...rollBack(release.plan, member), ...flipBack]
  const { plan } = release
  const candidates = [...(visit ? [visit.slot] : []), ...(inPlace ? [] : [to.slot])]
  const retired = candidates.map((slot) =>
    retire(plan, service, slot, slot === to.slot ? 'retire-back' : `retire-back-${slot}`),
  )
  if (!exposed) return retired
  // A visitor that has moved to the slot of the old version is replaced there as it serves.
  const hasMovedIn = inPlace && carries(plan, release.exposed[service]!, to.slot)
  return [
    ...(hasMovedIn ? rollBack(plan, member) : [applied(plan, service, 'restore', from)]),
    {
      id: `${service}.shift-back`,
      kind: 'shift',
      service,
      shares: { [from.slot]: 100 },
      withinMs: plan.back.proofMs,
    },
    ...flipBack,
    ...candidates.map((slot): Step => {
      const id = slot === to.slot ? `${service}.drain-back` : `${service}.drain-back-${slot}`
      return { id, kind: 'drain', service, slot, drainMs: plan.back.drainMs[service] ?? 0 }
    }),
    ...retired,
  ]
}

/** Whether a step of the plan sends the new version's traffic to this slot and to no other. */
function carries(plan: Plan, stepId: string, slot: string): boolean {
  return plan.steps.some((step) => step.id === stepId && step.kind === 'shift' && step.shares[slot] === 100)
}

function applied(plan: Plan, service: string, name: string, placement: Placement): Step {
  return { id: `${service}.${name}`, kind: 'apply', service, placement, withinMs: plan.back.readyMs }
}

function rollBack(plan: Plan, { service, from }: Member): Step[] {
  const { readyMs, minReadyMs } = plan.back
  const withinMs = (readyMs + minReadyMs) * from!.replicas
  return [{ id: `${service}.roll-back`, kind: 'roll', service, placement: from!, minReadyMs: 0, withinMs }]
}

function retire(plan: Plan, service: string, slot: string, name: string): Step {
  return { id: `${service}.${name}`, kind: 'retire', service, slot, drainMs: plan.back.drainMs[service] ?? 0 }
}
