/** Which rule spoke. New judges add their own. */
export const ruleNames = [
  'error-rate',
  'latency',
  'crash-loop',
  'failing-health',
  'minimum-requests',
  'no-data',
  'none',
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
}
