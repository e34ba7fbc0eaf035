// The decision rules of other tools, from their documented behaviour, on counts per minute.
//
// Flagger: `request-success-rate` below `thresholdRange.min` fails a check, checks are made every `interval`, and a
//   check that finds `threshold` failed ones before it rolls back. Source: docs.flagger.app, "How it works".
// Argo Rollouts: a measurement that misses `successCondition` fails, and more than `failureLimit` failed ones abort.
//   Source: argo-rollouts.readthedocs.io, "Analysis & Progressive Delivery".
// Kayenta: a two-sided Mann–Whitney U test with 98 % confidence over the points of both versions, once, at the end.
//   Source: spinnaker.io, "Canary judge". Its tolerance for small effects is left out, in its favour.

export interface Minute {
  readonly canary: { readonly units: number; readonly bad: number }
  readonly stable: { readonly units: number; readonly bad: number }
}

const LOWEST_SUCCESS = 0.99

function hasFailed({ canary }: Minute): boolean {
  return canary.units > 0 && 1 - canary.bad / canary.units < LOWEST_SUCCESS
}

/** Minute, counted from 1, in which it rolls back; null if it does not. `threshold: 5`, `interval: 1m`, 99 %. */
export function flagger(minutes: readonly Minute[]): number | null {
  let failed = 0
  for (const [at, minute] of minutes.entries()) {
    if (failed >= 5) return at + 1
    if (hasFailed(minute)) failed++
  }
  return null
}

/** `failureLimit: 3`, `interval: 1m`, `successCondition: result >= 0.99` */
export function argo(minutes: readonly Minute[]): number | null {
  let failed = 0
  for (const [at, minute] of minutes.entries()) {
    if (hasFailed(minute)) failed++
    if (failed > 3) return at + 1
  }
  return null
}

/** Sixty points of a minute each. */
export function kayenta(minutes: readonly Minute[]): number | null {
  const rates = (arm: 'canary' | 'stable') => minutes.map((minute) => minute[arm].bad / Math.max(1, minute[arm].units))
  return mannWhitney(rates('canary'), rates('stable')) > 2.326 ? minutes.length : null
}

/** Standard score of the rank sum of `a`, with the usual corrections for ties and continuity; above 0: `a` is larger. */
function mannWhitney(a: readonly number[], b: readonly number[]): number {
  const all = [...a.map((value) => ({ value, isA: true })), ...b.map((value) => ({ value, isA: false }))]
  all.sort((x, y) => x.value - y.value)
  let rankSum = 0
  let ties = 0
  for (let start = 0; start < all.length; ) {
    let end = start
    while (end < all.length && all[end]!.value === all[start]!.value) end++
    const same = end - start
    rankSum += ((start + end + 1) / 2) * all.slice(start, end).filter(({ isA }) => isA).length
    ties += same ** 3 - same
    start = end
  }
  const n = all.length
  const excess = rankSum - (a.length * (a.length + 1)) / 2 - (a.length * b.length) / 2
  const variance = ((a.length * b.length) / 12) * (n + 1 - ties / (n * (n - 1)))
  return variance === 0 ? 0 : (excess - 0.5 * Math.sign(excess)) / Math.sqrt(variance)
}
