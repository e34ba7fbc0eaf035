// The few decisions that several rules share.
import { type Actor, MOODIFY } from '../domain/names.ts'
import type { Plan, Step } from '../plan/plan.ts'
import { stepsBack } from './back.ts'
import type { Cause, Decision, RecordBody } from './record.ts'
import type { EnvironmentState, ReleaseState } from './state.ts'

export function say(body: RecordBody, reason: string, actor: Actor = MOODIFY): Decision {
  return { body, reason, actor }
}

/** Starts a plan; used by commands and for what was queued. */
export function startRelease(state: EnvironmentState, plan: Plan, actor: Actor): Decision {
  const release = `r-${state.releaseCount + 1}`
  return say(
    { kind: 'releaseStarted', release, plan },
    `${actor.name} asked for ${plan.version} by ${plan.strategy}`,
    actor,
  )
}

export function turnBack(
  state: EnvironmentState,
  release: ReleaseState,
  cause: Cause,
  actor: Actor = MOODIFY,
): Decision {
  return say({ kind: 'turnedBack', cause, steps: stepsBack(state, release) }, cause.reason, actor)
}

export function finish(
  step: Step,
  passedBy: Extract<RecordBody, { kind: 'stepFinished' }>['passedBy'],
  reason: string,
  verdict: Extract<RecordBody, { kind: 'stepFinished' }>['verdict'] = null,
  actor: Actor = MOODIFY,
): Decision {
  return say({ kind: 'stepFinished', step, verdict, passedBy }, reason, actor)
}
