// Which replicas of the canary are still cold?
//
// Intuition: a fresh process has empty caches and connection pools. Its first half minute is worse than stable's for
// reasons that pass, and would give 27 % false rollbacks. So a replica's first seconds with traffic are left out of
// the comparisons; a tenth of the chance of a false alarm watches them for a canary that is five times as bad.
// Hypothesis: none of its own.
// What makes it valid: a replica is left out by its age alone, whatever it did.
// Source: docs/judgement.md.
import type { Cell } from '../domain/counts.ts'

export interface ReplicaAges {
  /** Second of the data plane's clock since which each replica has had requests; −1 for one that is warm for good. */
  readonly since: Readonly<Record<string, number>>
}

/** What a cold canary may be worse by without being taken back. */
export const WARM_UP_MARGIN = 5

export const noAges: ReplicaAges = { since: {} }

const WARM = -1
/** A short stage is not spent on warming up. */
const LARGEST_PART = 1 / 5
/** Replicas that are remembered, the newest ones. */
const MOST_REPLICAS = 200

/** How long replicas are cold in a stage; `monitorMs` 0 is one without an end. */
export function warmUpIn(monitorMs: number, warmUpMs: number): number {
  return monitorMs > 0 ? Math.min(warmUpMs, monitorMs * LARGEST_PART) : warmUpMs
}

/** How long a stage's warm-up is if it shall compare for this long after it. */
export function warmUpBefore(comparedMs: number, warmUpMs: number): number {
  return Math.min(warmUpMs, (comparedMs * LARGEST_PART) / (1 - LARGEST_PART))
}

/** Tells cold cells from warm ones, and remembers who was seen. Cells come in order of their seconds. */
export function sortByAge(ages: ReplicaAges, cells: readonly Cell[], warmUpSeconds: number) {
  const since: Record<string, number> = { ...ages.since }
  const warm: Cell[] = []
  const cold: Cell[] = []
  for (const cell of cells) {
    const first = firstSecond(since[cell.replica], cell.second)
    const isWarm = first === WARM || cell.second - first >= warmUpSeconds
    since[cell.replica] = isWarm ? WARM : first
    ;(isWarm ? warm : cold).push(cell)
  }
  return { ages: { since: newest(since) }, warm, cold }
}

/** A clock that went back was started anew with the data plane; a replica that was cold then starts once more. */
function firstSecond(known: number | undefined, second: number): number {
  return known === undefined || known > second ? second : known
}

function newest(since: Record<string, number>): Record<string, number> {
  const entries = Object.entries(since)
  return entries.length <= MOST_REPLICAS ? since : Object.fromEntries(entries.slice(-MOST_REPLICAS))
}
