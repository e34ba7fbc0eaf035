// What an accepted verb does. Whether it is accepted is admission's to say.
import type { Actor } from '../domain/names.ts'
import type { Plan } from '../plan/plan.ts'
import { admit, stuckMember } from './admission.ts'
import { stepsToStay } from './back.ts'
import { finish, say, startRelease, turnBack } from './decisions.ts'
import type { Command, Decision, RecordBody } from './record.ts'
import { currentStep, type EnvironmentState, isReleased, rolesAfterEnding } from './state.ts'

export interface CommandInput {
  readonly commandId: number
  readonly actor: Actor
  readonly command: Command
  /** When it was given, ISO 8601 in UTC. */
  readonly at: string
}

export function onCommand(state: EnvironmentState, input: CommandInput): readonly Decision[] {
  const { command, actor, at } = input
  const plan = planUsed(state, command)
  const stale = plan ? staleness(state, plan.members) : null
  const admission = admit(state, command, at)
  if (!admission.allowed || stale) {
    const because = stale ?? (admission.allowed ? '' : `${admission.because}; next: ${admission.next}`)
    return [say(commanded(input, false), because, actor)]
  }
  return [say(commanded(input, true), admission.will, actor), ...consequences(state, command, actor)]
}

function commanded({ commandId, command }: CommandInput, accepted: boolean): RecordBody {
  const { plan: _plan, ...small } = { plan: null, ...command }
  return { kind: 'commanded', commandId, command: small, accepted }
}

/** The plan that a command starts. One that takes the running release back needs none: it must never be refused as stale. */
function planUsed(state: EnvironmentState, command: Command): Plan | null {
  if (!('plan' in command)) return null
  if (command.verb === 'rollback' && state.release && command.to !== 'version') return null
  return command.plan
}

/** A plan is only good for the roles that it was made for. */
function staleness(state: EnvironmentState, members: Plan['members']): string | null {
  const roles = rolesAfterEnding(state)
  const changed = members.find(({ service, from, isAdopted }) => {
    // The plan says what serves; that the journal did not know it is no reason to refuse.
    if (isAdopted) return false
    const now = roles[service]?.stable ?? null
    return now?.revision.id !== from?.revision.id || now?.slot !== from?.slot
  })
  return changed ? `${changed.service} has changed since the plan was made; type the command again` : null
}

function consequences(state: EnvironmentState, command: Command, actor: Actor): readonly Decision[] {
  const { release } = state
  switch (command.verb) {
    case 'deploy':
      return release ? supersede(state, command.plan, actor) : [startRelease(state, command.plan, actor)]
    case 'rollback':
      return rollback(state, command, actor)
    case 'retry':
      if (release?.current?.failed) return retryNow(state, actor)
      return command.plan ? [startRelease(state, command.plan, actor)] : []
    case 'promote':
      return promote(state, actor)
    case 'pause':
      return [say({ kind: 'paused' }, `${actor.name} paused it`, actor)]
    case 'continue':
      return release!.paused
        ? [say({ kind: 'continued' }, `${actor.name} continued it`, actor)]
        : [finish(currentStep(release!)!, 'person', `${actor.name} does not wait for it any longer`, null, actor)]
    case 'abort':
      return [backBecause(state, 'asked', `${actor.name} aborted it`, actor)]
    case 'resolve':
      return [say({ kind: 'resolved', hook: command.hook, as: command.as }, `${actor.name} said: ${command.as}`, actor)]
    case 'lock': {
      const { reason, until } = command
      return [say({ kind: 'locked', reason, until }, `${actor.name} locked it${reason ? `: ${reason}` : ''}`, actor)]
    }
    case 'unlock':
      return [say({ kind: 'unlocked' }, `${actor.name} unlocked it`, actor)]
  }
}

function backBecause(state: EnvironmentState, kind: 'asked' | 'superseded', reason: string, actor: Actor): Decision {
  return turnBack(state, state.release!, { kind, reason, verdict: null }, actor)
}

function supersede(state: EnvironmentState, plan: Plan, actor: Actor): Decision[] {
  const release = state.release!
  const queued = say({ kind: 'queued', plan }, `${plan.version} starts when ${release.id} has ended`, actor)
  if (release.direction === 'back') return [queued]
  if (isReleased(release)) {
    return [queued, say({ kind: 'keepCut', release: release.id }, `superseded by ${plan.version}`, actor)]
  }
  return [queued, backBecause(state, 'superseded', `superseded by ${plan.version}`, actor)]
}

function rollback(state: EnvironmentState, command: Extract<Command, { verb: 'rollback' }>, actor: Actor): Decision[] {
  const { release } = state
  const { plan } = command
  if (!release) return plan ? [startRelease(state, plan, actor)] : []
  const target = release.plan.members.find((member) => member.from)?.from?.revision.version
  const goesFurther = command.to === 'version' && plan && plan.version !== target
  const queued = goesFurther ? [say({ kind: 'queued', plan }, `then to ${plan.version}`, actor)] : []
  if (release.direction === 'back') return queued
  if (release.plan.strategy === 'rollback' && !isReleased(release)) return []
  return [...queued, backBecause(state, 'asked', `${actor.name} asked for a rollback`, actor)]
}

function promote(state: EnvironmentState, actor: Actor): Decision[] {
  const release = state.release!
  const step = currentStep(release)!
  const stuck = stuckMember(release)
  if (stuck) {
    const reason = `${actor.name} stays with ${stuck.to.revision.version} of ${stuck.service}`
    const cause = { kind: 'asked', reason, verdict: null } as const
    return [say({ kind: 'turnedBack', cause, steps: stepsToStay(release, stuck) }, reason, actor)]
  }
  const verdict = 'service' in step ? (release.verdicts[step.service] ?? null) : null
  return [finish(step, 'person', `${actor.name} promoted it`, verdict, actor)]
}

function retryNow(state: EnvironmentState, actor: Actor): Decision[] {
  const release = state.release!
  const id = { release: release.id, step: release.current!.id, attempt: release.current!.attempt }
  const { code, reason } = release.current!.failed!
  return [say({ kind: 'effectFailed', id, code, retryInMs: 0 }, reason, actor)]
}
