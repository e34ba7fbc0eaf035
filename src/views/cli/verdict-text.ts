// Verdicts for programs and for people.
import type { SeriesVerdict } from '../../verbs/series.ts'

/** One verdict as a JSON document with stable names. */
export function verdictDocument({ t, verdict }: SeriesVerdict) {
  const { kind, rule, reason, evidence, weakerEvidence, needs } = verdict
  const comparison = evidence?.comparison
  return {
    t,
    verdict: kind,
    rule,
    lnE: comparison?.logEvidence ?? null,
    boundary: comparison?.boundary ?? null,
    alphaSpent: comparison?.alphaSpent ?? null,
    ratio: comparison?.ratio ?? null,
    weakerEvidence,
    reason,
    ...(needs ? { needs } : {}),
  }
}
