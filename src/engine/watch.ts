// What the runner remembers between two ticks and nobody journals: how long a step has waited and been
// monitored. Lost with the runner; then deadlines are announced again and time is counted from the last
// checkpoint, so a restart can make a release later, never earlier.

import type { Snapshot } from '../domain/snapshot.ts'
import type { Verdict } from '../domain/verdict.ts'
import { type EffectId, sameEffect } from './effect.ts'
import type { EnvironmentState } from './state.ts'
import { currentStep } from './state.ts'

export interface Watch {
  /** `release/direction/step` that the times below belong to. */
  readonly key: string
  readonly waitedMs: number
  /** Sum of tick lengths for which there was data. */
  readonly monitorMs: number
  /** Time since the last attempt failed. */
  readonly sinceFailureMs: number
  /** The effects that this very process is performing, or whose results it has and nobody has looked at. */
  readonly performing: readonly EffectId[]
}

export interface Tick {
  readonly kind: 'tick'
  readonly elapsedMs: number
  readonly snapshot: Snapshot
  /** Verdict on the candidate of each exposed service, with `fresh` false when the metrics did not answer. */
  readonly verdicts: Readonly<Record<string, { readonly verdict: Verdict; readonly fresh: boolean }>>
}

/** A tick never counts for more than this, so that a machine that slept does not fire its deadlines. */
export const LONGEST_TICK_MS = 2000

export const noWatch: Watch = { key: '', waitedMs: 0, monitorMs: 0, sinceFailureMs: 0, performing: [] }

export function isPerforming(watch: Watch, id: EffectId): boolean {
  return watch.performing.some((one) => sameEffect(one, id))
}

export function watchKey(state: EnvironmentState): string {
  const { release } = state
  if (!release) return ''
  // Time before a step starts, while it is paused or blocked, is not time of the step.
  const phase = release.current ? '' : 'before '
  return `${release.id}/${release.direction}/${phase}${currentStep(release)?.id ?? 'end'}`
}

/** Time passes. A new step starts from zero. */
export function advanceWatch(watch: Watch, state: EnvironmentState, tick: Tick): Watch {
  const key = watchKey(state)
  const elapsed = Math.min(tick.elapsedMs, LONGEST_TICK_MS)
  const same = watch.key === key ? watch : { ...noWatch, key, performing: watch.performing }
  const step = state.release && currentStep(state.release)
  const monitored = step?.kind === 'analyse' && tick.verdicts[step.service]?.fresh
  return {
    ...same,
    waitedMs: same.waitedMs + elapsed,
    monitorMs: same.monitorMs + (monitored ? elapsed : 0),
    sinceFailureMs: state.release?.current?.failed ? same.sinceFailureMs + elapsed : 0,
  }
}
