// A canary that is a visitor: it is tried in a slot of its own, with a growing share and as many replicas as that
// share needs. Once it has all the traffic, the same revision starts in the slot where it is to stay, and the traffic
// moves there, judged once more. Only then is the visitor drained and ended; the old version is untouched until it is
// no longer kept.
//
//   old 100 ─▶ old 90, visitor 10 ─▶ ... ─▶ visitor 100 ─▶ home 100
import type { Placement, Step } from '../plan.ts'
import { analyse, applyStep, drainOld, earlyOf, flip, type MemberSteps, type StrategyInput } from './member-steps.ts'

export const visitingCanary: MemberSteps = (input) => {
  const { member, service, settings } = input
  const { to } = member
  const visit = member.visit!
  const { weights, stageMs } = settings.canary
  const atFirst = replicasFor(weights[0]!, visit)
  let running = atFirst
  const stages = weights.flatMap((weight): Step[] => {
    const needed = replicasFor(weight, visit)
    const grow: Step[] = needed > running ? [applyVisitor(input, needed, `apply-${visit.slot}-${weight}`)] : []
    running = Math.max(running, needed)
    return [...grow, shiftTo(input, weight), { ...analyse(input, weight, stageMs), ...earlyOf(settings) }]
  })
  return [
    applyVisitor(input, atFirst, `apply-${visit.slot}`),
    check(input, visit),
    ...stages,
    ...(member.from!.slot === to.slot ? [drained(input, to.slot)] : []),
    applyStep(service.name, to, settings.waits.readyMs),
    check(input, to),
    {
      id: `${service.name}.shift-${to.slot}`,
      kind: 'shift',
      service: service.name,
      shares: { [to.slot]: 100 },
      withinMs: settings.waits.proofMs,
    },
    { ...analyse(input, 100, stageMs), id: `${service.name}.analyse-${to.slot}` },
    flip(input),
    drained(input, visit.slot),
    {
      id: `${service.name}.retire-${visit.slot}`,
      kind: 'retire',
      service: service.name,
      slot: visit.slot,
      drainMs: service.drainMs,
    },
    ...drainOld(input),
  ]
}

/** Replicas that a share of the load needs, of as many as all of it needs. */
function replicasFor(weight: number, { replicas }: Placement): number {
  return Math.max(1, Math.ceil((weight / 100) * replicas))
}

function applyVisitor({ member, settings }: StrategyInput, replicas: number, name: string): Step {
  const id = `${member.service}.${name}`
  return { ...applyStep(member.service, { ...member.visit!, replicas }, settings.waits.readyMs), id }
}

function check({ service }: StrategyInput, { slot }: Placement): Step {
  return { id: `${service.name}.check-${slot}`, kind: 'check', service: service.name, slot, tests: service.smoke }
}

function shiftTo({ member, settings }: StrategyInput, weight: number): Step {
  const { service, from, visit } = member
  const shares = weight === 100 ? { [visit!.slot]: 100 } : { [from!.slot]: 100 - weight, [visit!.slot]: weight }
  return { id: `${service}.shift-${weight}`, kind: 'shift', service, shares, withinMs: settings.waits.proofMs }
}

function drained({ service }: StrategyInput, slot: string): Step {
  return { id: `${service.name}.drain-${slot}`, kind: 'drain', service: service.name, slot, drainMs: service.drainMs }
}
