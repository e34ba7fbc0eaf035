import type { Config, EnvironmentConfig } from '../config/config.ts'
import type { Actor } from '../domain/names.ts'
import type { Clock } from '../effects/ports/clock.ts'
import type { Host, Versions } from '../effects/ports/host.ts'
import type { Platform } from '../effects/ports/platform.ts'
import { fold } from '../engine/evolve.ts'
import type { JournalRecord } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'
import type { Journal } from '../journal/journal.ts'

/** What every verb works with: one environment of one project. `compose.ts` makes it. */
export interface Context {
  readonly config: Config
  readonly environment: EnvironmentConfig
  readonly journal: Journal
  readonly platform: Platform
  readonly host: Host
  readonly versions: Versions
  readonly clock: Clock
  readonly actor: Actor
}

export async function readState(
  context: Context,
): Promise<{ state: EnvironmentState; records: readonly JournalRecord[] }> {
  const records = await context.journal.read()
  return { state: fold(records), records }
}
