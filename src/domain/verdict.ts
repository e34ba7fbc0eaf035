/** Which rule spoke. New judges add their own. */
export const ruleNames = [
  'error-rate',
  'latency',
  'crash-loop',
  'failing-health',
  'minimum-requests',
  'no-data',
  'none',
  // Of the sequential judge.
  'dead-man',
  'relative-error-rate',
  'relative-latency',
  'relative-metric',
  'cold-start',
  'before-after',
  'shared-fault',
  'warning',
  'warm-up',
  'not-shown',
  'inconclusive',
] as const
export type RuleName = (typeof ruleNames)[number]

/** Numbers a verdict rests on, as they were when it was reached. */
export interface Evidence {
  readonly units: number
  readonly bad: number
  /** bad / units, 0 when there are no units. */
  readonly share: number
  /** The limit the share was compared with, same unit as `share`. */
  readonly limit: number
  /** Length of data in milliseconds that the numbers cover. */
  readonly windowMs: number
  /** The same numbers of the version it was compared with, where there was one. */
  readonly control?: { readonly units: number; readonly bad: number; readonly share: number }
  /** Of a judge that compares the two by a test. */
  readonly comparison?: ComparisonEvidence
}

/** How far a comparison of the candidate with its control has come. */
export interface ComparisonEvidence {
  /** Natural logarithm of the evidence that the candidate is worse than its margin; ln 340 is "340 : 1". */
  readonly logEvidence: number
  /** Where it goes back by that evidence alone; null where no chance of a false alarm is left for it. */
  readonly logThreshold: number | null
  /** The candidate's rate as a multiple of the control's, with 95 % at all times together; null: no bound. */
  readonly ratio: { readonly low: number | null; readonly best: number | null; readonly high: number | null }
  /** The exact test: so many bad units, so many of them the candidate's, and how many would take it back. */
  readonly boundary: { readonly bad: number; readonly candidateBad: number; readonly crossesAt: number } | null
  /** Chance of a false alarm that the release has used up, and that it may use in all. */
  readonly alphaSpent: number
  readonly alpha: number
  readonly path?: EvidencePath
}

/** How it came there in the stage: one number per stretch of monitor time, 1 where it takes the candidate back. */
export interface EvidencePath {
  readonly everyMs: number
  /** Of the exact test. */
  readonly boundary: readonly number[]
  /** Of the logarithm of the evidence. */
  readonly evidence: readonly number[]
}

/**
 * What the analysis knows of a candidate. `unknown` is a verdict of its own: it never promotes and never
 * rolls back by itself.
 */
export interface Verdict {
  readonly kind: 'healthy' | 'unhealthy' | 'unknown'
  readonly rule: RuleName
  /** One sentence for people, with the numbers in it. */
  readonly reason: string
  readonly evidence: Evidence | null
  /** True where nothing runs beside the candidate to compare it with. */
  readonly weakerEvidence: boolean
  /** Of an `unknown` verdict: what is still needed, in words. */
  readonly needs?: string
  /** Of a candidate without users' requests: what requests of our own have shown. */
  readonly probes?: ProbeEvidence
  /** What people should know beside it, such as a share of the traffic that is not the configured one. */
  readonly warnings?: readonly string[]
}

/** Requests that were sent to look, not to use. */
export interface ProbeEvidence {
  readonly sent: number
  readonly passed: number
}

/** Nobody has sent the candidate anything. */
export function isQuiet({ kind, rule, evidence }: Verdict): boolean {
  return kind === 'unknown' && rule === 'minimum-requests' && (evidence?.units ?? 0) === 0
}
