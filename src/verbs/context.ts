import type { Config, EnvironmentConfig } from '../config/config.ts'
import type { Actor } from '../domain/names.ts'
import type { Clock } from '../effects/ports/clock.ts'
import type { Host, Versions } from '../effects/ports/host.ts'
import type { Platform, SmokeRequest, SmokeResult } from '../effects/ports/platform.ts'
import type { Preview } from '../effects/ports/preview.ts'
import { fold } from '../engine/evolve.ts'
import type { JournalRecord } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'
import { type Journal, JournalDamaged } from '../journal/journal.ts'

/** What every verb works with: one environment of one project. `compose.ts` makes it. */
export interface Context {
  readonly config: Config
  readonly environment: EnvironmentConfig
  readonly journal: Journal
  readonly platform: Platform
  readonly host: Host
  readonly versions: Versions
  /** Where the platform applies objects. */
  readonly preview?: Preview
  /** Sends smoke tests to any address. */
  readonly smokeUrl: (url: string, tests: readonly SmokeRequest[]) => Promise<readonly SmokeResult[]>
  readonly clock: Clock
  readonly actor: Actor
}

/** What a plan has to keep to. */
export async function whatThePlatformCan({ platform }: Context) {
  await platform.open?.()
  return platform.workloads.capabilities
}

/** The state, and the records of the newest release and since. */
export async function readState(
  context: Context,
): Promise<{ state: EnvironmentState; records: readonly JournalRecord[] }> {
  const { base, records } = await context.journal.newest()
  return { state: fold(records, base.state), records }
}

/**
 * For looking only: with a damaged journal what it said before the damage, and what is damaged. Whoever is on call
 * must see the rest all the same.
 */
export async function readWhatIsWhole(
  context: Context,
): Promise<{ state: EnvironmentState; records: readonly JournalRecord[]; damage: string | null }> {
  try {
    return { ...(await readState(context)), damage: null }
  } catch (error) {
    if (!(error instanceof JournalDamaged)) throw error
    return { state: fold(error.whole, error.base.state), records: error.whole, damage: error.message }
  }
}

/** All records that are kept, for looking; with a damaged journal those before the damage. */
export async function readHistory(
  context: Context,
): Promise<{ records: readonly JournalRecord[]; damage: string | null }> {
  try {
    return { records: await context.journal.read(), damage: null }
  } catch (error) {
    if (!(error instanceof JournalDamaged)) throw error
    return { records: error.whole, damage: error.message }
  }
}
