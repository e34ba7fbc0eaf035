import { expect, test } from 'vitest'
import type { Exchange } from '../../src/effects/local/front/in-flight.ts'
import type { Replica } from '../../src/effects/local/front/rotation.ts'
import { Rotation } from '../../src/effects/local/front/rotation.ts'
import { seededRandom } from './helpers.ts'

const DRAIN_MS = 5000

function start() {
  const clock = { ms: 1000 }
  const rotation = new Rotation({ now: () => clock.ms, random: seededRandom(7) })
  rotation.setTable({ services: [{ name: 'web', path: '/', stripPath: false, drainMs: DRAIN_MS }] })
  const service = rotation.services.get('web')!
  const endpoints = (slot: string, ...names: string[]) =>
    rotation.setEndpoints(
      service,
      slot,
      names.map((replica) => ({ replica, revision: 'r1', port: 1 })),
    )
  return { clock, rotation, service, endpoints }
}

function begin(replica: Replica, pinned = false): Exchange & { cuts: number } {
  const exchange = {
    pinned,
    cuts: 0,
    cut() {
      this.cuts++
      replica.active.delete(this)
    },
  }
  replica.active.add(exchange)
  return exchange
}

test('rotation: requests are shared out at random by share', () => {
  const { rotation, service, endpoints } = start()
  endpoints('blue', 'a')
  endpoints('green', 'b')
  rotation.setShares(service, { blue: 90, green: 10 }, 1)
  const picks = Array.from({ length: 10_000 }, () => rotation.pick(service)!.id)
  const green = picks.filter((id) => id === 'b').length
  // 10 % of 10,000: standard deviation 30.
  expect(green).toBeGreaterThan(880)
  expect(green).toBeLessThan(1120)
})

test('rotation: within a slot the replica with the fewest in flight is taken, and ties are broken at random', () => {
  const { rotation, service, endpoints } = start()
  endpoints('blue', 'a', 'b', 'c')
  rotation.setShares(service, { blue: 100 }, 1)
  const [a] = service.slots.get('blue')!.listed
  begin(a!)
  const picks = Array.from({ length: 1000 }, () => rotation.pick(service)!.id)
  expect(new Set(picks)).toEqual(new Set(['b', 'c']))
  expect(picks.filter((id) => id === 'b').length).toBeGreaterThan(400)
  expect(picks.filter((id) => id === 'c').length).toBeGreaterThan(400)
})

test('rotation: a replica that refused a connection is passed over for a second, unless it is the only one', () => {
  const { clock, rotation, service, endpoints } = start()
  endpoints('blue', 'a', 'b')
  rotation.setShares(service, { blue: 100 }, 1)
  const [a, b] = service.slots.get('blue')!.listed
  rotation.rest(a!)
  expect(new Set(Array.from({ length: 50 }, () => rotation.pick(service)))).toEqual(new Set([b]))
  expect(rotation.pickIn(a!.slot, b)).toBe(a)
  clock.ms += 1000
  expect(new Set(Array.from({ length: 50 }, () => rotation.pick(service)))).toEqual(new Set([a, b]))
})

test('rotation: a slot whose replicas are gone leaves its share to the others', () => {
  const { rotation, service, endpoints } = start()
  endpoints('blue', 'a')
  endpoints('green', 'b')
  rotation.setShares(service, { blue: 50, green: 50 }, 1)
  endpoints('green')
  expect(new Set(Array.from({ length: 50 }, () => rotation.pick(service)!.id))).toEqual(new Set(['a']))
  endpoints('blue')
  expect(rotation.pick(service)).toBeNull()
})

test('rotation: the longest path that the request lies below wins', () => {
  const { rotation } = start()
  const route = (name: string, path: string) => ({ name, path, stripPath: false, drainMs: DRAIN_MS })
  rotation.setTable({ services: [route('web', '/'), route('api', '/api'), route('admin', '/api/admin/')] })
  const nameFor = (path: string) => rotation.serviceFor(path)?.name
  expect(nameFor('/')).toBe('web')
  expect(nameFor('/apis')).toBe('web')
  expect(nameFor('/api')).toBe('api')
  expect(nameFor('/api?x=1')).toBe('api')
  expect(nameFor('/api/admin')).toBe('api')
  expect(nameFor('/api/admin/users')).toBe('admin')
  rotation.setTable({ services: [route('api', '/api')] })
  expect(nameFor('/')).toBeUndefined()
})

test('rotation: a slot and its replicas are out of rotation since it lost its share, and in again when it gets one', () => {
  const { clock, rotation, service, endpoints } = start()
  endpoints('blue', 'a')
  endpoints('green', 'b')
  rotation.setShares(service, { blue: 100 }, 1)
  clock.ms += 700
  const blue = () => rotation.status()['web']!.slots['blue']!
  const green = () => rotation.status()['web']!.slots['green']!
  expect([blue().outOfRotationMs, green().outOfRotationMs]).toEqual([null, 700])
  expect(green().replicas).toEqual([{ replica: 'b', revision: 'r1', inFlight: 0, outOfRotationMs: 700 }])
  rotation.setShares(service, { green: 100 }, 2)
  clock.ms += 300
  expect([blue().outOfRotationMs, green().outOfRotationMs]).toEqual([300, null])
  expect(blue().replicas[0]!.outOfRotationMs).toBe(300)
})

test('rotation: a replica that left is known with what it still answers, and forgotten after ten minutes', () => {
  const { clock, rotation, service, endpoints } = start()
  endpoints('blue', 'a', 'b')
  rotation.setShares(service, { blue: 100 }, 1)
  const [a] = service.slots.get('blue')!.listed
  const exchange = begin(a!)
  endpoints('blue', 'b')
  clock.ms += 2000
  const status = () => rotation.status()['web']!.slots['blue']!
  expect(status()).toMatchObject({ inFlight: 1, endpoints: 1, outOfRotationMs: null })
  expect(status().replicas).toContainEqual({ replica: 'a', revision: 'r1', inFlight: 1, outOfRotationMs: 2000 })
  clock.ms += 600_000
  rotation.forget()
  expect(status().replicas).toHaveLength(2)
  a!.active.delete(exchange)
  rotation.forget()
  expect(status().replicas.map(({ replica }) => replica)).toEqual(['b'])
})

test('rotation: a replica that comes back is the same one; an id that is used again means the new one', () => {
  const { clock, rotation, service, endpoints } = start()
  endpoints('blue', 'a')
  rotation.setShares(service, { blue: 100 }, 1)
  const [before] = service.slots.get('blue')!.listed
  endpoints('blue')
  clock.ms += 100
  endpoints('blue', 'a')
  expect(service.slots.get('blue')!.listed[0]).toBe(before)
  expect(before!.outSinceMs).toBeNull()
  rotation.setEndpoints(service, 'blue', [{ replica: 'a', revision: 'r2', port: 2 }])
  expect(rotation.status()['web']!.slots['blue']!.replicas).toEqual([
    { replica: 'a', revision: 'r2', inFlight: 0, outOfRotationMs: null },
  ])
})

test('rotation: a replica that was started again on another port goes on counting', () => {
  const { rotation, service, endpoints } = start()
  endpoints('blue', 'a')
  const [before] = service.slots.get('blue')!.listed
  rotation.record(before!, false, 1)
  rotation.setEndpoints(service, 'blue', [{ replica: 'a', revision: 'r1', port: 2 }])
  const [after] = service.slots.get('blue')!.listed
  expect(after).not.toBe(before)
  rotation.record(after!, true, 1)
  expect(after!.counts).toMatchObject({ requests: 2, failures: 1 })
  expect(service.cells.between(-1, 1)).toMatchObject([{ replica: 'a', requests: 2, failures: 1 }])
})

test('rotation: what is in flight is cut once the drain time of its replica is over, not before', () => {
  const { clock, rotation, service, endpoints } = start()
  endpoints('blue', 'a')
  endpoints('green', 'b')
  rotation.setShares(service, { blue: 100 }, 1)
  const exchange = begin(service.slots.get('blue')!.listed[0]!)
  rotation.setShares(service, { green: 100 }, 2)
  clock.ms += DRAIN_MS - 1
  rotation.cutOverdue()
  expect(exchange.cuts).toBe(0)
  clock.ms += 1
  rotation.cutOverdue()
  expect(exchange.cuts).toBe(1)
})

test('rotation: a pinned request to a slot without share gets its drain time from when its replica leaves', () => {
  const { clock, rotation, service, endpoints } = start()
  endpoints('blue', 'a')
  rotation.setShares(service, {}, 1)
  clock.ms += 10 * DRAIN_MS
  const [a] = service.slots.get('blue')!.listed
  const pinned = begin(a!, true)
  rotation.cutOverdue()
  expect(pinned.cuts).toBe(0)
  endpoints('blue')
  expect(rotation.status()['web']!.slots['blue']!.replicas[0]).toMatchObject({ inFlight: 1, outOfRotationMs: 0 })
  clock.ms += DRAIN_MS
  rotation.cutOverdue()
  expect(pinned.cuts).toBe(1)
})

test('rotation: a service that left the table gets nothing new and is known until it is empty', () => {
  const { clock, rotation, service, endpoints } = start()
  endpoints('blue', 'a')
  rotation.setShares(service, { blue: 100 }, 1)
  const exchange = begin(service.slots.get('blue')!.listed[0]!)
  rotation.setTable({ services: [] })
  expect(rotation.serviceFor('/')).toBeNull()
  expect(rotation.status()['web']!.slots['blue']).toMatchObject({ inFlight: 1, outOfRotationMs: 0, endpoints: 0 })
  clock.ms += DRAIN_MS
  rotation.cutOverdue()
  expect(exchange.cuts).toBe(1)
})

test('rotation: cells count a request in the second in which it ended, and only ten minutes are kept', () => {
  const { clock, rotation, service, endpoints } = start()
  endpoints('blue', 'a')
  const [a] = service.slots.get('blue')!.listed
  clock.ms = 10_900
  rotation.record(a!, false, 4)
  clock.ms = 11_100
  rotation.record(a!, true, 200)
  rotation.record(a!, false, 0)
  const cells = service.cells.between(-1, 11)
  expect(cells.map(({ second, requests, failures }) => [second, requests, failures])).toEqual([
    [10, 1, 0],
    [11, 2, 1],
  ])
  expect(cells[1]!.latency.reduce((sum, count) => sum + count, 0)).toBe(2)
  expect(service.cells.between(10, 11)).toHaveLength(1)
  expect(service.cells.between(-1, 10)).toHaveLength(1)
  clock.ms = 613_000
  rotation.forget()
  expect(service.cells.between(-1, 612).map(({ second }) => second)).toEqual([])
  expect(a!.counts).toMatchObject({ requests: 3, failures: 1 })
})
