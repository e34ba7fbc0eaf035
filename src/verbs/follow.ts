// Watching a release from outside: a viewer can come and go, the release does not notice.
import { evolve, fold } from '../engine/evolve.ts'
import type { JournalRecord } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'
import type { Outcome } from '../plan/plan.ts'
import type { Context } from './context.ts'

const LOOK_MS = 100
const ENSURE_MS = 2000

export type Followed =
  | { readonly kind: 'record'; readonly record: JournalRecord; readonly state: EnvironmentState }
  /** Nothing new; time to look at the platform again. */
  | { readonly kind: 'quiet'; readonly state: EnvironmentState }

/** Records after `afterSeq` as they come, until the caller stops. */
export async function* follow(context: Context, afterSeq: number, signal: AbortSignal): AsyncGenerator<Followed> {
  const { journal, clock, host, environment } = context
  const { base, records } = await journal.newest(afterSeq)
  const seen = records.filter((record) => record.seq <= afterSeq)
  let state = fold(seen, base.state)
  let ensuredMs = clock.monotonicMs()
  while (!signal.aborted) {
    for (const record of await journal.read(state.seq)) {
      state = evolve(state, record)
      yield { kind: 'record', record, state }
    }
    yield { kind: 'quiet', state }
    if (state.release && clock.monotonicMs() - ensuredMs >= ENSURE_MS) {
      ensuredMs = clock.monotonicMs()
      await host.ensureRunner(environment.name).catch(() => {})
    }
    await clock.sleep(LOOK_MS, signal)
  }
}

/** How a watched release ended, or that it waits for a person. */
export type End =
  | { readonly kind: 'outcome'; readonly outcome: Outcome; readonly reason: string }
  | { readonly kind: 'needs-person' }

/** Tells from one record whether the watched release has reached its end for a viewer. */
export function endOf({ record, state }: Extract<Followed, { kind: 'record' }>, release: string): End | null {
  if (record.release !== release) return null
  const { body, reason } = record
  if (body.kind === 'outcomeReached' && body.outcome === 'released')
    return { kind: 'outcome', outcome: 'released', reason }
  if (body.kind === 'releaseEnded') {
    return { kind: 'outcome', outcome: body.outcome, reason: state.last?.cause?.reason ?? reason }
  }
  return body.kind === 'waiting' && body.wait?.needsPerson ? { kind: 'needs-person' } : null
}
