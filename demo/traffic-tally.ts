// What came of the requests, counted by the definition of the project:
//
//   dropped  the client got no answer of a service: the connection was refused or broke, or the platform answered
//   hurt     a service answered, but with an error (5xx) or too slowly
//
// A client cannot tell a connection cut by the platform from a replica that crashed in the middle of an answer; both
// are dropped here, so the number is never too low.
import { LATENCY_BUCKETS, latencyBucket, latencyQuantile } from '../src/domain/counts.ts'

export type Phase =
  | 'connecting'
  | 'waiting for the answer'
  | 'reading the answer'
  | 'answered by the platform'
  | 'web socket'

export interface Drop {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly phase: Phase
  readonly request: string
  /** Whether the connection had carried an earlier request. */
  readonly reusedConnection: boolean
  readonly error: string
}

export interface Answer {
  readonly status: number
  readonly ms: number
  /** What answered, by its header; null when it did not say. */
  readonly version: string | null
}

export interface VersionCounts {
  answers: number
  errors: number
  slow: number
}

export interface TrafficReport {
  readonly elapsedMs: number
  /** Finished: answered or dropped. */
  readonly requests: number
  readonly inFlight: number
  /** Due, but not sent, because the client had too many in flight already. */
  readonly notSent: number
  /** Failures of the client's own machine, such as no free port; in no other number. */
  readonly ownFailures: number
  readonly dropped: number
  /** The first few. */
  readonly drops: readonly Drop[]
  readonly hurt: number
  readonly errors: number
  readonly slow: number
  readonly statuses: Readonly<Record<string, number>>
  readonly versions: Readonly<Record<string, Readonly<VersionCounts>>>
  /** Upper edge of the histogram's bucket; null without answers. */
  readonly latencyMs: { readonly p50: number | null; readonly p95: number | null; readonly p99: number | null }
  /** Milliseconds since 1970; null when there was none. */
  readonly firstHurtAt: number | null
  readonly lastHurtAt: number | null
  readonly lastDropAt: number | null
  readonly sockets: Readonly<SocketCounts>
  /** With 0 dropped: share of dropped requests that is compatible with it at 95 %; else null. */
  readonly droppedUpperBound95: number | null
}

export interface SocketCounts {
  opened: number
  roundTrips: number
  /** Echoes that were not what had been sent. */
  wrongEchoes: number
  /** Closed with 1001 at the drain time, as announced: not dropped. */
  streamsCut: number
}

/** With 0 of `n` seen, the true share is below this with 95 % confidence (rule of three); 1 when n is 0. */
export const upperBound95 = (n: number): number => Math.min(1, n === 0 ? 1 : 3 / n)

const KEPT_DROPS = 20

export class Tally {
  inFlight = 0
  notSent = 0
  ownFailures = 0
  readonly sockets: SocketCounts = { opened: 0, roundTrips: 0, wrongEchoes: 0, streamsCut: 0 }
  readonly #slowMs: number
  readonly #startedAt = performance.now()
  readonly #statuses: Record<string, number> = {}
  readonly #versions: Record<string, VersionCounts> = {}
  readonly #latency: number[] = new Array(LATENCY_BUCKETS).fill(0)
  readonly #drops: Drop[] = []
  #answers = 0
  #dropped = 0
  #errors = 0
  #slow = 0
  #hurt = 0
  #firstHurtAt: number | null = null
  #lastHurtAt: number | null = null
  #lastDropAt: number | null = null

  constructor(slowMs: number) {
    this.#slowMs = slowMs
  }

  answered({ status, ms, version }: Answer): void {
    const isError = status >= 500
    const isSlow = ms > this.#slowMs
    const own = this.#countsOf(version ?? 'unknown')
    this.#answers += 1
    own.answers += 1
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1
    this.#latency[latencyBucket(ms)]! += 1
    if (isError) {
      this.#errors += 1
      own.errors += 1
    }
    if (isSlow) {
      this.#slow += 1
      own.slow += 1
    }
    if (isError || isSlow) this.#noteHurt()
  }

  #countsOf(version: string): VersionCounts {
    this.#versions[version] ??= { answers: 0, errors: 0, slow: 0 }
    return this.#versions[version]
  }

  /** A stream that a service refused or failed to open. */
  streamFailed(): void {
    this.#errors += 1
    this.#noteHurt()
  }

  dropped(drop: Omit<Drop, 'at'>): void {
    this.#dropped += 1
    this.#lastDropAt = Date.now()
    if (this.#drops.length < KEPT_DROPS) this.#drops.push({ at: this.#lastDropAt, ...drop })
  }

  #noteHurt(): void {
    this.#hurt += 1
    this.#lastHurtAt = Date.now()
    this.#firstHurtAt ??= this.#lastHurtAt
  }

  report(): TrafficReport {
    const requests = this.#answers + this.#dropped
    const counts = { requests: this.#answers, failures: this.#errors, latency: this.#latency }
    return {
      elapsedMs: performance.now() - this.#startedAt,
      requests,
      inFlight: this.inFlight,
      notSent: this.notSent,
      ownFailures: this.ownFailures,
      dropped: this.#dropped,
      drops: [...this.#drops],
      hurt: this.#hurt,
      errors: this.#errors,
      slow: this.#slow,
      statuses: { ...this.#statuses },
      versions: structuredClone(this.#versions),
      latencyMs: {
        p50: latencyQuantile(counts, 0.5),
        p95: latencyQuantile(counts, 0.95),
        p99: latencyQuantile(counts, 0.99),
      },
      firstHurtAt: this.#firstHurtAt,
      lastHurtAt: this.#lastHurtAt,
      lastDropAt: this.#lastDropAt,
      sockets: { ...this.sockets },
      droppedUpperBound95: this.#dropped === 0 ? upperBound95(requests) : null,
    }
  }
}
