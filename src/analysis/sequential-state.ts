// What the sequential judge remembers: plain JSON of bounded size. A part belongs to one stage, a part to the whole
// release; the second is handed from question to question, and α with it.
import { LATENCY_EDGES_MS, noCounts } from '../domain/counts.ts'
import type { EvidencePath, Verdict } from '../domain/verdict.ts'
import { type GuardrailBets, noBets } from './absolute-guardrail.ts'
import {
  type AlphaPurse,
  fullPurse,
  purseAfter,
  type StageAlpha,
  takeForStage,
  wholeReleaseAlpha,
} from './alpha-budget.ts'
import { limitFromBefore } from './before-after.ts'
import { noLoad } from './cells.ts'
import { addTallies, nothing, type Tally } from './comparison.ts'
import { type BoundaryState, startOfBoundary } from './conditional-boundary.ts'
import { type NewestSeconds, noSeconds } from './dead-man.ts'
import { noPath } from './evidence-path.ts'
import type { JudgeState, Question } from './judge.ts'
import { noRatioEvidence, type RatioEvidence } from './ratio-bounds.ts'
import { noEvidence, type RelativeEvidence } from './relative-evidence.ts'
import type { CutState } from './strata.ts'
import { noAges, warmUpIn } from './warm-up.ts'

export const SEQUENTIAL = 'sequential'

export interface SequentialState extends JudgeState {
  readonly question: Question
  readonly alpha: ReleaseAlpha
  readonly limits: Limits
  readonly stage: StageEvidence
  readonly release: ReleaseEvidence
  /** A test has decided; nothing that comes later takes that back. */
  readonly decided: Verdict | null
}

interface ReleaseAlpha {
  /** Of the whole release on this candidate. */
  readonly whole: number
  readonly guardrails: number
  readonly cumulative: number
  readonly stage: StageAlpha
  /** For the stages to come. */
  readonly left: AlphaPurse
}

/** Shares of requests, between 0 and 1; null where the limit allows everything. */
interface Limits {
  readonly errorRate: number | null
  readonly errorRateWarning: number | null
  readonly slowMs: number
  readonly slowWarningMs: number
  readonly before: number | null
  readonly warmUpMs: number
}

interface StageEvidence {
  /** Nothing receives traffic beside the candidate: from the start, or since the last old replica of a roll went. */
  readonly isAlone: boolean
  readonly boundary: BoundaryState
  readonly coldBoundary: BoundaryState
  readonly errors: RelativeEvidence
  /** Chosen once enough of stable's requests are known, from those. */
  readonly edgesMs: readonly number[] | null
  readonly latency: readonly RelativeEvidence[]
  readonly slowAtEdges: readonly Arms[]
  readonly metrics: Readonly<Record<string, MetricEvidence>>
  readonly beforeAfter: GuardrailBets
  readonly path: EvidencePath
  /** Errors and slow requests of the candidate, without its cold replicas, and of stable. */
  readonly errorsOf: Arms
  readonly slowOf: Arms
  /** All requests, for the share of the traffic and the minimum. */
  readonly requests: { readonly canary: number; readonly stable: number }
  readonly failures: number
}

export interface Arms {
  readonly canary: Tally
  readonly stable: Tally
}

export interface MetricEvidence extends Arms {
  readonly evidence: RelativeEvidence
}

interface ReleaseEvidence {
  readonly cut: CutState
  readonly errors: RelativeEvidence
  readonly ratio: RatioEvidence
  readonly guardrails: Readonly<Record<GuardrailName, GuardrailBets>>
  readonly newest: NewestSeconds
  /** Stable's requests by latency, from before the stage on. */
  readonly histogram: readonly number[]
  /** Stable's requests and errors before the stage. */
  readonly before: Tally
}

export type GuardrailName = 'errors' | 'slow' | 'errorsWarning' | 'slowWarning'

/** Chance that the interval of the ratio that people are shown ever leaves the ratio out. */
export const RATIO_ALPHA = 0.05
/** P95 is above an edge when more than this share of requests is slower. */
export const SLOW_LIMIT = 0.05
/** A limit of 0 still needs a rate to test; nobody measures a lower one. */
const LEAST_LIMIT = 1e-4
/** In the runbook's table a warning is at a fifth of the critical error rate, and at two fifths of the latency. */
const WARNING_ERRORS = 1 / 5
const WARNING_LATENCY = 2 / 5

export const noArms: Arms = { canary: nothing, stable: nothing }

export function startState(question: Question, previous: SequentialState | null): SequentialState {
  const { triggers, stage, control } = question
  const whole = triggers.alphaPercent / 100 / (question.candidates ?? 1)
  const purse = previous?.alpha.left ?? (stage ? purseAfter(whole, stage.index) : fullPurse(whole))
  const taken = takeForStage(purse, stage !== undefined && stage.index >= stage.count - 1)
  const release = previous ? carriedOn(previous) : startOfRelease(question)
  const limits = limitsOf(question)
  return {
    judge: SEQUENTIAL,
    question,
    alpha: { whole, ...wholeReleaseAlpha(whole), stage: taken.stage, left: taken.left },
    limits: { ...limits, before: limitFromBefore(release.before, limits.errorRate ?? 1) },
    stage: { ...startOfStage, isAlone: control === null },
    release,
    decided: null,
  }
}

const startOfStage: Omit<StageEvidence, 'isAlone'> = {
  boundary: startOfBoundary,
  coldBoundary: startOfBoundary,
  errors: noEvidence,
  edgesMs: null,
  latency: [],
  slowAtEdges: [],
  metrics: {},
  beforeAfter: noBets,
  path: noPath,
  errorsOf: noArms,
  slowOf: noArms,
  requests: { canary: 0, stable: 0 },
  failures: 0,
}

function startOfRelease({ before }: Question): ReleaseEvidence {
  return {
    cut: { ages: noAges, loads: { canary: noLoad, stable: noLoad } },
    errors: noEvidence,
    ratio: noRatioEvidence,
    guardrails: { errors: noBets, slow: noBets, errorsWarning: noBets, slowWarning: noBets },
    newest: noSeconds,
    histogram: before?.latency ?? noCounts.latency,
    before: before ? { units: before.requests, bad: before.failures } : nothing,
  }
}

function carriedOn({ stage, release }: SequentialState): ReleaseEvidence {
  const { ages } = release.cut
  return {
    ...release,
    cut: { ages, loads: { canary: noLoad, stable: noLoad } },
    newest: noSeconds,
    before: addTallies(release.before, stage.errorsOf.stable),
  }
}

/** Without a control events are seconds, and a fault has to last longer than a burst that hits everyone for five. */
export const LEAST_SECONDS_ALONE = 7

/** Bad events apart from each other that a limit takes. */
export function leastEvents({ stage, question }: SequentialState): number {
  const { minBad } = question.triggers
  return stage.isAlone ? Math.max(minBad, LEAST_SECONDS_ALONE) : minBad
}

function limitsOf({ triggers, monitorMs }: Question): Omit<Limits, 'before'> {
  const { errorRatePercent, p95Ms, warmUpMs } = triggers
  const share = (percent: number) => (percent >= 100 ? null : Math.max(LEAST_LIMIT, percent / 100))
  return {
    errorRate: share(errorRatePercent),
    errorRateWarning: share(errorRatePercent * WARNING_ERRORS),
    slowMs: p95Ms,
    slowWarningMs: LATENCY_EDGES_MS.findLast((edge) => edge <= p95Ms * WARNING_LATENCY) ?? LATENCY_EDGES_MS[0],
    warmUpMs: warmUpIn(monitorMs, warmUpMs),
  }
}
