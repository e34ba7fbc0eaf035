// Is it the canary's fault?
//
// Intuition: when a database is down, both versions fail. Taking the canary back cures nothing and loses the release;
// tools that compare with a limit alone do so every time.
// Hypothesis: stable keeps the limit that the canary broke.
// What makes it valid: it only ever prevents a rollback, so it cannot raise a false alarm. It hides a canary's own
// fault only while stable breaks the same limit and the comparison of the two says less than 10 : 1.
// Source: docs/judgement.md.

/** Evidence from which on the canary is held to be worse than stable, whatever stable does. */
const LOG_OWN_FAULT = Math.log(10)

export function isShared(facts: { readonly stableBreaksToo: boolean; readonly logRelativeEvidence: number }): boolean {
  return facts.stableBreaksToo && facts.logRelativeEvidence < LOG_OWN_FAULT
}

/** Evidence on stable from which on it is held to break the limit too. */
export const LOG_STABLE_BREAKS = Math.log(10)
