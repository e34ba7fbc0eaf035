// What every clock does, real or virtual. Nothing here says how long anything takes by a watch on the wall.
import { describe, expect, test } from 'vitest'
import type { Clock } from '../../src/effects/ports/clock.ts'

const HOUR_MS = 3_600_000

export function describeClock(name: string, makeClock: () => Clock): void {
  describe(`clock, ${name}`, () => {
    test('a sleep is never shorter than asked for, by the clock itself', async () => {
      const clock = makeClock()
      for (const ms of [0, 1, 7, 20]) {
        const start = clock.monotonicMs()
        await clock.sleep(ms)
        expect(clock.monotonicMs() - start).toBeGreaterThanOrEqual(ms)
      }
    })

    test('monotonic time never goes back', async () => {
      const clock = makeClock()
      let before = clock.monotonicMs()
      for (let look = 0; look < 100; look++) {
        const now = clock.monotonicMs()
        expect(now).toBeGreaterThanOrEqual(before)
        before = now
        if (look % 10 === 0) await clock.sleep(1)
      }
    })

    test('a sleep lets others go on', async () => {
      const clock = makeClock()
      let wentOn = false
      setImmediate(() => {
        wentOn = true
      })
      await clock.sleep(1)
      await clock.sleep(1)
      expect(wentOn).toBe(true)
    })

    test('an abort ends a sleep without an error', async () => {
      const clock = makeClock()
      const abort = new AbortController()
      const slept = clock.sleep(100 * 24 * HOUR_MS, abort.signal)
      abort.abort()
      await slept
    })

    test('a sleep that begins aborted ends at once and takes no time', async () => {
      const clock = makeClock()
      const start = clock.monotonicMs()
      await clock.sleep(HOUR_MS, AbortSignal.abort())
      expect(clock.monotonicMs() - start).toBeLessThan(HOUR_MS)
    })

    test('wall time is ISO 8601 in UTC', async () => {
      expect(makeClock().wall()).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    })
  })
}
