// One stage at a fixed weight: the exact test and the evidence beside it against the rules of other tools, on the same
// requests. 50 requests/s, a tenth of them the canary's, stable fails 0.1 %, ticks of 5 s, α = 1 % on the error rate.
import { errorRateTests } from '../../src/analysis/alpha-budget.ts'
import { addTallies, type Comparison, nothing } from '../../src/analysis/comparison.ts'
import { spendOn, startOfBoundary } from '../../src/analysis/conditional-boundary.ts'
import { betOn, logEvidence, noEvidence } from '../../src/analysis/relative-evidence.ts'
import { binomial, type Chance, chanceFrom } from './chance.ts'
import { argo, flagger, kayenta, type Minute } from './other-judges.ts'

export interface StageOptions {
  readonly trials: number
  readonly seed: number
  readonly canaryRate: number
  readonly alpha?: number
  readonly margin?: number
}

export interface Detection {
  /** Share of the trials in which the canary was taken back. */
  readonly detected: number
  /** Of those; null if there are none. */
  readonly medianSeconds: number | null
  /** Errors that the canary served until then, on average. */
  readonly errors: number | null
}

export const judgeNames = ['moodify', 'Flagger', 'Argo', 'Kayenta'] as const
export type JudgeName = (typeof judgeNames)[number]

const REQUESTS_PER_SECOND = 50
const WEIGHT = 0.1
const STABLE_RATE = 0.001
const TICK_SECONDS = 5
const STAGE_SECONDS = 900
const KAYENTA_MINUTES = 60

export function simulateStage({
  trials,
  seed,
  canaryRate,
  alpha = 0.01,
  margin = 1,
}: StageOptions): Record<JudgeName, Detection> {
  const found: Record<JudgeName, { seconds: number; errors: number }[]> = {
    moodify: [],
    Flagger: [],
    Argo: [],
    Kayenta: [],
  }
  for (let trial = 0; trial < trials; trial++) {
    const chance = chanceFrom(seed, trial)
    const ticks = ticksOf(chance, canaryRate)
    const minutes = minutesOf(ticks)
    const ours = judgeTicks(ticks, alpha, margin)
    if (ours !== null) found.moodify.push({ seconds: ours * TICK_SECONDS, errors: errorsIn(ticks.slice(0, ours)) })
    for (const [name, rule] of [['Flagger', flagger] as const, ['Argo', argo] as const]) {
      const minute = rule(minutes)
      if (minute !== null) found[name].push({ seconds: minute * 60, errors: errorsIn(minutes.slice(0, minute)) })
    }
    const hour = [...minutes, ...furtherMinutes(chance, canaryRate, KAYENTA_MINUTES - minutes.length)]
    if (kayenta(hour) !== null) found.Kayenta.push({ seconds: 3600, errors: errorsIn(hour) })
  }
  const detections = judgeNames.map((name) => [name, detectionOf(found[name], trials)])
  return Object.fromEntries(detections) as Record<JudgeName, Detection>
}

/** Number of the tick that takes the canary back, counted from 1. */
function judgeTicks(ticks: readonly Comparison[], alpha: number, margin: number): number | null {
  // Nothing is warming up here, so the exact test has what the test of cold replicas would get.
  const { boundary: ofWarm, warmUp, evidence: ofEvidence } = errorRateTests(alpha)
  const threshold = Math.log(1 / ofEvidence)
  let boundary = startOfBoundary
  let evidence = noEvidence
  for (const [at, tick] of ticks.entries()) {
    boundary = spendOn(boundary, tick, { alpha: ofWarm + warmUp, oddsRatio: margin })
    evidence = betOn(evidence, tick, margin)
    if (boundary.crossed || logEvidence(evidence) >= threshold) return at + 1
  }
  return null
}

function ticksOf(chance: Chance, canaryRate: number): Comparison[] {
  return Array.from({ length: STAGE_SECONDS / TICK_SECONDS }, () => countsOf(chance, canaryRate, TICK_SECONDS))
}

function countsOf(chance: Chance, canaryRate: number, seconds: number): Comparison {
  const all = REQUESTS_PER_SECOND * seconds
  const canary = binomial(chance, all, WEIGHT)
  return {
    canary: { units: canary, bad: binomial(chance, canary, canaryRate) },
    stable: { units: all - canary, bad: binomial(chance, all - canary, STABLE_RATE) },
  }
}

function minutesOf(ticks: readonly Comparison[]): Minute[] {
  const perMinute = 60 / TICK_SECONDS
  return Array.from({ length: ticks.length / perMinute }, (_, minute) =>
    ticks.slice(minute * perMinute, (minute + 1) * perMinute).reduce(
      (sum, tick) => ({
        canary: addTallies(sum.canary, tick.canary),
        stable: addTallies(sum.stable, tick.stable),
      }),
      { canary: nothing, stable: nothing },
    ),
  )
}

function furtherMinutes(chance: Chance, canaryRate: number, count: number): Minute[] {
  return Array.from({ length: count }, () => countsOf(chance, canaryRate, 60))
}

function errorsIn(counts: readonly Comparison[]): number {
  return counts.reduce((sum, { canary }) => sum + canary.bad, 0)
}

function detectionOf(found: readonly { seconds: number; errors: number }[], trials: number): Detection {
  const seconds = found.map((one) => one.seconds).sort((a, b) => a - b)
  return {
    detected: found.length / trials,
    medianSeconds: seconds[seconds.length >> 1] ?? null,
    errors: found.length === 0 ? null : found.reduce((sum, { errors }) => sum + errors, 0) / found.length,
  }
}
