// What takes a candidate back, unless the fault is shared: each test with its part of α, and the sentence for it.
import { durationInWords } from '../domain/duration.ts'
import type { RuleName } from '../domain/verdict.ts'
import { bestBet, logExcess } from './absolute-guardrail.ts'
import { errorRateTests } from './alpha-budget.ts'
import type { Tally } from './comparison.ts'
import { DEAD_SHARE, deadMan } from './dead-man.ts'
import { ratioBounds } from './ratio-bounds.ts'
import { averageEvidence, logEvidence } from './relative-evidence.ts'
import { leastEvents, RATIO_ALPHA, type SequentialState, SLOW_LIMIT } from './sequential-state.ts'
import { evidenceInWords, ratioInWords, tallyInWords } from './sequential-words.ts'
import { WARM_UP_MARGIN } from './warm-up.ts'
import { countInWords, percentInWords } from './words.ts'

/** What a rule found, before it is known whether the fault is shared. */
export interface Finding {
  readonly rule: RuleName
  readonly reason: string
  readonly seen: Tally
  /** What stable did in the same time. */
  readonly beside: Tally
  /** Share of bad ones that is allowed. */
  readonly limit: number
}

const relativeRules = [worseErrors, worseFromTheStart, worseLatency, worseMetric]

/** The tests against what runs beside it. */
export function worseThanStable(state: SequentialState): Finding | null {
  if (!state.question.control) return null
  for (const rule of relativeRules) {
    const finding = rule(state)
    if (finding) return finding
  }
  return null
}

/** Of the error rate, in the stage or over the release. */
export function relativeEvidence({ stage, release }: SequentialState): number {
  return Math.max(logEvidence(stage.errors), logEvidence(release.errors))
}

function isReached(logEvidence: number, alpha: number): boolean {
  return alpha > 0 && logEvidence >= Math.log(1 / alpha)
}

function worseErrors(state: SequentialState): Finding | null {
  const { stage, release, alpha, question } = state
  const found =
    stage.boundary.crossed ||
    isReached(logEvidence(stage.errors), errorRateTests(alpha.stage.errorRate).evidence) ||
    isReached(logEvidence(release.errors), alpha.cumulative)
  if (!found) return null
  const { margin } = question.triggers
  const ratio = ratioInWords(ratioBounds(release.ratio, RATIO_ALPHA)) ?? `above ${margin}× stable's`
  const { canary, stable } = stage.errorsOf
  return relative(state, {
    rule: 'relative-error-rate',
    reason: `error rate ${ratio}: ${besideInWords(canary, stable, 'failed')}; evidence ${evidenceInWords(relativeEvidence(state))}`,
    seen: canary,
    beside: stable,
    times: margin,
  })
}

function worseFromTheStart(state: SequentialState): Finding | null {
  const { stage } = state
  if (!stage.coldBoundary.crossed) return null
  const seen = { units: stage.requests.canary, bad: stage.failures }
  return relative(state, {
    rule: 'cold-start',
    reason: `more than warming up explains, ${WARM_UP_MARGIN}× stable's error rate: ${besideInWords(seen, stage.errorsOf.stable, 'failed')}`,
    seen,
    beside: stage.errorsOf.stable,
    times: WARM_UP_MARGIN,
  })
}

function worseLatency(state: SequentialState): Finding | null {
  const { stage, alpha, question } = state
  const logs = stage.latency.map(logEvidence)
  const evidence = averageEvidence(logs)
  if (!isReached(evidence, alpha.stage.latency)) return null
  const worst = logs.indexOf(Math.max(...logs))
  const edge = durationInWords(stage.edgesMs![worst]!)
  const { canary, stable } = stage.slowAtEdges[worst]!
  return relative(state, {
    rule: 'relative-latency',
    reason: `latency: ${besideInWords(canary, stable, `took longer than ${edge}`)}; evidence ${evidenceInWords(evidence)}`,
    seen: canary,
    beside: stable,
    times: question.triggers.margin,
  })
}

function worseMetric(state: SequentialState): Finding | null {
  const { stage, alpha, question } = state
  const metrics = Object.entries(stage.metrics).map(([name, metric]) => ({ name, ...metric }))
  const logs = metrics.map(({ evidence }) => logEvidence(evidence))
  const evidence = averageEvidence(logs)
  if (!isReached(evidence, alpha.stage.otherMetrics)) return null
  const { name, canary, stable } = metrics[logs.indexOf(Math.max(...logs))]!
  return relative(state, {
    rule: 'relative-metric',
    reason: `${name}: ${percentInWords(canary.bad, canary.units)}, stable ${percentInWords(stable.bad, stable.units)}; evidence ${evidenceInWords(evidence)}`,
    seen: canary,
    beside: stable,
    times: question.triggers.margin,
  })
}

function relative(
  { alpha }: SequentialState,
  { times, ...found }: Pick<Finding, 'rule' | 'reason' | 'seen' | 'beside'> & { readonly times: number },
): Finding {
  const { units, bad } = found.beside
  return {
    ...found,
    reason: `${found.reason}; false alarms ${percentInWords(alpha.whole, 1)}`,
    limit: units === 0 ? 0 : (times * bad) / units,
  }
}

function besideInWords(canary: Tally, stable: Tally, did: string): string {
  return `${tallyInWords(canary, did)}; stable: ${tallyInWords(stable, did)}`
}

/** The test against what the version before it did, where nothing runs beside it. */
export function worseThanBefore(state: SequentialState): Finding | null {
  const { stage, limits, release } = state
  if (!stage.isAlone || limits.before === null) return null
  const evidence = logExcess(stage.beforeAfter, limits.before, leastEvents(state))
  if (!isReached(evidence, alphaAlone(state))) return null
  const seen = bestBet(stage.beforeAfter, limits.before)
  const before = percentInWords(release.before.bad, release.before.units)
  return {
    rule: 'before-after',
    reason: `${tallyInWords(seen, 'failed')}; it was ${before} before, and above ${percentInWords(limits.before, 1)} counts as worse; evidence ${evidenceInWords(evidence)}; nothing runs beside it`,
    seen,
    beside: release.before,
    limit: limits.before,
  }
}

/** What a comparison before it has left of the stage's, once it has ended. */
export function alphaAlone({ question, stage, alpha }: SequentialState): number {
  if (!question.control) return alpha.stage.errorRate
  const { boundary, warmUp } = errorRateTests(alpha.stage.errorRate)
  return boundary + warmUp - stage.boundary.spent - stage.coldBoundary.spent
}

export function deadNow({ release, limits }: SequentialState): Finding | null {
  const dead = deadMan(release.newest)
  if (!dead) return null
  const { canary, stable } = dead
  const seconds = countInWords(release.newest.seconds.length, 'second')
  return {
    rule: 'dead-man',
    reason: `${tallyInWords(canary, 'failed')} in the last ${seconds} with traffic${alsoInWords(stable, 'failed')}`,
    seen: canary,
    beside: stable,
    limit: limits.errorRate ?? DEAD_SHARE,
  }
}

/** The limits of the runbook, as tests. */
export function limitBroken(state: SequentialState): Finding | null {
  const { release, limits, alpha } = state
  const { guardrails } = release
  const least = leastEvents(state)
  const errors = limits.errorRate === null ? 0 : logExcess(guardrails.errors, limits.errorRate, least)
  const slow = logExcess(guardrails.slow, SLOW_LIMIT, least)
  if (!isReached(averageEvidence([errors, slow]), alpha.guardrails)) return null
  const isErrors = errors >= slow
  const limit = isErrors ? limits.errorRate! : SLOW_LIMIT
  const did = isErrors ? 'failed' : `took longer than ${durationInWords(limits.slowMs)}`
  const { beside, ...seen } = bestBet(isErrors ? guardrails.errors : guardrails.slow, limit)
  const evidence = evidenceInWords(Math.max(errors, slow))
  return {
    rule: isErrors ? 'error-rate' : 'latency',
    reason: `${tallyInWords(seen, did)}, limit ${percentInWords(limit, 1)}, evidence ${evidence}${alsoInWords(beside, did)}`,
    seen,
    beside,
    limit,
  }
}

function alsoInWords(stable: Tally, did: string): string {
  return stable.units > 0 ? `; stable: ${tallyInWords(stable, did)}` : ''
}
