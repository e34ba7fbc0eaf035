import type { Command } from '../../../engine/record.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import type { Context } from '../../../verbs/context.ts'
import { readState } from '../../../verbs/context.ts'
import { preview, send } from '../../../verbs/send.ts'
import { confirm } from '../ask.ts'
import { sayWhenInterrupted } from '../leaving.ts'
import { createOutput, type Output, printHeader } from '../output.ts'
import { NEXT, watchRelease } from '../watch-release.ts'

export type Compose = (
  folder: string,
  environment?: string,
  options?: { readonly inCluster?: string | true },
) => Context

export interface CommonFlags {
  readonly environment?: string
  readonly json?: boolean
  readonly yes?: boolean
  readonly force?: boolean
  readonly detach?: boolean
  /** The runner is a Job in the cluster, with this image. */
  readonly inCluster?: string | true
}

/** Opens the environment, prints the first line, and closes the journal whatever happens. */
export function inEnvironment<Flags extends CommonFlags>(
  compose: Compose,
  action: (context: Context, output: Output, flags: Flags, ...args: string[]) => Promise<number>,
): (flags: Flags, ...args: string[]) => Promise<number> {
  return async (flags, ...args) => {
    const output = createOutput(flags)
    const context = compose(process.cwd(), flags.environment, flags)
    try {
      await printHeader(context, output)
      return await action(context, output, flags, ...args)
    } finally {
      await context.host.ownRunner?.stop()
      context.journal.close()
      context.platform.close?.()
    }
  }
}

/** Asks on a terminal; elsewhere what was typed is what is meant, so that nothing ever hangs. */
export async function askUnlessSure(output: Output, flags: CommonFlags, question: string): Promise<void> {
  if (flags.yes || flags.force || !output.canAsk) return
  if (await confirm(question, { input: process.stdin, output: process.stdout })) return
  throw new OperatingError('NOT_CONFIRMED', 'Not confirmed; nothing was changed.', 'type the command again with --yes')
}

/** Says what a command will do, asks, sends it. Returns the seq up to which everything was known before. */
export async function announceAndSend(
  context: Context,
  output: Output,
  flags: CommonFlags,
  command: Command,
): Promise<{ afterSeq: number; answer: string }> {
  if (flags.detach && context.host.ownRunner) {
    throw new OperatingError(
      'BAD_FLAG',
      'on this platform the command itself watches the release, so it cannot be detached; nothing was sent',
      'type the command again without --detach',
    )
  }
  const will = await preview(context, command)
  output.line(`will ${will}`)
  await askUnlessSure(output, flags, 'Do it?')
  if (context.host.startRunner) {
    output.line('The runner starts in the cluster.')
    await context.host.startRunner()
  }
  const { state } = await readState(context)
  const { answer } = await send(context, command, () => sayWhenInterrupted(context, output))
  return { afterSeq: state.seq, answer }
}

/** Watches the release that a command started or steers, or says where to look when detached. */
export async function watchUnlessDetached(
  context: Context,
  output: Output,
  flags: CommonFlags,
  options: { afterSeq: number; wantsBack: boolean; events?: boolean },
): Promise<number> {
  const release = await releaseAfter(context, options.afterSeq)
  if (flags.detach || !release) {
    output.document({ release })
    output.line(release ? 'It goes on by itself. Watch it with: moodify status -w' : 'Nothing is left to do.')
    return 0
  }
  return watchRelease(context, output, { release, ...options })
}

/** The release that a command steers or has started; `next` when it starts once another has ended. */
async function releaseAfter(context: Context, afterSeq: number): Promise<string | null> {
  const { state } = await readState(context)
  const since = await context.journal.read(afterSeq)
  const started = since.find(({ body }) => body.kind === 'releaseStarted')
  return started?.release ?? (state.queued ? NEXT : (state.release?.id ?? null))
}
