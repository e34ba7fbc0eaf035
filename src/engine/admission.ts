// Which verb is allowed in which state, and what it will do there. The one place that decides it: the runner
// obeys it, the command line asks it before it sends anything, docs/reference/verbs.md is printed from it.
import type { Member, StepKind } from '../plan/plan.ts'
import { stepInWords } from '../plan/words.ts'
import { lockAt, lockInWords } from './lock.ts'
import type { Command } from './record.ts'
import { currentStep, type EnvironmentState, isReleased, type ReleaseState } from './state.ts'

export type Admission =
  | { readonly allowed: true; readonly will: string }
  | { readonly allowed: false; readonly because: string; readonly next: string }

export const phases = ['empty', 'settled', 'forward', 'approval', 'paused', 'held', 'keeping', 'back'] as const
/** Where an environment is, as far as verbs are concerned. */
export type Phase = (typeof phases)[number]

export const phaseMeaning: Readonly<Record<Phase, string>> = {
  empty: 'nothing has been released yet',
  settled: 'no release runs',
  forward: 'a release runs, the old version is still stable',
  approval: 'a release waits for approval',
  paused: 'a release is paused',
  held: 'a release holds: a hook with unknown outcome, a failing step or a violated invariant',
  keeping: 'released; the old version is kept warm',
  back: 'a release is going back',
}

export function phaseOf(state: EnvironmentState): Phase {
  const { release } = state
  if (!release) return Object.values(state.services).some((service) => service.stable) ? 'settled' : 'empty'
  if (release.direction === 'back') return 'back'
  if (release.violation || release.wait?.needsPerson || release.current?.failed) {
    if (currentStep(release)?.kind !== 'approve') return 'held'
  }
  if (isReleased(release)) return 'keeping'
  if (release.paused) return 'paused'
  return currentStep(release)?.kind === 'approve' ? 'approval' : 'forward'
}

/** @param at  when the command was given, ISO 8601 in UTC */
export function admit(state: EnvironmentState, command: Command, at: string): Admission {
  switch (command.verb) {
    case 'deploy':
      return refusedByLock(state, at) ?? admitDeploy(state, command)
    case 'rollback':
      return admitRollback(state, command)
    case 'retry':
      return admitRetry(state, command.plan !== null, at)
    case 'promote':
      return admitPromote(state)
    case 'pause':
      return admitPause(state)
    case 'continue':
      return admitContinue(state)
    case 'abort':
      return admitAbort(state)
    case 'resolve':
      return admitResolve(state, command.hook, command.as)
    case 'lock':
      return yes(admittedLock(command.until))
    case 'unlock':
      return state.lock ? yes('unlock it: releases may start again') : no('it is not locked', 'moodify status')
  }
}

const yes = (will: string): Admission => ({ allowed: true, will })
const no = (because: string, next: string): Admission => ({ allowed: false, because, next })
const noRelease = () => no('no release runs', 'moodify deploy -v VERSION')

function refusedByLock(state: EnvironmentState, at: string): Admission | null {
  const lock = lockAt(state, at)
  return lock && no(lockInWords(lock), 'moodify unlock, when you are sure')
}

function admittedLock(until: string | null): string {
  return `let no release start ${until === null ? 'until somebody unlocks it' : `until ${until}`}; what runs goes on`
}

/** `v1.1.0 (r-3)` */
function named(release: ReleaseState): string {
  return `${release.plan.version} (${release.id})`
}

function stableVersion(release: ReleaseState): string {
  const from = release.plan.members.find((member) => member.from)?.from
  return from ? from.revision.version : 'nothing'
}

function admitDeploy(state: EnvironmentState, command: Extract<Command, { verb: 'deploy' }>): Admission {
  const { plan, supersede, again } = command
  const takenBack = plan.members.map((member) => state.takenBack[member.to.revision.id]).find(Boolean)
  if (takenBack && !again) {
    return no(`${plan.version} was taken back before: ${takenBack}`, `moodify deploy -v ${plan.version} --again`)
  }
  const { release } = state
  if (!release) return yes(`start the release of ${plan.version}`)
  if (!supersede) {
    const doing = isReleased(release) ? 'is released and keeps its old version warm' : 'runs'
    return no(`${named(release)} ${doing}`, `moodify deploy -v ${plan.version} --supersede, or moodify status -w`)
  }
  if (release.direction === 'back') return yes(`wait until ${named(release)} is back, then start ${plan.version}`)
  if (isReleased(release)) return yes(`end the keep time of ${named(release)}, then start ${plan.version}`)
  if (stableVersion(release) === 'nothing') return yes(`end ${named(release)}, then start ${plan.version}`)
  return yes(`take ${named(release)} back to ${stableVersion(release)}, then start ${plan.version}`)
}

function admitRollback(state: EnvironmentState, command: Extract<Command, { verb: 'rollback' }>): Admission {
  const { release } = state
  const { to, plan } = command
  const goesFurther = release !== null && to === 'version' && plan !== null && plan.version !== stableVersion(release)
  if (release?.direction === 'back') {
    if (goesFurther) return yes(`wait until ${named(release)} is back, then go to ${plan.version}`)
    return yes(`nothing more: ${named(release)} is already going back`)
  }
  if (release?.plan.strategy === 'rollback' && !isReleased(release)) {
    return yes(`nothing more: the rollback to ${release.plan.version} already runs`)
  }
  if (release) {
    if (goesFurther) {
      return yes(`take ${named(release)} back to ${stableVersion(release)}, then go to ${plan.version}`)
    }
    if ((to === 'canary' || to === 'rolling' || to === 'blue-green') && to !== release.plan.strategy) {
      return no(`the release that runs is ${release.plan.strategy}, not ${to}`, 'moodify rollback -t undo')
    }
    if (stableVersion(release) === 'nothing') {
      return isReleased(release) || Object.keys(release.exposed).length > 0
        ? no('it is the first release: there is no version to go back to', 'moodify deploy -v VERSION --supersede')
        : yes(`end ${named(release)}: it is the first, nothing is left running`)
    }
    return yes(`take ${named(release)} back to ${stableVersion(release)}`)
  }
  if (to === 'canary') return no('no canary runs', 'moodify rollback -t undo')
  if (!plan) return no('there is no earlier version to go back to', 'moodify rollback -t version -v VERSION')
  if (plan.strategy === 'first') return no('nothing has been released yet', `moodify deploy -v ${plan.version}`)
  const target = plan.members.find((member) => state.takenBack[member.to.revision.id])
  if (target && to !== 'version') {
    const why = state.takenBack[target.to.revision.id]
    return no(
      `the version before is ${plan.version}, which was taken back: ${why}`,
      `moodify rollback -t version -v VERSION (${plan.version} too, if you mean it)`,
    )
  }
  const left = plan.members.find((member) => member.from)?.from?.revision.version ?? 'nothing'
  return yes(`go from ${left} back to ${plan.version}`)
}

function admitRetry(state: EnvironmentState, hasPlan: boolean, at: string): Admission {
  const { release, last } = state
  if (release?.current?.failed) return yes(`try again now: ${stepInWords(currentStep(release)!)}`)
  if (release) return no(`${named(release)} runs and nothing in it has failed`, 'moodify status -w')
  if (!last || last.outcome === 'released') return no('the last release did not fail', 'moodify deploy -v VERSION')
  if (hasPlan) return refusedByLock(state, at) ?? yes(`ship ${last.plan.version} again`)
  return no('no plan was made for it', `moodify deploy -v ${last.plan.version} --again`)
}

function admitPromote(state: EnvironmentState): Admission {
  const { release } = state
  if (!release) return noRelease()
  const stuck = stuckMember(release)
  if (stuck)
    return yes(`stay with ${stuck.to.revision.version} of ${stuck.service}: what was before cannot be brought back`)
  if (release.direction === 'back') return no(`${named(release)} is going back`, 'moodify status -w')
  if (isReleased(release)) return no(`${named(release)} is already released`, 'moodify status')
  if (release.violation) return no(`an invariant is violated: ${release.violation}`, 'moodify abort')
  const step = currentStep(release)
  if (step?.kind === 'approve') return yes(`approve ${named(release)}: traffic moves to it`)
  if (step?.kind === 'analyse') return yes(`end the analysis at ${step.weightPercent} % now and go on`)
  return no(
    `there is nothing to promote at this step: ${step ? stepInWords(step) : 'it ends'}`,
    'moodify status -w, then moodify promote',
  )
}

/** The member that cannot be brought back in its time: the old version is not ready, or the new one keeps the traffic. */
export function stuckMember(release: ReleaseState): Member | null {
  const step = currentStep(release)
  if (release.direction !== 'back' || !release.wait?.needsPerson) return null
  const kinds: readonly StepKind[] = ['apply', 'shift', 'drain', 'retire']
  if (!step || !('service' in step) || !kinds.includes(step.kind)) return null
  return release.plan.members.find((member) => member.service === step.service) ?? null
}

function admitPause(state: EnvironmentState): Admission {
  const { release } = state
  if (!release) return noRelease()
  if (release.direction === 'back')
    return no(`${named(release)} is going back, which is not paused`, 'moodify status -w')
  if (isReleased(release)) return no(`${named(release)} is already released`, 'moodify status')
  if (release.paused) return no(`${named(release)} is already paused`, 'moodify continue')
  return yes('hold the traffic where it is; the analysis goes on and a failing verdict still takes it back')
}

function admitContinue(state: EnvironmentState): Admission {
  const { release } = state
  if (!release) return noRelease()
  if (release.direction === 'back' && release.wait?.needsPerson && currentStep(release)?.kind === 'roll') {
    return yes('go on without waiting for the old version any longer')
  }
  return release.paused ? yes(`go on with ${named(release)}`) : no(`${named(release)} is not paused`, 'moodify status')
}

function admitAbort(state: EnvironmentState): Admission {
  const { release } = state
  if (!release) return noRelease()
  if (release.direction === 'back') return no(`${named(release)} is already going back`, 'moodify status -w')
  if (isReleased(release)) return no(`${named(release)} is already released`, 'moodify rollback')
  const exposed = Object.keys(release.exposed).length > 0
  if (!exposed) return yes(`end ${named(release)}: no traffic has been moved`)
  if (stableVersion(release) === 'nothing') return yes(`end ${named(release)}, which stays live: it is the first`)
  return yes(`take ${named(release)} back to ${stableVersion(release)}`)
}

function admitResolve(state: EnvironmentState, hook: string, as: 'done' | 'redo'): Admission {
  const { release } = state
  if (!release) return noRelease()
  const step = currentStep(release)
  if (step?.kind !== 'hook' || step.name !== hook || !release.wait?.needsPerson) {
    return no(`no hook ${hook} is waiting for an answer`, 'moodify status')
  }
  return yes(as === 'done' ? `take hook ${hook} as done and go on` : `run hook ${hook} once more`)
}
