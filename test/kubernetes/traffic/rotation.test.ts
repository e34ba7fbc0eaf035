import { expect, test } from 'vitest'
import { type AskedRoute, type Evidence, routeMemory } from '../../../src/effects/kubernetes/traffic/rotation.ts'
import { testClock } from './objects.ts'

const blue: AskedRoute = { generation: 5, shares: { blue: 100 } }
const both: AskedRoute = { generation: 5, shares: { blue: 50, canary: 50 } }
const atOnce: Evidence = { holds: true, settleMs: 0 }
const after: Evidence = { holds: true, settleMs: 2000 }
const not: Evidence = { holds: false, settleMs: 2000 }

function setUp() {
  const clock = testClock()
  const memory = routeMemory(clock)
  const see = (asked: AskedRoute, evidence: Evidence) => {
    const followed = memory.see('backend', asked, ['blue', 'canary'], evidence)
    const { generation, unprovenMs, shares } = followed
    return { generation, unprovenMs, shares, out: followed.outOfRotationMs('canary') }
  }
  return { clock, memory, see }
}

test('what is not proven yet counts for nothing, and the time starts anew when the evidence is gone', () => {
  const { clock, see } = setUp()
  expect(see(blue, after)).toEqual({ generation: 0, unprovenMs: 0, shares: { blue: 100 }, out: null })
  clock.advance(1500)
  expect(see(blue, not).unprovenMs).toBe(1500)
  clock.advance(1500)
  expect(see(blue, after).generation).toBe(0)
  clock.advance(2000)
  expect(see(blue, after)).toEqual({ generation: 5, unprovenMs: null, shares: { blue: 100 }, out: 0 })
})

test('a slot that may get something again is in rotation before that is proven', () => {
  const { clock, see } = setUp()
  see(blue, atOnce)
  clock.advance(700)
  expect(see(blue, atOnce).out).toBe(700)
  expect(see(both, not)).toEqual({ generation: 5, unprovenMs: 0, shares: { blue: 100 }, out: null })
})

test('a route that was left for a moment, by hand, is proven anew when it is back', () => {
  const { clock, memory, see } = setUp()
  see(blue, atOnce)
  see(both, after)
  expect(memory.isProven('backend', blue)).toBe(false)
  expect(see(blue, after).out).toBe(null)
  clock.advance(2000)
  expect(see(blue, after)).toEqual({ generation: 5, unprovenMs: null, shares: { blue: 100 }, out: 0 })
  expect(memory.isProven('backend', blue)).toBe(true)
})
