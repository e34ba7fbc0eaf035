// Watching a release: a live view on a terminal, a line per event in a log; for programs one document at the end, or
// NDJSON where events were asked for. Leaving it leaves the release alone, or ends the runner where that is here.
import { exitCodes } from '../../errors/catalogue.ts'
import type { Context } from '../../verbs/context.ts'
import { type End, endOf, type Followed, follow } from '../../verbs/follow.ts'
import { status } from '../../verbs/status.ts'
import { statusReport } from '../projections/status-report.ts'
import { decisionInWords } from '../projections/timeline.ts'
import { eventJson, eventLine } from './event-lines.ts'
import { watchForLeaving } from './leaving.ts'
import { createLiveView, type LiveView } from './live-view.ts'
import type { Output } from './output.ts'

export interface WatchOptions {
  /** Release to watch, or `next` for the one that starts after `afterSeq`. */
  readonly release: string
  /** Records up to here are known already. */
  readonly afterSeq: number
  /** Whether going back is what was asked for, so that it ends well. */
  readonly wantsBack: boolean
  /** With --json: every event on a line of its own, and not one document at the end. */
  readonly events?: boolean
}

/** The release that starts after the known records. */
export const NEXT = 'next'
const REDRAW_MS = 500

/** @returns the exit code */
export async function watchRelease(context: Context, output: Output, options: WatchOptions): Promise<number> {
  const screen = output.isTerminal ? terminalScreen(context, output) : plainScreen(output, options.events ?? false)
  const leaving = watchForLeaving(context, output)
  let end: End | null = null
  let release = options.release === NEXT ? null : options.release
  try {
    for await (const followed of follow(context, options.afterSeq, leaving.left)) {
      if (leaving.isAsked()) {
        await screen.close()
        await leaving.answer()
      }
      await screen.show(followed)
      if (followed.kind !== 'record') continue
      const { body } = followed.record
      if (body.kind === 'releaseStarted') release ??= body.release
      if (release) end = endOf(followed, release)
      // Where the runner is here, it waits for the person too.
      const isOver = end?.kind === 'outcome' || (end !== null && !output.canAsk && !context.host.ownRunner?.isRunning())
      if (isOver) break
    }
  } finally {
    await screen.close()
  }
  if (!options.events) output.document({ release, ...endDocument(end) })
  const name = release ?? 'the release'
  if (leaving.left.aborted && context.host.ownRunner) {
    output.line(`${name} is not watched by anybody now. Go on with: moodify resume; go back with: moodify rollback`)
    return exitCodes.interrupted.code
  }
  return conclude(output, { release: name, wantsBack: options.wantsBack }, end)
}

/** `outcome` is null for a release that has not ended: it waits for a person, or the view was left. */
function endDocument(end: End | null): { outcome: string | null; reason: string } {
  if (end?.kind === 'outcome') return { outcome: end.outcome, reason: end.reason }
  return { outcome: null, reason: end ? 'it waits for a person' : 'the view was left' }
}

function conclude(
  output: Output,
  { release, wantsBack }: Pick<WatchOptions, 'release' | 'wantsBack'>,
  end: End | null,
): number {
  if (end === null) {
    output.line('You have left the view; the release goes on by itself. Come back with: moodify status -w')
    return exitCodes.interrupted.code
  }
  if (end.kind === 'needs-person') {
    output.line(`${release} waits for a person; see it with: moodify status`)
    return exitCodes.unknown.code
  }
  output.line(`${release} ${end.outcome}: ${end.reason}`)
  const asWanted = end.outcome === 'released' || wantsBack
  return asWanted ? exitCodes.released.code : exitCodes.rolledBack.code
}

interface Screen {
  show(followed: Followed): Promise<void>
  /** Gives the terminal back; what is shown later opens it again. */
  close(): Promise<void>
}

function plainScreen(output: Output, events: boolean): Screen {
  return {
    async show(followed) {
      if (followed.kind !== 'record') return
      if (output.json && events) process.stdout.write(`${eventJson(followed.record)}\n`)
      else if (decisionInWords(followed.record) !== null) output.line(eventLine(followed.record))
    },
    async close() {},
  }
}

function terminalScreen(context: Context, output: Output): Screen {
  let view: LiveView | null = null
  let drawnMs = Number.NEGATIVE_INFINITY
  const draw = async () => {
    drawnMs = context.clock.monotonicMs()
    const report = statusReport(await status(context))
    view ??= createLiveView({ stream: process.stdout, style: output.style })
    view.update(report)
  }
  return {
    async show(followed) {
      if (followed.kind === 'record' || context.clock.monotonicMs() - drawnMs >= REDRAW_MS) await draw()
    },
    async close() {
      await draw().catch(() => {})
      view?.close()
      view = null
    },
  }
}
