import { type ProfileName, profiles, type Settings } from '../config/config.ts'
import type { Command } from '../engine/record.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { Plan } from '../plan/plan.ts'
import { makePlan } from '../plan/planner.ts'
import { type Context, readState, whatThePlatformCan } from './context.ts'
import { rolesNow } from './roles.ts'

export interface DeployOptions {
  readonly version: string
  readonly strategy?: 'blue-green' | 'canary' | 'rolling'
  readonly monitorSeconds?: number
  readonly weights?: readonly number[]
  readonly profile?: ProfileName
  readonly supersede?: boolean
  readonly again?: boolean
}

/**
 * The plan of a release, or null when the version is already live.
 *
 * @throws OperatingError UNKNOWN_VERSION, BAD_FLAG
 */
export async function planDeploy(context: Context, options: DeployOptions): Promise<Plan | null> {
  const { config, environment } = context
  const strategy = options.strategy ?? (options.weights || options.profile ? 'canary' : environment.strategy)
  if ((options.weights || options.profile) && strategy !== 'canary') {
    throw new OperatingError(
      'BAD_FLAG',
      `--weights and --profile belong to canary, not to ${strategy}`,
      'moodify deploy --help',
    )
  }
  const revisions = await context.versions.revisions(config, options.version)
  const { state } = await readState(context)
  const can = await whatThePlatformCan(context)
  const { current, notes } = await rolesNow(context, state)
  const changed = Object.entries(revisions).filter(
    ([service, revision]) => options.again || current[service]?.stable?.revision.id !== revision.id,
  )
  if (changed.length === 0) return null
  return makePlan({
    config,
    environment: environment.name,
    version: options.version,
    strategy,
    revisions: Object.fromEntries(changed),
    current,
    ...can,
    notes,
    settings: withOptions(environment.settings, options),
  })
}

export function deployCommand(plan: Plan, { supersede = false, again = false }: DeployOptions): Command {
  return { verb: 'deploy', plan, supersede, again }
}

/** What the command line changes for this release alone. */
function withOptions(settings: Settings, { weights, profile, monitorSeconds }: DeployOptions): Settings {
  const named = profile ? profiles[profile] : null
  const monitorMs = monitorSeconds === undefined ? null : monitorSeconds * 1000
  return {
    ...settings,
    canary: {
      ...settings.canary,
      profile: profile ?? settings.canary.profile,
      weights: weights ?? named?.weights ?? settings.canary.weights,
      stageMs: monitorMs ?? named?.stageMs ?? settings.canary.stageMs,
    },
    blueGreen: { ...settings.blueGreen, monitorMs: monitorMs ?? settings.blueGreen.monitorMs },
    rolling: { ...settings.rolling, monitorMs: monitorMs ?? settings.rolling.monitorMs },
  }
}
