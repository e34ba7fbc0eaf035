// decide(state, watch, input) → decisions. Pure: no clock, no I/O. One input at a time; each decision is
// appended to the journal before anything is done about it, and the state it leads to is `evolve`'s.
//
// The runner calls it again with the same snapshot until it decides nothing more, so each call takes one step.
import type { Step } from '../plan/plan.ts'
import { stepInWords } from '../plan/words.ts'
import { type CommandInput, onCommand } from './commands.ts'
import { finish, say, startRelease, turnBack } from './decisions.ts'
import { type EffectId, type EffectResult, effectClass, sameEffect } from './effect.ts'
import type { Decision, Wait } from './record.ts'
import { currentStep, type EnvironmentState, emptyService, isReleased, type ReleaseState } from './state.ts'
import { arrival, sameShares } from './steps/arrival.ts'
import { type Blocked, blockedOn, unseen } from './steps/blocked.ts'
import { effectOf, startBlocker } from './steps/start.ts'
import { advanceWatch, isPerforming, type Tick, type Watch } from './watch.ts'

export type Input =
  | Tick
  | { readonly kind: 'effectResult'; readonly id: EffectId; readonly result: EffectResult }
  | ({ readonly kind: 'command' } & CommandInput)

export interface Decided {
  readonly decisions: readonly Decision[]
  readonly watch: Watch
}

/** Attempts of an effect on the way forward before the release goes back. */
const MOST_ATTEMPTS = 5

export function decide(state: EnvironmentState, watch: Watch, input: Input): Decided {
  switch (input.kind) {
    case 'command':
      return { decisions: onCommand(state, input), watch }
    case 'effectResult':
      return onEffectResult(state, watch, input)
    case 'tick':
      return onTick(state, advanceWatch(watch, state, input), input)
  }
}

// --- results ----------------------------------------------------------------------------------------------

function onEffectResult(
  state: EnvironmentState,
  watch: Watch,
  { id, result }: Extract<Input, { kind: 'effectResult' }>,
): Decided {
  const { release } = state
  const isCurrent = release !== null && sameEffect(release.current?.inFlight ?? null, id)
  if (!isCurrent) return { decisions: [], watch }
  if (result.ok) return { decisions: [say({ kind: 'effectSucceeded', id }, result.said)], watch }
  return { decisions: onFailure(state, release, id, result), watch: { ...watch, sinceFailureMs: 0 } }
}

/** Failures that a repeat cannot mend: what was tried answered, and the answer is no. */
const finalCodes = new Set(['BUILD_FAILED', 'HOOK_FAILED', 'SMOKE_FAILED'])

function onFailure(
  state: EnvironmentState,
  release: ReleaseState,
  id: EffectId,
  result: Extract<EffectResult, { ok: false }>,
): readonly Decision[] {
  const step = currentStep(release)!
  const failed = (retryInMs: number | null) =>
    say({ kind: 'effectFailed', id, code: result.code, retryInMs }, result.said)
  const isFinal = finalCodes.has(result.code)
  const isSide = step.kind === 'notify' || (step.kind === 'hook' && step.name === 'afterRollback')
  if (isSide && (isFinal || id.attempt >= 3)) {
    return [failed(null), finish(step, 'skipped', `${stepInWords(step)} failed and is left out: ${result.said}`)]
  }
  const goesBack = release.direction === 'forward' && !isReleased(release) && (isFinal || id.attempt >= MOST_ATTEMPTS)
  if (goesBack) {
    const reason = `${stepInWords(step)}: ${result.said}`
    return [failed(null), turnBack(state, release, { kind: 'step-failed', reason, verdict: null })]
  }
  return [failed(Math.min(30_000, 500 * 2 ** (id.attempt - 1)))]
}

// --- ticks ------------------------------------------------------------------------------------------------

function onTick(state: EnvironmentState, watch: Watch, tick: Tick): Decided {
  const { release } = state
  if (!release) {
    const { queued } = state
    return { decisions: queued ? [startRelease(state, queued.plan, queued.actor)] : [], watch }
  }
  const danger = dangerOf(state, release, tick) ?? changeUnder(state, release, tick)
  if (danger) return { decisions: [danger], watch }
  const step = currentStep(release)
  if (!step) return { decisions: [endRelease(release)], watch }
  if (release.violation && release.direction === 'forward') {
    return announce(release, watch, {
      blocker: `invariant violated: ${release.violation}`,
      deadlineMs: null,
      atDeadline: 'it holds until a person decides; nothing is written meanwhile',
      next: 'moodify abort',
      needsPerson: true,
    })
  }
  return release.current
    ? onStartedStep(state, release, watch, tick, step)
    : onNewStep(state, release, watch, tick, step)
}

/** A failing verdict wins over any wait, until the old version starts to go. */
function dangerOf(state: EnvironmentState, release: ReleaseState, tick: Tick): Decision | null {
  if (release.direction === 'back' || !isJudged(release) || isOldEnding(release)) return null
  for (const [service, { verdict }] of Object.entries(tick.verdicts)) {
    if (verdict.kind !== 'unhealthy' || !release.exposed[service]) continue
    return turnBack(state, release, { kind: 'verdict', reason: `${service}: ${verdict.reason}`, verdict })
  }
  return null
}

function isOldEnding({ plan, steps, cursor }: ReleaseState): boolean {
  const step = steps[cursor]
  return (
    step?.kind === 'retire' &&
    plan.members.every(({ service, visit }) => step.service !== service || step.slot !== visit?.slot)
  )
}

/**
 * What the release started from, or brought about, is not so any more: a queued plan whose roles have changed since;
 * or traffic that was sent back to stable while the journal took no records.
 */
function changeUnder(state: EnvironmentState, release: ReleaseState, tick: Tick): Decision | null {
  if (release.direction === 'back') return null
  for (const { service, from, to } of release.plan.members) {
    const before = release.before[service]?.stable ?? null
    const isStale = before?.slot !== from?.slot || before?.revision.id !== from?.revision.id
    const reason = isStale
      ? `${service} has changed since the plan was made; type the command again`
      : trafficElsewhere(state, release, service, tick)
        ? `${service}: the traffic was sent away from ${to.slot} while the journal took no records`
        : null
    if (reason) return turnBack(state, release, { kind: 'changed', reason, verdict: null })
  }
  return null
}

/** Shares that no record asked for, with a generation above all that was decided. */
function trafficElsewhere(state: EnvironmentState, release: ReleaseState, service: string, tick: Tick): boolean {
  const route = tick.snapshot.services[service]?.route
  const { generation } = state.services[service] ?? emptyService
  if (!route || route.generation <= generation || unseen(tick)) return false
  const isOf = (step: Step | null) => step?.kind === 'shift' && step.service === service
  const shifted = release.steps.slice(0, release.cursor).findLast(isOf)
  return shifted?.kind === 'shift' && !isOf(currentStep(release)) && !sameShares(route.shares, shifted.shares)
}

/** Releases that go back to a version that was live before, or have nothing to go back to, are not judged. */
export function isJudged(release: ReleaseState): boolean {
  return release.plan.strategy !== 'rollback' && release.plan.strategy !== 'first'
}

function endRelease(release: ReleaseState): Decision {
  const outcome = release.outcome ?? 'failed'
  return say({ kind: 'releaseEnded', outcome }, `all steps are done: ${outcome}`)
}

function onNewStep(state: EnvironmentState, release: ReleaseState, watch: Watch, tick: Tick, step: Step): Decided {
  if (release.paused) return announce(release, watch, pausedWait)
  return begin(state, release, watch, tick, step, { attempt: 1, reason: stepInWords(step) })
}

/** The first time or once more: what a step needs is looked at each time. */
function begin(
  state: EnvironmentState,
  release: ReleaseState,
  watch: Watch,
  tick: Tick,
  step: Step,
  issued: { readonly attempt: number; readonly reason: string },
): Decided {
  const blocker = writeUnderWay(release, watch, step) ?? startBlocker(state, release, step, tick)
  if (blocker.kind === 'satisfied') return { decisions: [finish(step, 'facts', blocker.reason)], watch }
  if (blocker.kind === 'fails') {
    return {
      decisions: [turnBack(state, release, { kind: 'step-failed', reason: blocker.reason, verdict: null })],
      watch,
    }
  }
  if (blocker.kind === 'blocked') return onBlocked(state, release, watch, step, blocker)
  return issue(state, release, watch, tick, step, issued)
}

function onStartedStep(state: EnvironmentState, release: ReleaseState, watch: Watch, tick: Tick, step: Step): Decided {
  const current = release.current!
  if (current.resolved === 'done') return { decisions: [finish(step, 'person', 'a person said it was done')], watch }
  const again = (reason: string) => begin(state, release, watch, tick, step, { attempt: current.attempt + 1, reason })
  if (current.resolved === 'redo') return again('a person asked to do it once more')
  if (current.inFlight) {
    if (isPerforming(watch, current.inFlight)) return { decisions: [], watch }
    return onLostResult(state, release, watch, tick, step)
  }
  if (current.failed) {
    const { retryInMs, reason } = current.failed
    if (retryInMs !== null && watch.sinceFailureMs >= retryInMs) {
      return again(`try again after: ${reason}`)
    }
    return { decisions: [], watch }
  }
  if (release.paused && (step.kind === 'analyse' || step.kind === 'approve'))
    return announce(release, watch, pausedWait)
  const arrived = arrival(state, release, step, tick, watch)
  switch (arrived.kind) {
    case 'arrived':
      return { decisions: finishStep(state, step, arrived), watch }
    case 'fails':
      return {
        decisions: [
          turnBack(state, release, { kind: arrived.cause, reason: arrived.reason, verdict: arrived.verdict ?? null }),
        ],
        watch,
      }
    case 'blocked':
      return onBlocked(state, release, watch, step, arrived)
  }
}

/** Two writes to one slot never overtake each other: the later one waits until the earlier has an answer. */
function writeUnderWay(release: ReleaseState, watch: Watch, step: Step): Blocked | null {
  const known = [...release.plan.steps, ...release.steps]
  const earlier = watch.performing
    .filter((id) => id.release === release.id)
    .map((id) => known.find((one) => one.id === id.step))
    .find((one) => one && one.kind !== 'shift' && writeSameSlot(one, step))
  if (!earlier) return null
  const wait = {
    blocker: `a write to the same slot is still under way: ${stepInWords(earlier)}`,
    deadlineMs: null,
    atDeadline: 'it goes on when the platform has answered',
    next: 'moodify status -w',
    needsPerson: false,
  }
  return blockedOn(wait, false)
}

function writeSameSlot(one: Step, other: Step): boolean {
  const isSameService = 'service' in one && 'service' in other && one.service === other.service
  return isSameService && slotsWritten(one).some((slot) => slotsWritten(other).includes(slot))
}

function slotsWritten(step: Step): readonly string[] {
  switch (step.kind) {
    case 'apply':
    case 'roll':
      return [step.placement.slot]
    case 'retire':
      return [step.slot]
    case 'shift':
      return Object.keys(step.shares)
    default:
      return []
  }
}

/** A wait whose deadline passes: forward the release goes back; on the way back it only says so again. */
function onBlocked(
  state: EnvironmentState,
  release: ReleaseState,
  watch: Watch,
  step: Step,
  { wait, goesBackAtDeadline }: { wait: Wait; goesBackAtDeadline: boolean },
): Decided {
  const over = wait.deadlineMs !== null && watch.waitedMs >= wait.deadlineMs
  if (!over) return announce(release, watch, wait)
  if (goesBackAtDeadline && release.direction === 'forward' && !isReleased(release)) {
    const reason = `${stepInWords(step)}: ${wait.blocker} and its time is over`
    return { decisions: [turnBack(state, release, { kind: 'deadline', reason, verdict: null })], watch }
  }
  const next = release.direction === 'back' ? (waysOut[step.kind] ?? wait.next) : wait.next
  return announce(release, watch, { ...wait, blocker: `${wait.blocker}; its time is over`, next, needsPerson: true })
}

/** When what was there before cannot be brought back: commands.ts says what they do then. */
const waysOut: Partial<Record<Step['kind'], string>> = {
  roll: 'moodify continue',
  apply: 'moodify promote',
  shift: 'moodify promote',
  drain: 'moodify promote',
  retire: 'moodify promote',
}

/** The intent is in the journal, its result is not: the runner died in between. */
function onLostResult(state: EnvironmentState, release: ReleaseState, watch: Watch, tick: Tick, step: Step): Decided {
  const effect = effectOf(state, release, step, tick.snapshot)
  const askPerson =
    effect !== null && effectClass[effect.kind] === 'once' && step.kind === 'hook' && step.hook.onUnknown === 'ask'
  if (!askPerson) {
    const reason = 'its result was lost with the runner; repeating it is safe'
    return begin(state, release, watch, tick, step, { attempt: release.current!.attempt + 1, reason })
  }
  return announce(release, watch, {
    blocker: `hook ${step.name} was started and its result is unknown`,
    deadlineMs: null,
    atDeadline: 'it holds until a person decides',
    next: `moodify resume --done ${step.name}, or moodify resume --redo ${step.name}`,
    needsPerson: true,
  })
}

function issue(
  state: EnvironmentState,
  release: ReleaseState,
  watch: Watch,
  tick: Tick,
  step: Step,
  { attempt, reason }: { readonly attempt: number; readonly reason: string },
): Decided {
  const effect = effectOf(state, release, step, tick.snapshot)
  return { decisions: [say({ kind: 'stepStarted', step, effect, attempt }, reason)], watch }
}

function finishStep(
  state: EnvironmentState,
  step: Step,
  arrived: Extract<ReturnType<typeof arrival>, { kind: 'arrived' }>,
) {
  const end = finish(step, arrived.by ?? 'facts', arrived.reason, arrived.verdict ?? null)
  if (step.kind === 'mark') {
    return [say({ kind: 'outcomeReached', outcome: step.outcome }, state.release?.cause?.reason ?? step.outcome), end]
  }
  if (step.kind !== 'flip') return [end]
  const { service, stable, previous } = step
  return [say({ kind: 'rolesChanged', service, stable, previous }, stepInWords(step)), end]
}

const pausedWait: Wait = {
  blocker: 'paused by a person',
  deadlineMs: null,
  atDeadline: 'it holds; a failing verdict still takes it back',
  next: 'moodify continue',
  needsPerson: true,
}

/** Writes a wait down when it is another one than before. */
function announce(release: ReleaseState, watch: Watch, wait: Wait): Decided {
  const { wait: before } = release
  const next = nextNow(release, wait.next)
  if (before && before.blocker === wait.blocker && before.next === next) return { decisions: [], watch }
  return { decisions: [say({ kind: 'waiting', wait: { ...wait, next } }, wait.blocker)], watch }
}

/** An abort is refused once a release goes back or is released. */
function nextNow(release: ReleaseState, next: string): string {
  if (release.direction === 'back') return next.replace('moodify abort', 'moodify status -w')
  return isReleased(release) ? next.replace('moodify abort', 'moodify rollback') : next
}
