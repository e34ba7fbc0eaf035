import type { Command } from '../engine/record.ts'
import { makePlan } from '../plan/planner.ts'
import { type Context, readState, whatThePlatformCan } from './context.ts'
import { rolesNow } from './roles.ts'

/** Tries a failed step again now; when the last release failed as a whole, ships the same once more. */
export async function retryCommand(context: Context): Promise<Command> {
  const { state } = await readState(context)
  const { last } = state
  if (state.release || !last || last.outcome === 'released') return { verb: 'retry', plan: null }
  const { strategy, version, members } = last.plan
  const plan = makePlan({
    config: context.config,
    environment: context.environment.name,
    version,
    strategy: strategy === 'first' ? context.environment.strategy : strategy,
    revisions: Object.fromEntries(members.map((member) => [member.service, member.to.revision])),
    ...(await rolesNow(context, state)),
    ...(await whatThePlatformCan(context)),
    settings: context.environment.settings,
  })
  return { verb: 'retry', plan }
}
