// A command goes into the journal's inbox; the runner takes it and its answer is a record.
import { admit } from '../engine/admission.ts'
import type { Command, JournalRecord } from '../engine/record.ts'
import { OperatingError } from '../errors/catalogue.ts'
import { type Context, readState } from './context.ts'

const ANSWER_MS = 15_000
const LOOK_MS = 25
const ENSURE_MS = 1000
/** A runner that has not taken the command by then hangs, and another one takes over. */
const HANGS_MS = 4000

export interface Sent {
  readonly commandId: number
  /** What the runner said it will do. */
  readonly answer: string
  readonly record: JournalRecord
}

/** What a command would do now. @throws OperatingError REFUSED with the reason and the next command */
export async function preview(context: Context, command: Command): Promise<string> {
  const { state } = await readState(context)
  const admission = admit(state, command, context.clock.wall())
  if (admission.allowed) return admission.will
  throw new OperatingError('REFUSED', admission.because, admission.next)
}

/**
 * Sends a command and waits until the runner has taken it; one that is not taken in time is withdrawn.
 *
 * @param onPosted  called once the command is there to be taken
 * @throws OperatingError REFUSED, PLATFORM_DOWN, or PLATFORM_FAILED when no runner takes it in time
 */
export async function send(context: Context, command: Command, onPosted: () => void = () => {}): Promise<Sent> {
  await preview(context, command)
  const { journal, host, environment } = context
  if (!(await host.facts(environment.name))) {
    throw new OperatingError(
      'PLATFORM_DOWN',
      'the platform of this folder is not running; nothing was sent',
      'moodify up',
    )
  }
  if (command.verb === 'deploy') await host.applyConfig()
  const { state } = await readState(context)
  const commandId = await journal.post(command, context.actor)
  onPosted()
  let record: JournalRecord | null = null
  try {
    record = await untilTaken(context, commandId, state.seq)
  } finally {
    // What nobody waits for any more must not be carried out hours later.
    if (!record) await journal.withdraw(commandId).catch(() => {})
  }
  record ??= await findAnswer(context, commandId, state.seq)
  if (record) return answered(record, commandId)
  throw new OperatingError(
    'PLATFORM_FAILED',
    `no runner took the command in ${ANSWER_MS / 1000} s; it was withdrawn and nothing was done`,
    'moodify doctor',
  )
}

async function untilTaken(context: Context, commandId: number, afterSeq: number): Promise<JournalRecord | null> {
  const { host, clock, environment } = context
  const startedMs = clock.monotonicMs()
  let ensuredMs = Number.NEGATIVE_INFINITY
  let replaced = false
  while (clock.monotonicMs() - startedMs < ANSWER_MS) {
    if (clock.monotonicMs() - ensuredMs >= ENSURE_MS) {
      const replace: boolean = !replaced && clock.monotonicMs() - startedMs >= HANGS_MS
      await host.ensureRunner(environment.name, { replace })
      replaced ||= replace
      ensuredMs = clock.monotonicMs()
    }
    const record = await findAnswer(context, commandId, afterSeq)
    if (record) return record
    await clock.sleep(LOOK_MS)
  }
  return null
}

async function findAnswer({ journal }: Context, commandId: number, afterSeq: number): Promise<JournalRecord | null> {
  const records = await journal.read(afterSeq)
  return records.find(({ body }) => body.kind === 'commanded' && body.commandId === commandId) ?? null
}

function answered(record: JournalRecord, commandId: number): Sent {
  const isRefused = record.body.kind === 'commanded' && !record.body.accepted
  if (isRefused) throw new OperatingError('REFUSED', record.reason, 'moodify status')
  return { commandId, answer: record.reason, record }
}
