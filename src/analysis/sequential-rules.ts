// From what is known to a verdict. The order is the order of certainty: what the replicas say, what a test has
// decided, what a test decides now, and then why nothing can be said yet.

import { durationInWords } from '../domain/duration.ts'
import type { ComparisonEvidence, Evidence, RuleName, Verdict } from '../domain/verdict.ts'
import { bestBet, logExcess } from './absolute-guardrail.ts'
import { fullPurse } from './alpha-budget.ts'
import type { Tally } from './comparison.ts'
import type { JudgeTick } from './judge.ts'
import { standingOf, unitsMissing } from './promotion.ts'
import { ratioBounds } from './ratio-bounds.ts'
import { logEvidence } from './relative-evidence.ts'
import { crashLoop, failingHealth } from './replica-rules.ts'
import { noData } from './request-rules.ts'
import { logMismatch } from './sample-ratio.ts'
import {
  deadNow,
  type Finding,
  limitBroken,
  relativeEvidence,
  worseThanBefore,
  worseThanStable,
} from './sequential-findings.ts'
import { RATIO_ALPHA, type SequentialState, SLOW_LIMIT } from './sequential-state.ts'
import { evidenceInWords, missingInWords, tallyInWords } from './sequential-words.ts'
import { isShared } from './shared-fault.ts'
import { countInWords, numberInWords, percentInWords } from './words.ts'

interface Answer {
  readonly verdict: Verdict
  /** It stands whatever comes later. */
  readonly isFinal: boolean
}

/** A warning is open while the evidence for it is this strong. */
const LOG_WARNING = Math.log(20)
/** A wrong share of the traffic is told from this evidence on; not in the first moments after a change of shares. */
const LOG_MISMATCH = Math.log(100)
const SETTLED_MS = 2000

export function verdictOn(state: SequentialState, tick: JudgeTick): Answer {
  const { question, decided } = state
  const replicas = crashLoop(question, tick.candidate) ?? failingHealth(question, tick.candidate)
  if (replicas) return { verdict: replicas, isFinal: false }
  if (decided) return { verdict: decided, isFinal: true }
  if (!tick.hasData) return { verdict: noData(question), isFinal: false }
  const worse = worseThanStable(state) ?? worseThanBefore(state)
  if (worse) return { verdict: unhealthy(state, tick, worse), isFinal: true }
  const broken = deadNow(state) ?? limitBroken(state)
  if (broken) return onBrokenLimit(state, tick, broken)
  const verdict = tooFew(state, tick) ?? warned(state, tick) ?? standing(state, tick)
  return { verdict: withWarnings(state, tick, verdict), isFinal: false }
}

// --- back --------------------------------------------------------------------------------------------------

/** A fault that stable has too is not cured by going back. */
function onBrokenLimit(state: SequentialState, tick: JudgeTick, broken: Finding): Answer {
  const { margin } = state.question.triggers
  const shared = isShared(
    { canary: broken.seen, stable: broken.beside },
    {
      limit: broken.limit,
      margin,
      logEvidence: relativeEvidence(state),
      logThreshold: Math.log(1 / state.alpha.guardrails),
    },
  )
  if (!shared || state.question.triggers.sharedFault === 'rollback') {
    return { verdict: unhealthy(state, tick, broken), isFinal: true }
  }
  const verdict = unknown(state, tick, 'shared-fault', {
    reason: `a fault of both versions, which going back would not cure: ${broken.reason}`,
    needs: 'an end of the fault, or sharedFault: rollback',
  })
  return { verdict: { ...verdict, evidence: evidenceOf(state, tick, broken) }, isFinal: false }
}

// --- not known yet -----------------------------------------------------------------------------------------

function tooFew(state: SequentialState, tick: JudgeTick): Verdict | null {
  const { question, stage } = state
  const { minRequests } = question.triggers
  const { canary } = stage.requests
  const missing = minRequests - canary
  if (missing > 0) {
    return unknown(state, tick, 'minimum-requests', {
      reason: `${countInWords(canary, 'request')} so far, a verdict needs ${numberInWords(minRequests)}`,
      needs: canary === 0 ? 'no requests at all: no traffic' : missingInWords(missing, canary, tick.elapsedMs),
    })
  }
  if (stage.errorsOf.canary.units > 0) return null
  const warmUp = durationInWords(state.limits.warmUpMs)
  return unknown(state, tick, 'warm-up', {
    reason: `all replicas with traffic are warming up (${warmUp} each)`,
    needs: `requests to a replica after its first ${warmUp}`,
  })
}

function warned(state: SequentialState, tick: JudgeTick): Verdict | null {
  const { release, limits, question } = state
  const { minBad } = question.triggers
  const warnings = [
    { bets: release.guardrails.errorsWarning, limit: limits.errorRateWarning, did: 'failed' },
    {
      bets: release.guardrails.slowWarning,
      limit: SLOW_LIMIT,
      did: `took longer than ${durationInWords(limits.slowWarningMs)}`,
    },
  ]
  for (const { bets, limit, did } of warnings) {
    const evidence = limit === null ? 0 : logExcess(bets, limit, minBad)
    if (limit === null || evidence < LOG_WARNING) continue
    const seen = tallyInWords(bestBet(bets, limit), did)
    return unknown(state, tick, 'warning', {
      reason: `${seen}, above the warning of ${percentInWords(limit, 1)} with evidence ${evidenceInWords(evidence)}`,
      needs: 'fewer of them, or a decision of a person',
    })
  }
  return null
}

/** Healthy when every metric is shown to be good; after the monitor time when none looks worse. */
function standing(state: SequentialState, tick: JudgeTick): Verdict {
  const { question, stage } = state
  const arms = armsOf(state).map((arm) => ({ ...arm, standing: standingOf(arm.canary, arm.stable, arm.alone) }))
  const open = arms.find((arm) => !arm.standing.isProven)
  if (!open) return healthy(state, tick, arms.map((arm) => atMostInWords(arm)).join('; '))
  const isOver = tick.elapsedMs >= question.monitorMs
  if (!isOver) {
    const missing = unitsMissing(open.canary, open.stable, open.alone)
    return unknown(state, tick, 'not-shown', {
      reason: `${open.standing.looksNoWorse ? 'nothing speaks against it' : 'looks worse, without proof'}; not shown yet: ${atMostInWords(open)}, wanted ${percentInWords(open.standing.limit, 1)}`,
      needs: missingInWords(missing, stage.requests.canary, tick.elapsedMs),
    })
  }
  const worse = arms.find((arm) => !arm.standing.looksNoWorse)
  if (!worse) return healthy(state, tick, `looks no worse after its time, though not shown: ${atMostInWords(open)}`)
  return unknown(state, tick, 'inconclusive', {
    reason: `looks worse, without proof: ${worse.name} ${percentInWords(worse.canary.bad, worse.canary.units)}${worse.stable ? `, stable ${percentInWords(worse.stable.bad, worse.stable.units)}` : ''}`,
    needs: missingInWords(unitsMissing(worse.canary, worse.stable, worse.alone), stage.requests.canary, tick.elapsedMs),
  })
}

/** What has to be shown of each metric. Without a control the errors before stand in for it; `alone` without both. */
function armsOf({ question, stage, release, limits }: SequentialState) {
  const beside = (stable: Tally) => (question.control ? stable : null)
  const before = release.before.units > 0 ? release.before : null
  return [
    {
      name: 'error rate',
      canary: stage.errorsOf.canary,
      stable: beside(stage.errorsOf.stable) ?? before,
      alone: limits.errorRateWarning ?? 1,
    },
    {
      name: `requests slower than ${durationInWords(limits.slowMs)}`,
      canary: stage.slowOf.canary,
      stable: beside(stage.slowOf.stable),
      alone: SLOW_LIMIT,
    },
    ...Object.entries(stage.metrics).map(([name, { canary, stable }]) => {
      return { name, canary, stable: beside(stable), alone: 1 }
    }),
  ]
}

function atMostInWords({ name, canary, standing: { canaryAtMost } }: StandingArm): string {
  return `${name} ${percentInWords(canary.bad, canary.units)}, at most ${percentInWords(canaryAtMost, 1)}`
}

interface StandingArm {
  readonly name: string
  readonly canary: Tally
  readonly standing: { readonly canaryAtMost: number }
}

// --- verdicts ----------------------------------------------------------------------------------------------

function unhealthy(state: SequentialState, tick: JudgeTick, finding: Finding): Verdict {
  return {
    kind: 'unhealthy',
    rule: finding.rule,
    reason: finding.reason,
    evidence: evidenceOf(state, tick, finding),
    weakerEvidence: state.stage.isAlone,
  }
}

function healthy(state: SequentialState, tick: JudgeTick, reason: string): Verdict {
  return {
    kind: 'healthy',
    rule: 'none',
    reason,
    evidence: evidenceOf(state, tick),
    weakerEvidence: state.stage.isAlone,
  }
}

function unknown(
  state: SequentialState,
  tick: JudgeTick,
  rule: RuleName,
  words: { readonly reason: string; readonly needs: string },
): Verdict {
  return {
    kind: 'unknown',
    rule,
    ...words,
    evidence: evidenceOf(state, tick),
    weakerEvidence: state.stage.isAlone,
  }
}

function withWarnings(state: SequentialState, tick: JudgeTick, verdict: Verdict): Verdict {
  const { weightPercent } = state.question
  const { canary, stable } = state.stage.requests
  if (state.stage.isAlone || weightPercent === undefined || weightPercent <= 0 || weightPercent >= 100) return verdict
  if (tick.elapsedMs < SETTLED_MS || canary + stable === 0) return verdict
  const evidence = logMismatch(canary, stable, weightPercent / 100)
  if (evidence < LOG_MISMATCH) return verdict
  const share = percentInWords(canary, canary + stable)
  return {
    ...verdict,
    warnings: [
      `the candidate gets ${share} of the requests, not ${weightPercent} % (evidence ${evidenceInWords(evidence)})`,
    ],
  }
}

/** The numbers of a finding, or those of the error rate. */
function evidenceOf(state: SequentialState, tick: JudgeTick, finding?: Finding): Evidence {
  const { stage, limits } = state
  const seen = finding?.seen ?? { units: stage.requests.canary, bad: stage.failures }
  const beside = finding?.beside ?? stage.errorsOf.stable
  const numbers = ({ units, bad }: Tally) => ({ units, bad, share: units === 0 ? 0 : bad / units })
  return {
    ...numbers(seen),
    limit: finding?.limit ?? limits.errorRate ?? 1,
    windowMs: tick.elapsedMs,
    ...(!stage.isAlone && { control: numbers(beside), comparison: comparisonOf(state) }),
  }
}

function comparisonOf({ stage, release, alpha }: SequentialState): ComparisonEvidence {
  const { bad, canaryBad, crossesAt, isOver, spent } = stage.boundary
  const taken = fullPurse(alpha.whole).errorRate - alpha.left.errorRate - alpha.stage.errorRate
  return {
    logEvidence: logEvidence(release.errors),
    logThreshold: alpha.cumulative > 0 ? Math.log(1 / alpha.cumulative) : null,
    ratio: ratioBounds(release.ratio, RATIO_ALPHA),
    boundary: isOver ? null : { bad, candidateBad: canaryBad, crossesAt },
    alphaSpent: taken + spent + stage.coldBoundary.spent,
    alpha: alpha.whole,
    path: stage.path,
  }
}
