// Shares α, the chance of throwing away a good version, over everything that may take a release back.
//
// Intuition: every test that may raise a false alarm gets a part of the purse; the purse is never refilled.
// Hypothesis: none of its own.
// What makes it valid: the chance that any of several tests raises a false alarm is at most the sum of theirs. A stage
// takes half of what is left and the last stage all of it, so the sum holds for any number of stages, and for a
// release of which it is not known how many are to come.
// Source: Bonferroni's inequality; docs/judgement.md.

/** What is left of α for the stages to come. */
export interface AlphaPurse {
  readonly errorRate: number
  readonly latency: number
  readonly otherMetrics: number
}

/** Chances of a false alarm, of one stage or of the whole release. */
export interface StageAlpha {
  readonly errorRate: number
  readonly latency: number
  readonly otherMetrics: number
}

const SHARES: AlphaPurse = { errorRate: 0.5, latency: 0.2, otherMetrics: 0.1 }
const GUARDRAILS = 0.1
const CUMULATIVE = 0.1

export function fullPurse(alpha: number): AlphaPurse {
  return scaled(SHARES, alpha)
}

/** For the whole release: guardrails, of which there are two, and the cumulative evidence. */
export function wholeReleaseAlpha(alpha: number): { readonly guardrails: number; readonly cumulative: number } {
  return { guardrails: GUARDRAILS * alpha, cumulative: CUMULATIVE * alpha }
}

/** What a stage may spend, and what stays for those after it. */
export function takeForStage(
  purse: AlphaPurse,
  isLast: boolean,
): { readonly stage: StageAlpha; readonly left: AlphaPurse } {
  return isLast ? { stage: purse, left: scaled(purse, 0) } : { stage: scaled(purse, 0.5), left: scaled(purse, 0.5) }
}

/** The purse before a stage whose predecessors are known only by their number. */
export function purseAfter(alpha: number, stages: number): AlphaPurse {
  return scaled(fullPurse(alpha), 0.5 ** stages)
}

/** The error rate of a stage is watched by three tests. */
export function errorRateTests(stageAlpha: number): {
  readonly boundary: number
  readonly evidence: number
  readonly warmUp: number
} {
  return { boundary: 0.8 * stageAlpha, evidence: 0.1 * stageAlpha, warmUp: 0.1 * stageAlpha }
}

function scaled({ errorRate, latency, otherMetrics }: AlphaPurse, factor: number): AlphaPurse {
  return { errorRate: errorRate * factor, latency: latency * factor, otherMetrics: otherMetrics * factor }
}
