// Is it the canary's fault?
//
// Intuition: when a database is down, both versions fail. Taking the canary back cures nothing and loses the release;
// tools that compare with a limit alone do so every time.
// Hypothesis: stable kept the limit that the canary broke, over the same time.
// What makes it valid: it only ever prevents a rollback, so it cannot raise a false alarm. It hides a canary's own
// fault only while stable breaks the limit too and the two cannot be told apart: not by 10 : 1 in the comparison of
// warm replicas, and not as clearly as a limit has to be broken in the requests at hand, cold replicas among them.
// Source: docs/judgement.md.
import type { Comparison } from './comparison.ts'
import { betOn, logEvidence, noEvidence } from './relative-evidence.ts'

/** Evidence of the comparison from which on the canary is held to be worse than stable, whatever stable does. */
const LOG_OWN_FAULT = Math.log(10)

export function isShared(
  seen: Comparison,
  facts: {
    readonly limit: number
    readonly margin: number
    /** Of the comparison. */
    readonly logEvidence: number
    /** That breaks a limit. */
    readonly logThreshold: number
  },
): boolean {
  const { units, bad } = seen.stable
  const stableToo = units > 0 && bad > facts.limit * units
  if (!stableToo || facts.logEvidence >= LOG_OWN_FAULT) return false
  return logEvidence(betOn(noEvidence, seen, facts.margin)) < facts.logThreshold
}
