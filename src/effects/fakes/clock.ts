import type { Clock } from '../ports/clock.ts'

/** Virtual time: `sleep` moves it on and lets everything that is ready to run, run. */
export interface FakeClock extends Clock {
  advance(ms: number): void
}

export function fakeClock(): FakeClock {
  let nowMs = 0
  return {
    monotonicMs: () => nowMs,
    wall: () => new Date(Date.UTC(2026, 0, 6, 10) + nowMs).toISOString(),
    async sleep(ms, signal) {
      if (!signal?.aborted) nowMs += ms
      await new Promise((resolve) => setImmediate(resolve))
    },
    advance(ms) {
      nowMs += ms
    },
  }
}
