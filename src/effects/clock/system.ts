import { setTimeout } from 'node:timers/promises'
import type { Clock } from '../ports/clock.ts'

/** Node's timers fire at once when they are asked to wait longer than this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The clocks of this machine. Monotonic time stands still while the machine sleeps. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),

  wall: () => new Date().toISOString(),

  async sleep(ms, signal) {
    const end = performance.now() + ms
    // A timer may fire a fraction of a millisecond early, so what is left is waited for again.
    for (let left = ms; left > 0 && !signal?.aborted; left = end - performance.now()) {
      await setTimeout(Math.min(Math.ceil(left), LONGEST_TIMER_MS), undefined, { signal }).catch(() => undefined)
    }
  },
}
