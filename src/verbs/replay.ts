// What other settings would have decided on a past release, from the counts that were recorded while it ran.
import { judgeByMode } from '../analysis/judges.ts'
import type { Triggers } from '../config/config.ts'
import { invariant, OperatingError } from '../errors/catalogue.ts'
import type { Sample } from '../journal/journal.ts'
import type { Plan } from '../plan/plan.ts'
import type { Context } from './context.ts'
import { explain } from './explain.ts'
import { judgeSeries, type SeriesTick, type SeriesVerdict } from './series.ts'

export interface Replayed {
  readonly release: string
  readonly version: string
  readonly recorded: { readonly outcome: string; readonly reason: string }
  readonly services: readonly {
    readonly service: string
    readonly seconds: number
    readonly asShipped: SeriesVerdict | null
    readonly asAsked: SeriesVerdict | null
  }[]
}

/**
 * @param change  settings to judge with instead of those that it was shipped with
 * @throws OperatingError UNKNOWN_RELEASE, also when no counts are kept of it
 */
export async function replay(
  context: Context,
  release: string | undefined,
  change: Partial<Triggers>,
): Promise<Replayed> {
  const { records } = await explain(context, release)
  const started = records.find((record) => record.body.kind === 'releaseStarted')!
  invariant(started.body.kind === 'releaseStarted', 'explain only knows releases that started')
  const { release: name, plan } = started.body
  const samples = await context.journal.samples(name)
  if (samples.length === 0) {
    throw new OperatingError(
      'UNKNOWN_RELEASE',
      `no counts are kept of ${name}: nothing was compared in it`,
      'moodify history',
    )
  }
  const ended = records.findLast(({ body }) => body.kind === 'releaseEnded' || body.kind === 'outcomeReached')
  const turned = records.find(({ body }) => body.kind === 'turnedBack')
  return {
    release: name,
    version: plan.version,
    recorded: { outcome: outcomeOf(ended?.body), reason: (turned ?? ended)?.reason ?? 'it still runs' },
    services: plan.members
      .map(({ service }) => service)
      .filter((service) => samples.some((sample) => sample.service === service))
      .map((service) => {
        const ticks = ticksOf(
          plan,
          samples.filter((sample) => sample.service === service),
        )
        const judged = (triggers: Triggers) => [...judgeSeries(judgeByMode, triggers, ticks)].at(-1) ?? null
        return {
          service,
          seconds: ticks.at(-1)?.t ?? 0,
          asShipped: judged(plan.triggers),
          asAsked: judged({ ...plan.triggers, ...change }),
        }
      }),
  }
}

function outcomeOf(body: { readonly kind: string; readonly outcome?: string } | undefined): string {
  return body?.outcome ?? 'running'
}

/** A sample holds what was counted since the one before. */
function ticksOf(plan: Plan, samples: readonly Sample[]): SeriesTick[] {
  const firstMs = samples[0]!.atMs
  return samples.map((sample, index) => {
    const before = samples[index - 1]
    const step = plan.steps.find(({ id }) => id === sample.step)
    const { from } = plan.members.find(({ service }) => service === sample.service)!
    const analysis = plan.steps.find((one) => one.kind === 'analyse' && one.service === sample.service)
    return {
      t: (sample.atMs - firstMs) / 1000,
      lengthSeconds: before ? Math.max(0, sample.atMs - before.atMs) / 1000 : 0,
      stage: {
        key: sample.step,
        weightPercent: step?.kind === 'shift' ? 100 - (from ? (step.shares[from.slot] ?? 0) : 0) : 100,
        monitorSeconds: analysis?.kind === 'analyse' ? analysis.monitorMs / 1000 : 0,
      },
      candidate: sample.candidate,
      control: sample.control,
      replicas: 1,
    }
  })
}
