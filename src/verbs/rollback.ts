import type { ServiceName } from '../domain/names.ts'
import type { Revision } from '../domain/revision.ts'
import type { Command, RollbackTarget } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'
import { OperatingError } from '../errors/catalogue.ts'
import { makePlan } from '../plan/planner.ts'
import { type Context, readState, whatThePlatformCan } from './context.ts'
import { rolesNow } from './roles.ts'

export interface RollbackOptions {
  readonly to: RollbackTarget
  readonly version?: string
}

/** The command that a rollback is, with the plan for when no release runs. */
export async function rollbackCommand(context: Context, options: RollbackOptions): Promise<Command> {
  if (options.to === 'version' && !options.version) {
    throw new OperatingError(
      'BAD_FLAG',
      'rollback -t version needs the version',
      'moodify rollback -t version -v VERSION',
    )
  }
  if (options.version && options.to !== 'version') {
    throw new OperatingError(
      'BAD_FLAG',
      `-v belongs to -t version, not to -t ${options.to}`,
      `moodify rollback -t version -v ${options.version}`,
    )
  }
  const { state } = await readState(context)
  const can = await whatThePlatformCan(context)
  const { current, notes, others } = await rolesNow(context, state)
  const targets = options.version ? await namedRevisions(context, options.version) : revisionsBefore(state, others)
  if (Object.keys(targets).length === 0) return { verb: 'rollback', to: options.to, plan: null }
  const plan = makePlan({
    config: context.config,
    environment: context.environment.name,
    version: options.version ?? Object.values(targets)[0]!.version,
    strategy: options.to === 'rolling' ? 'rollback-in-place' : 'rollback',
    revisions: targets,
    current,
    notes,
    ...can,
    settings: context.environment.settings,
  })
  return { verb: 'rollback', to: options.to, plan }
}

/** What the last release replaced, service by service; without a journal what else stands on the platform. */
function revisionsBefore(
  state: EnvironmentState,
  others: Readonly<Record<ServiceName, Revision>>,
): Readonly<Record<ServiceName, Revision>> {
  const before = replaced(state)
  return Object.keys(before).length > 0 ? before : others
}

function replaced(state: EnvironmentState): Record<ServiceName, Revision> {
  const services = state.lastReleased?.plan.members.map((member) => member.service) ?? []
  const found = services.flatMap((service) => {
    const previous = state.services[service]?.previous
    return previous ? [[service, previous.revision] as const] : []
  })
  return Object.fromEntries(found)
}

/** The revisions that ran under this name before; else made anew from the version. */
async function namedRevisions(context: Context, version: string): Promise<Readonly<Record<ServiceName, Revision>>> {
  const records = await context.journal.read()
  const plans = records.flatMap(({ body }) =>
    body.kind === 'releaseStarted' && body.plan.version === version ? [body.plan] : [],
  )
  const known = plans.flatMap((plan) => plan.members.map((member) => [member.service, member.to.revision] as const))
  return known.length > 0 ? Object.fromEntries(known) : context.versions.revisions(context.config, version)
}
