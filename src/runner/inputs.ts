// What happens next: a command, a result, or time passing with a fresh look at the platform. In that order, so
// that an operator never waits behind a tick.
import type { Snapshot } from '../domain/snapshot.ts'
import type { Clock } from '../effects/ports/clock.ts'
import type { Observer } from '../effects/ports/platform.ts'
import type { Input } from '../engine/decide.ts'
import type { Effect } from '../engine/effect.ts'
import { currentStep, type EnvironmentState } from '../engine/state.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { Journal } from '../journal/journal.ts'
import type { Background } from './background.ts'
import type { Judging } from './judging.ts'

export interface NextInput {
  readonly input: Input | 'idle' | 'superseded'
  readonly snapshot: Snapshot
}

interface Inputs {
  next(state: EnvironmentState): Promise<NextInput>
  /** Time until now is not time of the step that has just begun. */
  stepChanged(): void
}

/** How often the platform is looked at while facts are waited for, and else. */
const EAGER_MS = 100
const CALM_MS = 500
/** The age of a snapshot is given in whole milliseconds. */
const ROUNDING_MS = 1
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
}): Inputs {
  const { journal, clock, background, judging } = options
  let lastTickMs = clock.monotonicMs()
  let idleSinceMs: number | null = null
  let lookNow = true
  let snapshot = unseenYet
  // Nothing is concluded from what was seen before the epoch was stamped, or before the last effect had ended.
  let seenAtMs = clock.monotonicMs()
  let wake = new AbortController()
  background.onFinished = () => wake.abort()
  options.signal.addEventListener('abort', () => wake.abort(), { once: true })

  async function tick(state: EnvironmentState): Promise<NextInput> {
    const now = clock.monotonicMs()
    const elapsedMs = now - lastTickMs
    lastTickMs = now
    await look()
    const verdicts = await judging.verdicts(state, snapshot)
    return { input: { kind: 'tick', elapsedMs, snapshot, verdicts }, snapshot }
  }

  /** A snapshot that is older than the one before is left out: what was seen does not become unseen. */
  async function look(): Promise<void> {
    const seen = await options.platform.observer.snapshot()
    const now = clock.monotonicMs()
    if (now - seen.observedAgoMs >= seenAtMs - ROUNDING_MS) {
      snapshot = seen
      seenAtMs = now - seen.observedAgoMs
    } else snapshot = { ...snapshot, observedAgoMs: now - seenAtMs }
  }

  /** What was seen before says nothing of what a write has changed. Going back may still rest on the rest. */
  function forget(effect: Effect): void {
    seenAtMs = clock.monotonicMs()
    const services = withoutSlotOf(snapshot.services, effect)
    snapshot = { ...snapshot, services, complete: false, missing: ['the platform since the last write'] }
  }

  /** Somebody else writes the journal: this runner would find out at its next record, and may have none for long. */
  async function isSuperseded(state: EnvironmentState): Promise<boolean> {
    const newer = await journal.read(state.seq).catch((error: unknown) => {
      if (error instanceof OperatingError) return []
      throw error
    })
    return newer.length > 0
  }

  return {
    stepChanged() {
      lastTickMs = clock.monotonicMs()
    },
    async next(state) {
      for (;;) {
        const result = background.take()
        if (result) {
          lookNow = true
          if (!result.result) return { input: 'superseded', snapshot }
          forget(result.effect)
          return { input: { kind: 'effectResult', id: result.id, result: result.result }, snapshot }
        }
        // What is queued starts before anything else is asked for.
        const isNext = state.queued !== null && !state.release
        const [posted] = isNext ? [] : await journal.commands(state.lastCommandId)
        if (posted) {
          lookNow = true
          const { id, actor, command, at } = posted
          return { input: { kind: 'command', commandId: id, actor, command, at }, snapshot }
        }
        const now = clock.monotonicMs()
        const isIdle = !state.release && !state.queued
        idleSinceMs = isIdle ? (idleSinceMs ?? now) : null
        if (idleSinceMs !== null && now - idleSinceMs >= options.idleMs) return { input: 'idle', snapshot }
        const periodMs = isEager(state) ? EAGER_MS : CALM_MS
        if (!isIdle && (lookNow || now - lastTickMs >= periodMs)) {
          lookNow = false
          if (await isSuperseded(state)) return { input: 'superseded', snapshot }
          return tick(state)
        }
        if (background.mayStop()) return { input: 'idle', snapshot }
        if (wake.signal.aborted) wake = new AbortController()
        await clock.sleep(INBOX_MS, wake.signal)
      }
    },
  }
}

function withoutSlotOf(services: Snapshot['services'], effect: Effect): Snapshot['services'] {
  const slot = effect.kind === 'retire' ? effect.slot : 'placement' in effect ? effect.placement.slot : null
  const facts = 'service' in effect ? services[effect.service] : undefined
  if (slot === null || !facts || !('service' in effect)) return services
  const { [slot]: _, ...slots } = facts.slots
  return { ...services, [effect.service]: { ...facts, slots } }
}

function isEager(state: EnvironmentState): boolean {
  const step = state.release && currentStep(state.release)
  return step !== null && step?.kind !== 'analyse' && step?.kind !== 'keep' && step?.kind !== 'approve'
}
