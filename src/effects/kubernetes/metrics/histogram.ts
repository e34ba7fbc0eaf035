// A cumulative histogram of somebody else's edges as ours.
import { LATENCY_BUCKETS, latencyBucket } from '../../../domain/counts.ts'

/** Requests that took at most `le` milliseconds, since the program started. */
export interface CumulativeBucket {
  readonly le: number
  readonly count: number
}

/**
 * Each bucket goes into ours that holds its upper edge: where edges differ, requests look slower, never faster.
 *
 * @returns one count per bucket of ours, since the program started
 */
export function asLatencyCounts(buckets: readonly CumulativeBucket[]): number[] {
  const counts: number[] = new Array(LATENCY_BUCKETS).fill(0)
  let below = 0
  for (const { le, count } of buckets.toSorted((a, b) => a.le - b.le)) {
    counts[latencyBucket(le)]! += Math.max(0, count - below)
    below = Math.max(below, count)
  }
  return counts
}
