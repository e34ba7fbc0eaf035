import type { SlotName } from './names.ts'

/**
 * Upper edges of the latency histogram in milliseconds. Fixed, so that counts of two processes or two
 * days can be added. The last bucket, above the last edge, is implied.
 */
export const LATENCY_EDGES_MS = [
  5, 10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000, 7500, 10_000, 30_000,
] as const

export const LATENCY_BUCKETS = LATENCY_EDGES_MS.length + 1

/** Index of the first bucket whose edge is at least `ms`. */
export function latencyBucket(ms: number): number {
  let low = 0
  let high: number = LATENCY_EDGES_MS.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ms <= LATENCY_EDGES_MS[middle]!) high = middle
    else low = middle + 1
  }
  return low
}

/** Counts of one replica in one second, attributed to the revision that served it. */
export interface Cell {
  readonly slot: SlotName
  readonly revision: string
  readonly replica: string
  /** Second on the data plane's own monotonic clock; only comparable with cells of the same source. */
  readonly second: number
  readonly requests: number
  /** 5xx answers and connection failures. */
  readonly failures: number
  /** One count per bucket, `LATENCY_BUCKETS` long. */
  readonly latency: readonly number[]
}

/** Sums of cells. */
export interface Counts {
  readonly requests: number
  readonly failures: number
  readonly latency: readonly number[]
}

export const noCounts: Counts = { requests: 0, failures: 0, latency: new Array(LATENCY_BUCKETS).fill(0) }

export function addCounts(a: Counts, b: Counts): Counts {
  return {
    requests: a.requests + b.requests,
    failures: a.failures + b.failures,
    latency: a.latency.map((count, bucket) => count + b.latency[bucket]!),
  }
}

/** Requests slower than `edgeMs`, which must be one of `LATENCY_EDGES_MS`. */
export function slowerThan(counts: Counts, edgeMs: number): number {
  const bucket = LATENCY_EDGES_MS.indexOf(edgeMs as (typeof LATENCY_EDGES_MS)[number])
  if (bucket < 0) throw new RangeError(`${edgeMs} ms is not an edge of the latency histogram`)
  return counts.latency.slice(bucket + 1).reduce((sum, count) => sum + count, 0)
}

/** Upper edge of the bucket that holds the quantile, or null when there are no requests. */
export function latencyQuantile(counts: Counts, quantile: number): number | null {
  const total = counts.latency.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let seen = 0
  for (const [bucket, count] of counts.latency.entries()) {
    seen += count
    if (seen >= quantile * total) return LATENCY_EDGES_MS[bucket] ?? Number.POSITIVE_INFINITY
  }
  return Number.POSITIVE_INFINITY
}
