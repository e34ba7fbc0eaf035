// What each strategy does with one service. Pure functions from a member to steps; `planner.ts` puts the
// steps of all members in order and adds what belongs to the release as a whole.
import type { ServiceConfig, Settings } from '../../config/config.ts'
import type { Member, Placement, Step } from '../plan.ts'

export interface StrategyInput {
  readonly member: Member
  readonly service: ServiceConfig
  readonly settings: Settings
}

export type MemberSteps = (input: StrategyInput) => readonly Step[]

/** No old version: apply, check, all traffic. There is nothing to compare with and nothing to go back to. */
export const first: MemberSteps = (input) => [...readySteps(input), shiftAll(input), flip(input)]

/** The new version in the idle slot, all traffic at once, the old slot kept. */
export const blueGreen: MemberSteps = (input) => {
  const { member, settings } = input
  const approval: Step[] = settings.blueGreen.approval
    ? [
        {
          id: `${member.service}.approve`,
          kind: 'approve',
          service: member.service,
          withinMs: settings.waits.approvalMs,
        },
      ]
    : []
  const { preSwitchPercent, monitorMs } = settings.blueGreen
  const preSwitch =
    preSwitchPercent > 0 ? [shiftPart(input, preSwitchPercent), analyse(input, preSwitchPercent, monitorMs)] : []
  return [
    ...readySteps(input),
    ...preSwitch,
    ...approval,
    shiftAll(input),
    analyse(input, 100, settings.blueGreen.monitorMs),
    flip(input),
    ...drainOld(input),
  ]
}

/** The new version beside the old one, with a growing share, judged at each. */
export const canary: MemberSteps = (input) => {
  const { settings } = input
  const stages = settings.canary.weights.flatMap((weight) => [
    weight === 100 ? shiftAll(input) : shiftPart(input, weight),
    { ...analyse(input, weight, settings.canary.stageMs), ...earlyOf(settings) },
  ])
  return [...readySteps(input), ...stages, flip(input), ...drainOld(input)]
}

/** Limits on a window are met from the first moment on: only tests can show something early. */
export function earlyOf({ canary: { early }, triggers }: Settings): { early: true } | null {
  return early && triggers.mode === 'sequential' ? { early } : null
}

/** The replicas of the live slot replaced one by one. */
export const rolling: MemberSteps = (input) => {
  const { member, settings } = input
  const { service, to } = member
  return [
    {
      id: `${service}.roll`,
      kind: 'roll',
      service,
      placement: to,
      minReadyMs: settings.rolling.minReadyMs,
      withinMs: (settings.waits.readyMs + settings.rolling.minReadyMs) * to.replicas,
    },
    analyse(input, 100, settings.rolling.monitorMs),
    flip(input),
  ]
}

/** Straight back to a version that was live before: no analysis, it is an emergency. */
export const rollback: MemberSteps = (input) => [
  applyStep(input.member.service, input.member.to, input.settings.waits.readyMs),
  shiftAll(input),
  flip(input),
  ...drainOld(input),
]

/** Rollback in place: the live slot's replicas replaced by those of the earlier version. */
export const rollbackInPlace: MemberSteps = (input) => rolling(input).filter((step) => step.kind !== 'analyse')

export function readySteps({ member, service, settings }: StrategyInput): Step[] {
  return [
    applyStep(member.service, member.to, settings.waits.readyMs),
    {
      id: `${member.service}.check`,
      kind: 'check',
      service: member.service,
      slot: member.to.slot,
      tests: service.smoke,
    },
  ]
}

export function applyStep(service: string, placement: Placement, withinMs: number): Step {
  return { id: `${service}.apply`, kind: 'apply', service, placement, withinMs }
}

function shiftAll({ member, settings }: StrategyInput): Step {
  return {
    id: `${member.service}.shift-100`,
    kind: 'shift',
    service: member.service,
    shares: { [member.to.slot]: 100 },
    withinMs: settings.waits.proofMs,
  }
}

function shiftPart({ member, settings }: StrategyInput, weight: number): Step {
  return {
    id: `${member.service}.shift-${weight}`,
    kind: 'shift',
    service: member.service,
    shares: { [member.from!.slot]: 100 - weight, [member.to.slot]: weight },
    withinMs: settings.waits.proofMs,
  }
}

export function analyse({ member }: StrategyInput, weightPercent: number, monitorMs: number): Step {
  return {
    id: `${member.service}.analyse-${weightPercent}`,
    kind: 'analyse',
    service: member.service,
    weightPercent,
    monitorMs,
  }
}

export function flip({ member }: StrategyInput): Step {
  return {
    id: `${member.service}.flip`,
    kind: 'flip',
    service: member.service,
    stable: member.to,
    previous: member.from,
  }
}

export function drainOld({ member, service }: StrategyInput): Step[] {
  if (!member.from || member.from.slot === member.to.slot) return []
  return [
    {
      id: `${member.service}.drain`,
      kind: 'drain',
      service: member.service,
      slot: member.from.slot,
      drainMs: service.drainMs,
    },
  ]
}
