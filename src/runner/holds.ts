// Tells the webhook when a release holds and only a person can move it. That is no step of a plan, so it is done beside
// the loop: at least once for each hold, again after a restart of the runner, always with the same Idempotency-Key.
import type { Notification } from '../effects/ports/messages.ts'
import type { EnvironmentState } from '../engine/state.ts'
import { currentStep } from '../engine/state.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { World } from './perform.ts'

/** A receiver that accepts nothing is asked again. */
const AGAIN_MS = 30_000

export interface Holds {
  /** Called whenever something may have changed, and again and again while a release holds. */
  follow(state: EnvironmentState): void
}

export function createHolds({
  notifierFor,
  nowMs,
  signal,
}: Pick<World, 'notifierFor'> & { nowMs: () => number; signal: AbortSignal }): Holds {
  let key: string | null = null
  let dueAtMs = 0

  function tell(webhook: string, message: Notification): void {
    dueAtMs = Number.POSITIVE_INFINITY
    notifierFor(webhook)
      .notify(message, signal)
      .catch((error: unknown) => {
        if (signal.aborted) return
        if (!(error instanceof OperatingError)) throw error
        dueAtMs = nowMs() + AGAIN_MS
      })
  }

  return {
    follow({ release }) {
      const wait = release?.wait?.needsPerson ? release.wait : null
      const webhook = release?.plan.back.webhook ?? null
      if (!release || !wait || webhook === null) return
      const { environment, version } = release.plan
      const { id, direction } = release
      const step = currentStep(release)?.id ?? 'end'
      const idempotencyKey = `${environment}/${id}/${direction}/${step}/held`
      if (key !== idempotencyKey) dueAtMs = 0
      key = idempotencyKey
      if (nowMs() < dueAtMs) return
      const text = `${environment}: ${version} waits for a person: ${wait.blocker}; next: ${wait.next}`
      const data = { environment, release: id, version, direction, step, reason: wait.blocker, next: wait.next }
      tell(webhook, { event: 'held', idempotencyKey, text, data })
    },
  }
}
