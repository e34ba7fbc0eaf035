// Judges recorded data, a JSON document per line, without any platform.
import { closest, distance } from 'fastest-levenshtein'
import * as z from 'zod'
import { judgeByMode } from '../analysis/judges.ts'
import type { Triggers } from '../config/config.ts'
import { type Counts, LATENCY_BUCKETS, LATENCY_EDGES_MS, latencyBucket } from '../domain/counts.ts'
import { OperatingError } from '../errors/catalogue.ts'
import { judgeSeries, type SeriesTick, type SeriesVerdict } from './series.ts'

/** Above this, sums of counts would not be exact. */
const MOST_UNITS = 1e12
const MOST_REPLICAS = 10_000

const count = z
  .number()
  .int({ error: 'must be a whole number', abort: true })
  .min(0, { error: 'must not be negative: a counter that went back counts from 0 again', abort: true })
  .max(MOST_UNITS, { abort: true })
const arm = z
  .object({ units: count, bad: count, replicas: z.number().int().min(0).max(MOST_REPLICAS).default(1) })
  .refine(({ units, bad }) => bad <= units, 'bad is more than units')
const tally = z.object({ units: count, bad: count }).refine(({ units, bad }) => bad <= units, 'bad is more than units')
const latency = z
  .object({ edges: z.array(z.number().positive()).min(1).max(1000), canary: z.array(count), stable: z.array(count) })
  .refine(
    ({ edges, canary, stable }) => canary.length === edges.length + 1 && stable.length === edges.length + 1,
    'canary and stable have one count per edge and one for what is slower',
  )
  .refine(({ edges }) => edges.every((edge, index) => edge > (edges[index - 1] ?? 0)), 'edges must rise')

const line = z
  .object({
    t: z.number().min(0),
    stage: z.object({
      weight: z.number().min(0).max(100),
      startedAt: z.number().min(0),
      /** How long the stage is meant to last; decides when warm-up and promotion are over. */
      seconds: z.number().positive().optional(),
    }),
    canary: arm,
    /** Left out where nothing ran beside the canary. */
    stable: arm.optional(),
    /** Edges in milliseconds. */
    latency: latency.optional(),
    metrics: z.record(z.string(), z.object({ canary: tally, stable: tally })).optional(),
  })
  .refine(
    ({ latency: seen, canary }) => sumOf(seen?.canary) <= canary.units,
    'latency.canary is more than canary.units',
  )
  .refine(
    ({ latency: seen, stable }) => sumOf(seen?.stable) <= (stable?.units ?? 0),
    'latency.stable is more than stable.units',
  )
  .loose()
type Line = z.infer<typeof line>

function sumOf(counts: readonly number[] = []): number {
  return counts.reduce((sum, one) => sum + one, 0)
}

/** Other keys are nobody's business, unless they look like a slip of the pen. */
const KEYS = ['stable', 'stage', 'canary', 'latency', 'metrics']

export interface AnalyzeOptions {
  readonly triggers: Triggers
  /** Length of a stage whose lines do not say it. */
  readonly stageSeconds: number
}

/**
 * The verdict after each line, up to the first unhealthy one.
 *
 * @param lines  texts without their line ends; empty ones are skipped
 * @throws OperatingError BAD_FLAG naming the number of a line that makes no sense; nothing after it is judged
 */
export function* analyze(lines: Iterable<string>, options: AnalyzeOptions): Generator<SeriesVerdict> {
  yield* judgeSeries(judgeByMode, options.triggers, ticksOf(lines, options.stageSeconds))
}

function* ticksOf(lines: Iterable<string>, stageSeconds: number): Generator<SeriesTick> {
  let number = 0
  let before: Line | null = null
  for (const text of lines) {
    number += 1
    if (text.trim() === '') continue
    const parsed = parseLine(text, number)
    if (before && parsed.t < before.t) {
      throw badLine(number, `time goes back from ${before.t} to ${parsed.t}`)
    }
    if (parsed.stage.startedAt > parsed.t) throw badLine(number, 'the stage starts after the line')
    yield tickOf(parsed, before, stageSeconds)
    before = parsed
  }
}

function parseLine(text: string, number: number): Line {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw badLine(number, `it is not JSON: ${(error as Error).message}`)
  }
  const parsed = line.safeParse(value)
  if (parsed.success) return withoutSlips(parsed.data, number)
  throw badLine(
    number,
    parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the line'}: ${message}`).join('; '),
  )
}

function withoutSlips(parsed: Line, number: number): Line {
  for (const key of Object.keys(parsed)) {
    const near = closest(key, KEYS)
    if (!KEYS.includes(key) && distance(key, near) <= 2) throw badLine(number, `${key}: did you mean ${near}?`)
  }
  return parsed
}

function badLine(number: number, what: string): OperatingError {
  return new OperatingError(
    'BAD_FLAG',
    `line ${number}: ${what}; ${number === 1 ? 'nothing' : `nothing after line ${number - 1}`} is judged`,
    'moodify analyze --help',
  )
}

function tickOf(now: Line, before: Line | null, stageSeconds: number): SeriesTick {
  const { t, stage, canary, stable, latency: seen, metrics } = now
  const since = Math.max(before?.t ?? stage.startedAt, stage.startedAt)
  return {
    t,
    lengthSeconds: t - since,
    stage: {
      key: `${stage.startedAt}/${stage.weight}`,
      weightPercent: stage.weight,
      monitorSeconds: stage.seconds ?? stageSeconds,
    },
    candidate: countsOf(canary, seen && { edges: seen.edges, counts: seen.canary }),
    control: stable ? countsOf(stable, seen && { edges: seen.edges, counts: seen.stable }) : null,
    replicas: canary.replicas,
    ...(metrics && {
      metrics: Object.fromEntries(
        Object.entries(metrics).map(([name, arms]) => [name, { candidate: arms.canary, control: arms.stable }]),
      ),
    }),
  }
}

/** Buckets of other edges go to the first of ours that holds all of them, so nothing looks faster than it was. */
function countsOf(
  { units, bad }: { units: number; bad: number },
  histogram: { edges: readonly number[]; counts: readonly number[] } | undefined,
): Counts {
  const latencyCounts = new Array<number>(LATENCY_BUCKETS).fill(0)
  for (const [bucket, amount] of histogram?.counts.entries() ?? []) {
    const edge = histogram!.edges[bucket] ?? LATENCY_EDGES_MS.at(-1)! + 1
    latencyCounts[latencyBucket(edge)]! += amount
  }
  return { requests: units, failures: bad, latency: latencyCounts }
}
