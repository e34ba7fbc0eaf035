// Effects under way. They run beside the loop, because a failing verdict wins over any wait; each result comes
// back as an input.
import { type Effect, type EffectId, type EffectKind, type EffectResult, sameEffect } from '../engine/effect.ts'
import type { RecordBody } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'
import { perform, type World } from './perform.ts'

export interface Background {
  /** Starts what an appended record asks for, and stops what the release no longer waits for. */
  follow(state: EnvironmentState, body: RecordBody): void
  /** Effects under way, and finished ones that have not been taken. */
  performing(): readonly EffectId[]
  /** The next finished effect; null in `result` means that somebody else has taken over. */
  take(): { readonly id: EffectId; readonly effect: Effect; readonly result: EffectResult | null } | undefined
  /** Called whenever something finishes. */
  onFinished: () => void
  /** The runner was told to stop, and no hook is under way: whether one that nobody waits for succeeds is not known. */
  mayStop(): boolean
}

/** These are stopped when a release turns back; a hook is not: half of it may be worse than all. */
const stoppable: readonly EffectKind[] = ['prepare', 'smoke']

export function createBackground(
  options: World & { epoch: number; probe?: (point: string) => void; signal: AbortSignal },
): Background {
  const running = new Set<{ id: EffectId; effect: Effect; stop: AbortController }>()
  const finished: { id: EffectId; effect: Effect; result: EffectResult | null }[] = []
  const failures: unknown[] = []

  const background: Background = {
    follow(state, body) {
      for (const one of running) {
        const isWanted = sameEffect(state.release?.current?.inFlight ?? null, one.id)
        if (!isWanted && stoppable.includes(one.effect.kind)) one.stop.abort()
      }
      if (body.kind !== 'stepStarted' || !body.effect || !state.release) return
      start({ release: state.release.id, step: body.step.id, attempt: body.attempt }, body.effect)
    },
    performing: () => [...running, ...finished].map((one) => one.id),
    take() {
      if (failures.length > 0) throw failures[0]
      return finished.shift()
    },
    onFinished: () => {},
    mayStop: () => options.signal.aborted && [...running, ...finished].every(({ effect }) => effect.kind !== 'runHook'),
  }

  function start(id: EffectId, effect: Effect): void {
    const entry = { id, effect, stop: new AbortController() }
    running.add(entry)
    const work = async () => {
      options.probe?.(`before effect ${effect.kind}`)
      const result = await perform(effect, options.epoch, options, entry.stop.signal)
      options.probe?.(`after effect ${effect.kind}`)
      finished.push({ id, effect, result })
    }
    work()
      .catch((error) => failures.push(error))
      .finally(() => {
        running.delete(entry)
        background.onFinished()
      })
  }

  return background
}
