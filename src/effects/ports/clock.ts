/** Time for everything outside the pure folders. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number
  /** Wall time as ISO 8601 in UTC, for display and the journal only. */
  wall(): string
  /** Resolves after `ms`, or at once when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
