// Ctrl-C and SIGTERM while a release is watched. Where the platform keeps the runner, they only leave the view. Where
// the runner is this very process, leaving would leave the release unwatched: a person is asked, and where nobody can
// be asked the version before comes back first.
import { exitCodes } from '../../errors/catalogue.ts'
import type { Context } from '../../verbs/context.ts'
import { send } from '../../verbs/send.ts'
import { choose } from './ask.ts'
import type { Output } from './output.ts'

let lastWords: (() => never) | null = null

/** From here on Ctrl-C says what has become of a command that was sent, until the release is watched. */
export function sayWhenInterrupted(context: Context, output: Output): void {
  lastWords = () => {
    const next = context.host.ownRunner ? 'Nobody watches it now. Go on with: moodify resume' : 'It goes on by itself'
    output.line(`The command was sent and is not taken back. ${next}; see what it does with: moodify status -w`)
    process.exit(exitCodes.interrupted.code)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, lastWords)
}

export interface Leaving {
  /** Aborted when the view is to end. */
  readonly left: AbortSignal
  /** Somebody has typed Ctrl-C and is to be asked. */
  isAsked(): boolean
  answer(): Promise<void>
}

export function watchForLeaving(context: Context, output: Output): Leaving {
  const leave = new AbortController()
  let isAsked = false
  let isGoingBack = false

  async function goBack(): Promise<void> {
    isGoingBack = true
    output.line('The version before comes back; this command ends when it has. Again to leave it unwatched.')
    await send(context, { verb: 'abort' }).catch((error: unknown) => {
      output.line(`That could not be asked for: ${(error as Error).message}`)
      leave.abort()
    })
  }

  if (lastWords) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, lastWords)
  // Left in place to the end: a terminal and a launcher may both send the signal, and the last words must be said.
  process.on('SIGINT', () => {
    if (!context.host.ownRunner?.isRunning() || isGoingBack) leave.abort()
    else if (output.canAsk) isAsked = true
    else void goBack()
  })
  process.on('SIGTERM', () => {
    if (!context.host.ownRunner?.isRunning() || isGoingBack) leave.abort()
    else void goBack()
  })

  return {
    left: leave.signal,
    isAsked: () => isAsked,
    async answer() {
      isAsked = false
      const question =
        'The release is watched by this command. Keep watching, go back to the version before, or leave it? [K/b/l]'
      const choice = await choose(question, ['keep', 'back', 'leave'], { input: process.stdin, output: process.stdout })
      if (choice === 'back') await goBack()
      if (choice === 'leave') leave.abort()
    },
  }
}
