import type { Snapshot } from '../domain/snapshot.ts'
import type { Verdict } from '../domain/verdict.ts'
import type { JournalRecord } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'
import { type Context, readWhatIsWhole } from './context.ts'
import { type RecentCells, recentCells } from './recent-cells.ts'

/** Rates are those of the last seconds. */
export const RATE_WINDOW_SECONDS = 10

export interface StatusFacts {
  readonly application: string
  readonly environment: string
  readonly platform: string
  /** Where users reach it; null when the platform is down. */
  readonly url: string | null
  readonly now: string
  readonly runnerPid: number | null
  readonly state: EnvironmentState
  readonly records: readonly JournalRecord[]
  /** What of the journal cannot be read: state and records end before it. */
  readonly damage?: string | null
  readonly snapshot: Snapshot
  /** Of the last `RATE_WINDOW_SECONDS`, by service; null where they cannot be read. */
  readonly cells: Readonly<Record<string, RecentCells | null>>
  readonly services: readonly string[]
  /** What the judge of the release under way said last, by service; some seconds old. */
  readonly judged?: Readonly<Record<string, Verdict>>
}

/** The truth about an environment now: what the journal says, and what is seen. */
export async function status(context: Context): Promise<StatusFacts> {
  const { config, environment, platform, host, clock } = context
  const [{ state, records, damage }, snapshot, facts] = await Promise.all([
    readWhatIsWhole(context),
    platform.observer.snapshot(),
    host.facts(environment.name),
  ])
  const services = config.services.map((service) => service.name)
  const cells = await Promise.all(
    services.map(
      async (service) => [service, await recentCells(platform.observer, service, RATE_WINDOW_SECONDS)] as const,
    ),
  )
  return {
    application: config.name,
    environment: environment.name,
    platform: environment.platform,
    url: facts?.url ?? null,
    now: clock.wall(),
    runnerPid: facts?.runnerPid ?? null,
    state,
    records,
    damage,
    snapshot,
    cells: Object.fromEntries(cells),
    services,
    judged: await judgedNow(context, state),
  }
}

async function judgedNow({ journal }: Context, { release }: EnvironmentState): Promise<Record<string, Verdict>> {
  const exposed = Object.entries(release?.direction === 'forward' ? release.exposed : {})
  const found = await Promise.all(
    exposed.map(async ([service, step]) => {
      const open = (await journal.checkpoint(`judge/${service}`).catch(() => null)) as OpenQuestion | null
      const isOfNow = open?.key === `${release!.id}/${step}` && open.verdict
      return isOfNow ? [[service, open.verdict!] as const] : []
    }),
  )
  return Object.fromEntries(found.flat())
}

/** What is read of the runner's checkpoint. */
interface OpenQuestion {
  readonly key?: string
  readonly verdict?: Verdict
}
