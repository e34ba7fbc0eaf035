import { expect, test } from 'vitest'
import { mergedStatus } from '../../src/effects/local/front/merged-status.ts'
import type { FrontStatus } from '../../src/effects/local/protocol.ts'

/** One service with one slot and one replica in it. */
function front(inFlight: number, outOfRotationMs: number | null, generation = 1): FrontStatus['services'] {
  const replicas = [{ replica: 'a', revision: 'one', inFlight, outOfRotationMs }]
  const slot = { inFlight, outOfRotationMs, endpoints: 1, replicas }
  return { web: { generation, shares: { blue: 100 }, slots: { blue: slot } } }
}

function seen(services: FrontStatus['services']) {
  const { inFlight, outOfRotationMs, replicas } = services['web']!.slots['blue']!
  expect(replicas[0]).toMatchObject({ inFlight, outOfRotationMs })
  return { inFlight, outOfRotationMs }
}

test('status of two fronts: in flight is what both have', () => {
  expect(seen(mergedStatus(front(2, null), front(3, null), true)).inFlight).toBe(5)
})

test.each([
  [500, 300, 300],
  [300, 500, 300],
  [null, 500, null],
  [500, null, null],
])('status of two fronts: out of rotation for %s and %s is for %s', (own, earlier, both) => {
  expect(seen(mergedStatus(front(0, own), front(0, earlier), true)).outOfRotationMs).toBe(both)
})

test('status of two fronts: until the earlier one has confirmed the last change, nothing is out of rotation', () => {
  const merged = mergedStatus(front(0, 500, 7), front(0, 900, 6), false)
  expect(seen(merged).outOfRotationMs).toBe(null)
  expect(merged['web']!.generation).toBe(6)
})

test('status of two fronts: what only one of them knows is there', () => {
  expect(mergedStatus(front(1, 500), {}, true)).toEqual(front(1, 500))
  const { endpoints, ...slot } = mergedStatus({}, front(1, 500), true)['web']!.slots['blue']!
  expect({ ...slot, endpoints }).toEqual({ ...front(1, 500)['web']!.slots['blue'], endpoints: 0 })
})
