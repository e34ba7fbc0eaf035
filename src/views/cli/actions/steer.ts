import type { RollbackTarget } from '../../../engine/record.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import { type Context, readState } from '../../../verbs/context.ts'
import { retryCommand } from '../../../verbs/retry.ts'
import { rollbackCommand } from '../../../verbs/rollback.ts'
import type { Output } from '../output.ts'
import { watchRelease } from '../watch-release.ts'
import { announceAndSend, type CommonFlags, type Compose, inEnvironment, watchUnlessDetached } from './common.ts'

export const controlAction = (compose: Compose, verb: 'promote' | 'pause' | 'continue' | 'abort') =>
  inEnvironment<CommonFlags>(compose, async (context, output, flags) => {
    // Only abort throws something away; the others can be taken back.
    const sure = verb === 'abort' ? flags : { ...flags, yes: true }
    const { afterSeq, answer } = await announceAndSend(context, output, sure, { verb })
    if (verb === 'abort') return watchUnlessDetached(context, output, flags, { afterSeq, wantsBack: true })
    if (await isWatchedHere(context)) return watchOn(context, output)
    output.document({ verb, answer })
    output.line('Done. Watch it with: moodify status -w')
    return 0
  })

interface LockFlags extends CommonFlags {
  readonly reason?: string
  /** Milliseconds. */
  readonly for?: number
}

export const lockAction = (compose: Compose) =>
  inEnvironment<LockFlags>(compose, async (context, output, flags) => {
    const now = Temporal.Instant.from(context.clock.wall())
    const until = flags.for === undefined ? null : now.add({ milliseconds: flags.for }).toString()
    const command = { verb: 'lock', reason: flags.reason ?? null, until } as const
    const { answer } = await announceAndSend(context, output, { ...flags, yes: true }, command)
    output.document({ verb: 'lock', until, answer })
    output.line('It is locked. End it with: moodify unlock')
    return (await isWatchedHere(context)) ? watchOn(context, output) : 0
  })

export const unlockAction = (compose: Compose) =>
  inEnvironment<CommonFlags>(compose, async (context, output, flags) => {
    const { answer } = await announceAndSend(context, output, { ...flags, yes: true }, { verb: 'unlock' })
    output.document({ verb: 'unlock', answer })
    output.line('It is unlocked.')
    return (await isWatchedHere(context)) ? watchOn(context, output) : 0
  })

export const retryAction = (compose: Compose) =>
  inEnvironment<CommonFlags>(compose, async (context, output, flags) => {
    const { afterSeq } = await announceAndSend(context, output, flags, await retryCommand(context))
    return watchUnlessDetached(context, output, flags, { afterSeq, wantsBack: false })
  })

interface RollbackFlags extends CommonFlags {
  readonly to: RollbackTarget
  readonly version?: string
}

export const rollbackAction = (compose: Compose) =>
  inEnvironment<RollbackFlags>(compose, async (context, output, flags) => {
    const command = await rollbackCommand(context, flags)
    const { afterSeq } = await announceAndSend(context, output, flags, command)
    return watchUnlessDetached(context, output, flags, { afterSeq, wantsBack: true })
  })

interface ResumeFlags extends CommonFlags {
  readonly done?: string
  readonly redo?: string
}

export const resumeAction = (compose: Compose) =>
  inEnvironment<ResumeFlags>(compose, async (context, output, flags) => {
    if (flags.done && flags.redo) {
      throw new OperatingError('BAD_FLAG', '--done and --redo exclude each other', 'moodify resume --help')
    }
    const hook = flags.done ?? flags.redo
    if (hook) {
      const command = { verb: 'resolve', hook, as: flags.done ? 'done' : 'redo' } as const
      const { afterSeq } = await announceAndSend(context, output, { ...flags, yes: true }, command)
      return watchUnlessDetached(context, output, flags, { afterSeq, wantsBack: false })
    }
    if (!(await readState(context)).state.release) {
      output.document({ runner: 'not needed' })
      output.line('No release runs; there is nothing to resume.')
      return 0
    }
    await context.host.ensureRunner(context.environment.name)
    // A runner that was killed elsewhere may seem to live for some seconds: this command stays, and takes over then.
    const staysHere = context.host.ownRunner !== undefined && (await readState(context)).state.release !== null
    if (staysHere) return watchOn(context, output)
    output.document({ runner: 'ensured' })
    output.line('A runner watches this environment. See what it does with: moodify status -w')
    return 0
  })

/** To steer a release that nobody watched, this command has become its runner: leaving now would leave it alone again. */
async function isWatchedHere(context: Context): Promise<boolean> {
  if (!context.host.ownRunner?.isRunning()) return false
  return (await readState(context)).state.release !== null
}

async function watchOn(context: Context, output: Output): Promise<number> {
  const { state } = await readState(context)
  const { id, direction } = state.release!
  return watchRelease(context, output, { release: id, afterSeq: state.seq, wantsBack: direction === 'back' })
}
