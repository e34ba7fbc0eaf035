import { expect, test } from 'vitest'
import { systemClock } from '../../src/effects/clock/system.ts'

test('clock: a sleep is never shorter than asked for', async () => {
  for (const ms of [0, 1, 7, 20]) {
    const start = systemClock.monotonicMs()
    await systemClock.sleep(ms)
    expect(systemClock.monotonicMs() - start).toBeGreaterThanOrEqual(ms)
  }
})

test('clock: an abort ends a sleep without an error, even one longer than a timer can be', async () => {
  const abort = new AbortController()
  const slept = systemClock.sleep(100 * 24 * 3_600_000, abort.signal)
  abort.abort()
  await slept
})

test('clock: a sleep that begins aborted ends at once', async () => {
  await systemClock.sleep(3_600_000, AbortSignal.abort())
})

test('clock: wall time is ISO 8601 in UTC', () => {
  expect(systemClock.wall()).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})
