// The way back: what undoes the part of a release that was done, in reverse order of its members. The first version
// of a service has nothing behind it: once it has traffic it stays, and is what the next release starts from.
import type { Member, Plan, Step } from '../plan/plan.ts'
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
export function stepsToStay(release: ReleaseState, { service, from, to }: Member): readonly Step[] {
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
  if (release.steps[release.cursor]?.id === shift.id) {
    const flipBack: Step = { id: `${service}.stay-old`, kind: 'flip', service, stable: from, previous: to }
    return [flipBack, flip, ...others]
  }
  const drainMs = release.plan.back.drainMs[service] ?? 0
  const retired: Step = { id: `${service}.stay-retire`, kind: 'retire', service, slot: from.slot, drainMs }
  const marks = others.findIndex((step) => step.kind === 'mark')
  return [shift, flip, ...others.slice(0, marks), retired, ...others.slice(marks)]
}

/** Users first: the traffic of every member moves before anything is drained and ended. */
function trafficFirst(steps: readonly Step[]): Step[] {
  const endsSomething = (step: Step) => step.kind === 'drain' || step.kind === 'retire'
  return [...steps.filter((step) => !endsSomething(step)), ...steps.filter(endsSomething)]
}

function undoMember(state: EnvironmentState, release: ReleaseState, member: Member): Step[] {
  const { service, from, to } = member
  const exposed = release.exposed[service] !== undefined
  const flipped = state.services[service]?.stable?.revision.id === to.revision.id
  if (from === null) {
    if (!exposed) return retire(release.plan, member)
    if (flipped) return []
    const shift = release.plan.steps.filter((step) => step.id === release.exposed[service])
    const isShifted = release.steps.slice(0, release.cursor).some((step) => step.id === release.exposed[service])
    return [...(isShifted ? [] : shift), { id: `${service}.stay`, kind: 'flip', service, stable: to, previous: null }]
  }
  const flipBack: Step[] = flipped
    ? [{ id: `${service}.flip-back`, kind: 'flip', service, stable: from, previous: to }]
    : []
  if (from.slot === to.slot) return [...rollBack(release.plan, member), ...flipBack]
  if (!exposed) return retire(release.plan, member)
  const { back } = release.plan
  return [
    { id: `${service}.restore`, kind: 'apply', service, placement: from, withinMs: back.readyMs },
    { id: `${service}.shift-back`, kind: 'shift', service, shares: { [from.slot]: 100 }, withinMs: back.proofMs },
    ...flipBack,
    { id: `${service}.drain-back`, kind: 'drain', service, slot: to.slot, drainMs: back.drainMs[service] ?? 0 },
    ...retire(release.plan, member),
  ]
}

function rollBack(plan: Plan, { service, from }: Member): Step[] {
  const { readyMs, minReadyMs } = plan.back
  const withinMs = (readyMs + minReadyMs) * from!.replicas
  return [{ id: `${service}.roll-back`, kind: 'roll', service, placement: from!, minReadyMs: 0, withinMs }]
}

function retire(plan: Plan, { service, to }: Member): Step[] {
  return [
    { id: `${service}.retire-back`, kind: 'retire', service, slot: to.slot, drainMs: plan.back.drainMs[service] ?? 0 },
  ]
}
