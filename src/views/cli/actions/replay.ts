import type { Triggers } from '../../../config/config.ts'
import { replay } from '../../../verbs/replay.ts'
import type { SeriesVerdict } from '../../../verbs/series.ts'
import { verdictDocument } from '../verdict-text.ts'
import { type CommonFlags, type Compose, inEnvironment } from './common.ts'

export interface JudgeFlags {
  readonly alpha?: number
  readonly margin?: number
  readonly warmup?: number
  readonly mode?: Triggers['mode']
}

/** What the command line changes of the way to judge. */
export function judgedWith({ alpha, margin, warmup, mode }: JudgeFlags): Partial<Triggers> {
  return {
    ...(alpha === undefined ? {} : { alphaPercent: alpha }),
    ...(margin === undefined ? {} : { margin }),
    ...(warmup === undefined ? {} : { warmUpMs: warmup * 1000 }),
    ...(mode === undefined ? {} : { mode }),
  }
}

export const replayAction = (compose: Compose) =>
  inEnvironment<CommonFlags & JudgeFlags>(compose, async (context, output, flags, release) => {
    const { services, recorded, ...named } = await replay(context, release, judgedWith(flags))
    output.document({
      ...named,
      recorded,
      services: services.map(({ asShipped, asAsked, ...one }) => ({
        ...one,
        asShipped: asShipped && verdictDocument(asShipped),
        asAsked: asAsked && verdictDocument(asAsked),
      })),
    })
    const { style } = output
    const unit = 'judged again by requests: which replica served them in which second is not kept'
    output.line(style.bold(`${named.release}: ${named.version} ${recorded.outcome}: ${recorded.reason}`))
    for (const { service, seconds, asShipped, asAsked } of services) {
      output.line(`${service}, ${Math.round(seconds)} s of counts, ${unit}`)
      output.line(`  as shipped  ${inWords(asShipped)}`)
      output.line(`  as asked    ${inWords(asAsked)}`)
    }
    return 0
  })

function inWords(found: SeriesVerdict | null): string {
  if (!found) return 'nothing to judge'
  const { t, verdict } = found
  return `${verdict.kind} after ${Math.round(t)} s (${verdict.rule}): ${verdict.reason}`
}
