// The log of a runner that nobody looks at: the same lines that a watching command prints.
import { type Context, readState } from '../../verbs/context.ts'
import { decisionInWords } from '../projections/timeline.ts'
import { eventLine } from './event-lines.ts'

const LOOK_MS = 500

/** Prints what is decided from now on, and at the end what is left. What cannot be read is printed later. */
export async function printEvents(context: Context, signal: AbortSignal): Promise<void> {
  let seq: number | null = null
  for (;;) {
    const isLast = signal.aborted
    seq = await printSince(context, seq).catch(() => seq)
    if (isLast) return
    await context.clock.sleep(LOOK_MS, signal)
  }
}

async function printSince(context: Context, seq: number | null): Promise<number> {
  if (seq === null) return (await readState(context)).state.seq
  const records = await context.journal.read(seq)
  for (const record of records) {
    if (decisionInWords(record) !== null) process.stdout.write(`${eventLine(record)}\n`)
  }
  return records.at(-1)?.seq ?? seq
}
