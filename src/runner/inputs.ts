// What happens next: a command, a result, or time passing with a fresh look at the platform. In that order, so
// that an operator never waits behind a tick.
import type { Snapshot } from '../domain/snapshot.ts'
import type { Clock } from '../effects/ports/clock.ts'
import type { Observer } from '../effects/ports/platform.ts'
import type { Input } from '../engine/decide.ts'
import { currentStep, type EnvironmentState } from '../engine/state.ts'
import type { Journal } from '../journal/journal.ts'
import type { Background } from './background.ts'
import type { Judging } from './judging.ts'

export interface NextInput {
  readonly input: Input | 'idle' | 'superseded'
  readonly snapshot: Snapshot
}

/** How often the platform is looked at while facts are waited for, and else. */
const EAGER_MS = 100
const CALM_MS = 500
/** How often the inbox is looked at. */
const INBOX_MS = 50

const unseenYet: Snapshot = { observedAgoMs: 0, complete: false, missing: ['not looked at yet'], services: {} }

export function createInputs(options: {
  journal: Journal
  clock: Clock
  platform: { readonly observer: Observer }
  background: Background
  judging: Judging
  idleMs: number
  signal: AbortSignal
}): { next(state: EnvironmentState): Promise<NextInput> } {
  const { journal, clock, background, judging } = options
  let lastTickMs = clock.monotonicMs()
  let idleSinceMs: number | null = null
  let lookNow = true
  let snapshot = unseenYet
  let wake = new AbortController()
  background.onFinished = () => wake.abort()

  async function tick(state: EnvironmentState): Promise<NextInput> {
    const now = clock.monotonicMs()
    const elapsedMs = now - lastTickMs
    lastTickMs = now
    snapshot = await options.platform.observer.snapshot()
    const verdicts = await judging.verdicts(state, snapshot, elapsedMs)
    return { input: { kind: 'tick', elapsedMs, snapshot, verdicts }, snapshot }
  }

  return {
    async next(state) {
      for (;;) {
        const result = background.take()
        if (result) {
          lookNow = true
          if (!result.result) return { input: 'superseded', snapshot }
          return { input: { kind: 'effectResult', id: result.id, result: result.result }, snapshot }
        }
        const [posted] = await journal.commands(state.lastCommandId)
        if (posted) {
          lookNow = true
          const { id, actor, command } = posted
          return { input: { kind: 'command', commandId: id, actor, command }, snapshot }
        }
        const now = clock.monotonicMs()
        const isIdle = !state.release && !state.queued
        idleSinceMs = isIdle ? (idleSinceMs ?? now) : null
        if (idleSinceMs !== null && now - idleSinceMs >= options.idleMs) return { input: 'idle', snapshot }
        const periodMs = isEager(state) ? EAGER_MS : CALM_MS
        if (!isIdle && (lookNow || now - lastTickMs >= periodMs)) {
          lookNow = false
          return tick(state)
        }
        if (options.signal.aborted) return { input: 'idle', snapshot }
        wake = new AbortController()
        await clock.sleep(INBOX_MS, AbortSignal.any([wake.signal, options.signal]))
      }
    },
  }
}

function isEager(state: EnvironmentState): boolean {
  const step = state.release && currentStep(state.release)
  return step !== null && step?.kind !== 'analyse' && step?.kind !== 'keep' && step?.kind !== 'approve'
}
