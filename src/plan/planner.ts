// Config and the roles of now → Plan. Pure: the same input gives the same plan.
import type { Config, HookName, ServiceConfig, Settings } from '../config/config.ts'
import type { ServiceName, SlotLayout, SlotName, StrategyName } from '../domain/names.ts'
import type { Revision } from '../domain/revision.ts'
import type { Member, Placement, Plan, Step } from './plan.ts'
import {
  blueGreen,
  canary,
  first,
  rollback,
  rollbackInPlace,
  rolling,
  type StrategyInput,
} from './strategies/member-steps.ts'
import { visitingCanary } from './strategies/visiting-canary.ts'

/** What is known of a service when planning: its live placement, and the slots it may use. */
export interface CurrentRoles {
  readonly stable: Placement | null
  /** It was found on the platform and is in no journal. */
  readonly isAdopted?: boolean
  /** Replicas that serve now, where somebody else decides how many there are: a new version needs as many. */
  readonly serving?: number
}

export interface PlanRequest {
  readonly config: Config
  readonly environment: string
  readonly version: string
  /** `rollback` goes straight to the revisions; `rolling` with it replaces in place. */
  readonly strategy: 'blue-green' | 'canary' | 'rolling' | 'rollback' | 'rollback-in-place'
  /** The revision of each service to ship; services left out are not part of the release. */
  readonly revisions: Readonly<Record<ServiceName, Revision>>
  readonly current: Readonly<Record<ServiceName, CurrentRoles>>
  readonly slots: readonly SlotName[]
  /** Services that have other slots than these. */
  readonly layouts?: Readonly<Record<ServiceName, SlotLayout>>
  /** What the platform knows and the plan has to say. */
  readonly notes?: readonly string[]
  /** Settings of the environment, with what the command line changed. */
  readonly settings: Settings
}

export function makePlan(request: PlanRequest): Plan {
  const { config } = request
  const { settings } = request
  const services = config.services.filter((service) => request.revisions[service.name])
  const members = services.map((service) => memberOf(request, service))
  const memberSteps = members.flatMap((member, index) =>
    stepsOf(request, { member, service: services[index]!, settings: reachable(request, member) }),
  )
  const ordered = isRollback(request) ? togetherByKind(memberSteps) : memberSteps
  const steps = withReleaseSteps(request, members, ordered)
  return {
    environment: request.environment,
    strategy: strategyOf(request, members),
    version: request.version,
    members,
    steps,
    triggers: settings.triggers,
    unknown: {
      unknownMs: settings.waits.unknownMs,
      onUnknown: settings.waits.onUnknown,
      onNoTraffic: settings.waits.onNoTraffic,
    },
    back: {
      readyMs: settings.waits.readyMs,
      proofMs: settings.waits.proofMs,
      drainMs: Object.fromEntries(services.map((service) => [service.name, service.drainMs])),
      minReadyMs: settings.rolling.minReadyMs,
      hook: settings.hooks.afterRollback ?? null,
      webhook: settings.notify?.webhook ?? null,
    },
    peakReplicas: Object.fromEntries(members.map((member) => [member.service, peakOf(member)])),
    longestMs: steps.reduce((sum, step) => sum + longestOf(step), 0),
    notes: [...notesOf(request, members), ...(request.notes ?? [])],
  }
}

/** The settings without the shares that the data plane cannot have. */
function reachable(request: PlanRequest, { service }: Member): Settings {
  const { settings } = request
  if (!layoutOf(request, service).switchesOnly) return settings
  const { canary, blueGreen } = settings
  return { ...settings, canary: { ...canary, weights: [100] }, blueGreen: { ...blueGreen, preSwitchPercent: 0 } }
}

function layoutOf({ layouts, slots }: PlanRequest, service: ServiceName): SlotLayout {
  return layouts?.[service] ?? { slots, visitor: null }
}

function memberOf(request: PlanRequest, service: ServiceConfig): Member {
  const revision = request.revisions[service.name]!
  const from = request.current[service.name]?.stable ?? null
  const { slots, visitor, switchesOnly } = layoutOf(request, service.name)
  const inPlace = from && (request.strategy === 'rolling' || request.strategy === 'rollback-in-place')
  const idle = slots.find((name) => name !== from?.slot) ?? from!.slot
  const { serving = 0, isAdopted = false } = request.current[service.name] ?? {}
  const replicas = Math.max(service.replicas, serving)
  const to: Placement = { slot: inPlace ? from.slot : idle, revision, replicas }
  const visits = from && visitor && request.strategy === 'canary' && !switchesOnly
  const affinity = service.affinity ? { affinity: true as const } : {}
  const adopted = from && isAdopted ? { isAdopted: true as const } : {}
  return {
    service: service.name,
    from,
    ...adopted,
    ...(visits ? { visit: { ...to, slot: visitor } } : {}),
    to,
    ...affinity,
  }
}

function strategyOf(request: PlanRequest, members: readonly Member[]): StrategyName {
  if (members.every((member) => member.from === null)) return 'first'
  return request.strategy === 'rollback-in-place' ? 'rollback' : request.strategy
}

function stepsOf(request: PlanRequest, input: StrategyInput): readonly Step[] {
  const { from, to, visit } = input.member
  if (from === null) return first(input)
  if (visit) return visitingCanary(input)
  const isRolled = from.slot === to.slot
  switch (request.strategy) {
    case 'blue-green':
      return isRolled ? rolling(input) : blueGreen(input)
    case 'canary':
      return isRolled ? rolling(input) : canary(input)
    case 'rolling':
      return rolling(input)
    case 'rollback':
      return isRolled ? rollbackInPlace(input) : rollback(input)
    case 'rollback-in-place':
      return rollbackInPlace(input)
  }
}

function withReleaseSteps(request: PlanRequest, members: readonly Member[], memberSteps: readonly Step[]): Step[] {
  const { settings } = request
  const hook = (name: HookName): Step[] => {
    const found = settings.hooks[name]
    return found && !isRollback(request) ? [{ id: `hook.${name}`, kind: 'hook', name, hook: found }] : []
  }
  const prepare = members.map(
    (member): Step => ({
      id: `${member.service}.prepare`,
      kind: 'prepare',
      service: member.service,
      revision: member.to.revision,
    }),
  )
  const old = members.filter((member) => member.from && member.from.slot !== member.to.slot)
  const retire = old.map(
    (member): Step => ({
      id: `${member.service}.retire`,
      kind: 'retire',
      service: member.service,
      slot: member.from!.slot,
      drainMs: request.config.services.find((service) => service.name === member.service)!.drainMs,
    }),
  )
  const keep: Step[] =
    old.length > 0 && !isRollback(request) ? [{ id: 'keep', kind: 'keep', keepMs: settings.keepMs }] : []
  const notify: Step[] = settings.notify
    ? [{ id: 'notify', kind: 'notify', event: 'released', webhook: settings.notify.webhook }]
    : []
  return [
    ...prepare,
    ...hook('before'),
    ...beforeFirstTraffic(memberSteps, hook('beforeTraffic')),
    ...hook('afterSwitch'),
    { id: 'released', kind: 'mark', outcome: 'released' },
    ...notify,
    ...keep,
    ...retire,
  ]
}

function isRollback({ strategy }: PlanRequest): boolean {
  return strategy === 'rollback' || strategy === 'rollback-in-place'
}

/** A rollback gets all services ready first, then moves the traffic of all, then drains: nobody waits for a drain. */
function togetherByKind(steps: readonly Step[]): Step[] {
  const rank = ({ kind }: Step) => (kind === 'apply' ? 0 : kind === 'drain' ? 2 : 1)
  return steps.toSorted((a, b) => rank(a) - rank(b))
}

/** The hook runs once per release, right before the first step that changes what users get. */
function beforeFirstTraffic(steps: readonly Step[], hook: readonly Step[]): Step[] {
  const index = steps.findIndex((step) => step.kind === 'shift' || step.kind === 'roll')
  return index < 0 ? [...steps, ...hook] : [...steps.slice(0, index), ...hook, ...steps.slice(index)]
}

function peakOf({ from, visit, to }: Member): number {
  if (!from) return to.replicas
  const visiting = visit?.replicas ?? 0
  const inPlace = from.slot === to.slot
  return visiting + (inPlace ? Math.max(from.replicas, to.replicas) + 1 : from.replicas + to.replicas)
}

function longestOf(step: Step): number {
  switch (step.kind) {
    case 'apply':
    case 'shift':
    case 'roll':
      return step.withinMs
    case 'analyse':
      return step.monitorMs
    case 'drain':
      return step.drainMs
    case 'hook':
      return step.hook.timeoutMs
    default:
      return 0
  }
}

function notesOf(request: PlanRequest, members: readonly Member[]): string[] {
  const notes: string[] = []
  for (const member of members) {
    if (member.affinity && member.from) {
      notes.push(
        `users of ${member.service} stay with one version: one with much traffic weighs as much as many, and the chance of a false alarm is not kept as promised`,
      )
    }
    const { service, from, to } = member
    if (!from) {
      notes.push(`${service} has no version yet: nothing to compare with and nothing to go back to`)
    } else if (from.slot === to.slot) {
      notes.push(`${service} is replaced in place: no old version stays warm, going back takes as long as the rollout`)
    }
    const { weights } = request.settings.canary
    if (from && request.strategy === 'canary' && weights.length > 1 && layoutOf(request, service).switchesOnly) {
      notes.push(
        `traffic of ${service} is switched, not shared: instead of ${weights.join(', ')} % it gets 100 % at once`,
      )
    }
    const { source } = to.revision.workload
    if (source.kind === 'image' && source.digest === null) {
      notes.push(`${service} ${to.revision.version} is known by its tag alone: what the tag names may change`)
    }
    if (member.visit) {
      const { slot, replicas } = member.visit
      const most = `${peakOf(member)} replicas run at once`
      notes.push(`${service} is tried in ${slot} (up to ${replicas}), then moves to ${to.slot}: ${most}`)
    }
  }
  return notes
}
