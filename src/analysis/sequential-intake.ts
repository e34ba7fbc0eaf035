// Takes in what was counted: every statistic learns from every stratum, in the order in which it happened.
import { addCounts, type Counts, noCounts, slowerThan } from '../domain/counts.ts'
import type { SlotFacts } from '../domain/snapshot.ts'
import type { EvidencePath } from '../domain/verdict.ts'
import { betAgainst } from './absolute-guardrail.ts'
import { errorRateTests } from './alpha-budget.ts'
import { addTallies, nothing, type Tally } from './comparison.ts'
import { spendOn } from './conditional-boundary.ts'
import { addSecond } from './dead-man.ts'
import { addPoint, noPath } from './evidence-path.ts'
import type { JudgeTick, Question } from './judge.ts'
import { chooseEdges } from './latency-edges.ts'
import { learnRatio } from './ratio-bounds.ts'
import { betOn, logEvidence, noEvidence } from './relative-evidence.ts'
import {
  type Arms,
  type GuardrailName,
  type MetricEvidence,
  noArms,
  type SequentialState,
  SLOW_LIMIT,
} from './sequential-state.ts'
import { cutIntoStrata, failuresOf, type Stratum, tallyOf } from './strata.ts'
import { WARM_UP_MARGIN } from './warm-up.ts'

/** Requests of stable from which edges can be chosen: 0.2 % of them is one. */
const ENOUGH_FOR_EDGES = 500
/** Other metrics that are judged; more are left out. */
const MOST_METRICS = 20

export function takeIn(state: SequentialState, tick: JudgeTick): SequentialState {
  const isAlone = state.stage.isAlone || isNothingBeside(state.question, tick.candidate)
  const rules = { warmUpMs: state.limits.warmUpMs, isAlone }
  const { cut, strata } = cutIntoStrata(state.release.cut, tick, state.question, rules)
  const learnt = strata.reduce(learn, {
    ...state,
    stage: { ...state.stage, isAlone },
    release: { ...state.release, cut },
  })
  // Their source knows no replicas, so the whole stage warms up at once.
  const warm = tick.metrics && tick.elapsedMs > state.limits.warmUpMs ? learnMetrics(learnt, tick.metrics) : learnt
  return isAlone ? warm : { ...warm, stage: { ...warm.stage, path: pathOf(warm, tick.elapsedMs) } }
}

function pathOf({ stage, release, alpha }: SequentialState, elapsedMs: number): EvidencePath {
  const { canaryBad, crossesAt, crossed } = stage.boundary
  const evidence = alpha.cumulative > 0 ? logEvidence(release.errors) / Math.log(1 / alpha.cumulative) : 0
  const boundary = crossed ? 1 : Math.min(0.99, canaryBad / crossesAt)
  return addPoint(stage.path ?? noPath, elapsedMs, { boundary, evidence })
}

/** In a roll the old version is the control until its last replica is on its way out. */
function isNothingBeside({ candidate, control }: Question, { replicas }: SlotFacts): boolean {
  if (!control) return true
  if (control.slot !== candidate.slot || replicas.length === 0) return false
  return !replicas.some(({ revision, ending }) => revision === control.revision && !ending)
}

function learn(state: SequentialState, stratum: Stratum): SequentialState {
  const compared = state.stage.isAlone ? learnBeforeAfter(state, stratum) : learnComparison(state, stratum)
  const { stage, release, limits } = compared
  const { canary, warmCanary, stable } = stratum
  const slow = (counts: Counts) => slowerThan(counts, limits.slowMs)
  return {
    ...compared,
    stage: {
      ...stage,
      errorsOf: addArms(stage.errorsOf, tallyOf(warmCanary, failuresOf), tallyOf(stable, failuresOf)),
      slowOf: addArms(stage.slowOf, tallyOf(warmCanary, slow), tallyOf(stable, slow)),
      requests: {
        canary: stage.requests.canary + canary.requests,
        stable: stage.requests.stable + stable.requests,
      },
      failures: stage.failures + canary.failures,
    },
    release: {
      ...release,
      guardrails: learnGuardrails(compared, stratum),
      newest: addSecond(release.newest, tallyOf(canary, failuresOf), tallyOf(stable, failuresOf)),
      histogram: addCounts({ ...noCounts, latency: release.histogram }, stable).latency,
    },
  }
}

function learnComparison(state: SequentialState, { warm, cold, slower, warmCanary, stable }: Stratum): SequentialState {
  const { stage, release, alpha, question } = state
  const { margin } = question.triggers
  const tests = errorRateTests(alpha.stage.errorRate)
  const edgesMs = stage.edgesMs ?? edgesFrom(release.histogram)
  return {
    ...state,
    stage: {
      ...stage,
      boundary: spendOn(stage.boundary, warm.drawn, { alpha: tests.boundary, oddsRatio: margin }),
      coldBoundary: spendOn(stage.coldBoundary, cold.drawn, { alpha: tests.warmUp, oddsRatio: WARM_UP_MARGIN }),
      errors: betOn(stage.errors, warm.expected, margin),
      edgesMs,
      latency: (edgesMs ?? []).map((edge, at) => betOn(stage.latency[at] ?? noEvidence, slower(edge), margin)),
      slowAtEdges: (edgesMs ?? []).map((edge, at) => {
        const slow = (counts: Counts) => slowerThan(counts, edge)
        return addArms(stage.slowAtEdges[at] ?? noArms, tallyOf(warmCanary, slow), tallyOf(stable, slow))
      }),
    },
    release: {
      ...release,
      errors: betOn(release.errors, warm.expected, margin),
      ratio: learnRatio(release.ratio, warm.expected),
    },
  }
}

/** From what came before this stratum. */
function edgesFrom(histogram: readonly number[]): readonly number[] | null {
  const requests = histogram.reduce((sum, count) => sum + count, 0)
  return requests >= ENOUGH_FOR_EDGES ? chooseEdges(histogram) : null
}

function learnBeforeAfter(state: SequentialState, { warmCanary, events }: Stratum): SequentialState {
  const { stage, limits } = state
  if (limits.before === null) return state
  const seen = { ...tallyOf(warmCanary, failuresOf), events: events(failuresOf), beside: nothing }
  return { ...state, stage: { ...stage, beforeAfter: betAgainst(stage.beforeAfter, seen, limits.before) } }
}

/** On requests, because that is what the limits are meant for; also of cold replicas. */
function learnGuardrails({ release, limits }: SequentialState, stratum: Stratum) {
  const { guardrails } = release
  const bet = (name: GuardrailName, badOf: (counts: Counts) => number, limit: number | null) => {
    if (limit === null) return guardrails[name]
    const { canary, stable, events } = stratum
    const seen = { ...tallyOf(canary, badOf), events: events(badOf), beside: tallyOf(stable, badOf) }
    return betAgainst(guardrails[name], seen, limit)
  }
  const slow = (counts: Counts) => slowerThan(counts, limits.slowMs)
  const slowish = (counts: Counts) => slowerThan(counts, limits.slowWarningMs)
  return {
    errors: bet('errors', failuresOf, limits.errorRate),
    slow: bet('slow', slow, SLOW_LIMIT),
    errorsWarning: bet('errorsWarning', failuresOf, limits.errorRateWarning),
    slowWarning: bet('slowWarning', slowish, SLOW_LIMIT),
  }
}

function learnMetrics(state: SequentialState, metrics: NonNullable<JudgeTick['metrics']>): SequentialState {
  const known: Record<string, MetricEvidence> = { ...state.stage.metrics }
  for (const [name, { candidate, control }] of Object.entries(metrics)) {
    const before = known[name] ?? { canary: nothing, stable: nothing, evidence: noEvidence }
    if (!known[name] && Object.keys(known).length >= MOST_METRICS) continue
    const comparison = { canary: candidate, stable: control }
    known[name] = {
      ...addArms(before, candidate, control),
      evidence: betOn(before.evidence, comparison, state.question.triggers.margin),
    }
  }
  return { ...state, stage: { ...state.stage, metrics: known } }
}

function addArms(arms: Arms, canary: Tally, stable: Tally): Arms {
  return { canary: addTallies(arms.canary, canary), stable: addTallies(arms.stable, stable) }
}
