// Time that passes when nothing else is left to do. Unlike the fake clock's, sleeps of many sleepers do not add up.
import type { Clock } from '../../src/effects/ports/clock.ts'

interface Timer {
  readonly atMs: number
  readonly fire: () => void
}

export interface VirtualTime {
  nowMs(): number
  wall(): string
  /** The clock of one process; once it is dead, no sleep of its ever ends. */
  clock(isDead: () => boolean): Clock
  /**
   * Lets time pass until the work is done. `onPassed` is told how much did each time.
   *
   * @throws Error when the work waits for what no time brings, or for more than an hour
   */
  run<T>(work: Promise<T>, onPassed: (elapsedMs: number) => void): Promise<T>
}

/** Turns of the event loop in which everybody who can go on does so. */
const TURNS = 3
/** Who has waited for so many rounds while nobody waited for time waits for ever. */
const IDLE_ROUNDS = 1000
/** Work that takes longer never ends. */
const LONGEST_MS = 3_600_000

export function virtualTime(): VirtualTime {
  let nowMs = 0
  const timers: Timer[] = []
  const wall = () => new Date(Date.UTC(2026, 0, 6, 10) + nowMs).toISOString()

  function add(timer: Timer): void {
    const index = timers.findLastIndex(({ atMs }) => atMs <= timer.atMs)
    timers.splice(index + 1, 0, timer)
  }

  return {
    nowMs: () => nowMs,
    wall,
    clock: (isDead) => ({
      monotonicMs: () => nowMs,
      wall,
      sleep(ms, signal) {
        if (signal?.aborted && !isDead()) return Promise.resolve()
        return new Promise((resolve) => {
          const fire = () => {
            if (!isDead()) resolve()
          }
          add({ atMs: nowMs + ms, fire })
          signal?.addEventListener('abort', fire, { once: true })
        })
      },
    }),
    async run(work, onPassed) {
      let isDone = false
      const done = work.finally(() => {
        isDone = true
      })
      done.catch(() => {})
      const lastMs = nowMs + LONGEST_MS
      for (let idleRounds = 0; ; ) {
        for (let turn = 0; turn < TURNS && !isDone; turn++) await new Promise((resolve) => setImmediate(resolve))
        if (isDone) return done
        const [next] = timers
        if (!next && ++idleRounds > IDLE_ROUNDS) throw new Error('the work waits for nothing that comes')
        if (!next) continue
        if (next.atMs > lastMs) throw new Error('an hour has passed, and the work is not done')
        const elapsedMs = next.atMs - nowMs
        nowMs = next.atMs
        if (elapsedMs > 0) onPassed(elapsedMs)
        while (timers[0] && timers[0].atMs <= nowMs) timers.shift()!.fire()
      }
    },
  }
}
