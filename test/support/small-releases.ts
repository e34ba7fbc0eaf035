// Releases as a journal sees them: a few records each, and a seal at the end.
import type { Actor } from '../../src/domain/names.ts'
import { fold } from '../../src/engine/evolve.ts'
import type { Decision, RecordBody } from '../../src/engine/record.ts'
import type { EnvironmentState } from '../../src/engine/state.ts'
import type { Journal } from '../../src/journal/journal.ts'
import type { Plan } from '../../src/plan/plan.ts'

export const ana: Actor = { kind: 'person', name: 'ana' }

export function decisionOf(body: RecordBody, reason: string = body.kind): Decision {
  return { body, reason, actor: ana }
}

export interface Writer {
  readonly epoch: number
  readonly state: EnvironmentState
}

/** Takes a journal over, with the state that it has. */
export async function takeOver(journal: Journal): Promise<Writer> {
  const epoch = await journal.takeEpoch({ name: 'pid 1 on here', moodify: '0.1.0' })
  const { base, records } = await journal.newest()
  return { epoch, state: fold(records, base.state) }
}

export async function append(journal: Journal, writer: Writer, ...decisions: Decision[]): Promise<Writer> {
  const { epoch, state } = writer
  const started = decisions.find(({ body }) => body.kind === 'releaseStarted')?.body
  const release = state.release?.id ?? (started?.kind === 'releaseStarted' ? started.release : null)
  const records = await journal.append(decisions, { epoch, seq: state.seq, release })
  return { epoch, state: fold(records, state) }
}

/** A release that starts, counts one tick, takes one command, and has not ended. */
export async function start(journal: Journal, writer: Writer, text = ''): Promise<Writer> {
  const release = `r-${writer.state.releaseCount + 1}`
  const plan = { version: `v${writer.state.releaseCount + 1}`, strategy: 'canary', members: [], steps: [], text }
  const commandId = await journal.post({ verb: 'pause' }, ana)
  const counts = { requests: 10, failures: 1, latency: [9, 1] }
  await journal.saveSample({ release, service: 'backend', step: 's', atMs: 5, candidate: counts, control: null })
  return append(
    journal,
    writer,
    decisionOf({ kind: 'commanded', commandId, command: { verb: 'deploy' }, accepted: true }),
    decisionOf({ kind: 'releaseStarted', release, plan: plan as unknown as Plan }),
    decisionOf({ kind: 'paused' }),
    decisionOf({ kind: 'continued' }),
  )
}

/** One release from its start to its seal. */
export async function ship(journal: Journal, writer: Writer, text = ''): Promise<Writer> {
  const started = await start(journal, writer, text)
  const ended = await append(
    journal,
    started,
    decisionOf({ kind: 'outcomeReached', outcome: 'released' }),
    decisionOf({ kind: 'releaseEnded', outcome: 'released' }),
  )
  await journal.seal(ended.state)
  return ended
}

export async function shipMany(journal: Journal, writer: Writer, count: number): Promise<Writer> {
  let last = writer
  for (let index = 0; index < count; index++) last = await ship(journal, last)
  return last
}

/** What a reader makes of it. */
export async function stateIn(journal: Journal): Promise<EnvironmentState> {
  const { base, records } = await journal.newest()
  return fold(records, base.state)
}
