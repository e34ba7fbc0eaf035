import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SETTLE_MS } from '../../src/domain/drain.ts'
import { ENVIRONMENT, get, SERVICE, type TestPlatform, testPlatform, until } from './platform.ts'

const blue = { environment: ENVIRONMENT, service: SERVICE, slot: 'blue' }

/** One ready replica in blue with a request in it that is only answered when it is released. */
async function holding(platform: TestPlatform, drainMs = 15_000): Promise<{ answer: ReturnType<typeof get> }> {
  await platform.setEnvironments()
  await platform.apply('blue', platform.run({ drainMs, graceMs: 100 }), 1)
  await platform.readySlot('blue', 'one', 1)
  await platform.route('blue')
  const answer = get(await platform.frontPort(), '/hold')
  answer.catch(() => {})
  await until('the request is in flight', async () => (await inBlue(platform))?.inFlight === 1)
  return { answer }
}

async function inBlue(platform: TestPlatform) {
  const { services } = await platform.status()
  return services[SERVICE]!.slots['blue']!.replicas[0]
}

const release = ({ app }: TestPlatform) => writeFileSync(join(app, 'release'), '')
const isEmpty = ({ replicas }: { replicas: readonly unknown[] }) => replicas.length === 0

test('supervisor: a retired replica is not ended while a request is in flight', async () => {
  await using platform = await testPlatform()
  const { answer } = await holding(platform)
  await platform.supervisor.request('PUT', '/retire', { ...blue, epoch: 1 })
  await until(
    'it is long out of rotation',
    async () => ((await inBlue(platform))?.outOfRotationMs ?? 0) > 3 * SETTLE_MS,
  )
  const slot = await platform.slot('blue')
  expect(slot).toMatchObject({ desiredRevision: null, desiredReplicas: 0 })
  expect(slot.replicas[0]).toMatchObject({ running: true, ending: true, ready: false })
  release(platform)
  expect(await answer).toEqual({ status: 200, body: 'held' })
  await platform.slotUntil('blue', 'is empty', isEmpty)
})

test('supervisor: a retired replica is ended when its drain time is over, whatever is in flight', async () => {
  await using platform = await testPlatform()
  const { answer } = await holding(platform, 500)
  await platform.supervisor.request('PUT', '/retire', { ...blue, epoch: 1 })
  await platform.slotUntil('blue', 'is empty', isEmpty)
  const status = await answer.then((given) => given.status).catch(() => 'cut')
  expect(status).not.toBe(200)
})

test('supervisor: without the drain rule the request in flight is lost (control)', async () => {
  await using platform = await testPlatform({}, { MOODIFY_UNSAFE_NO_DRAIN: '1' })
  delete process.env['MOODIFY_UNSAFE_NO_DRAIN']
  const { answer } = await holding(platform)
  await platform.supervisor.request('PUT', '/retire', { ...blue, epoch: 1 })
  await platform.slotUntil('blue', 'is empty', isEmpty)
  release(platform)
  const status = await answer.then((given) => given.status).catch(() => 'cut')
  expect(status).not.toBe(200)
})

test('supervisor: a drain goes on under the next supervisor', async () => {
  await using platform = await testPlatform()
  const { answer } = await holding(platform)
  await platform.supervisor.request('PUT', '/retire', { ...blue, epoch: 1 })
  await platform.slotUntil('blue', 'is ending', ({ replicas: [one] }) => one!.ending)
  await platform.killSupervisor()
  await platform.start()
  await until(
    'it is long out of rotation',
    async () => ((await inBlue(platform))?.outOfRotationMs ?? 0) > 3 * SETTLE_MS,
  )
  expect((await platform.slot('blue')).replicas[0]).toMatchObject({ running: true, ending: true })
  release(platform)
  expect(await answer).toEqual({ status: 200, body: 'held' })
  await platform.slotUntil('blue', 'is empty', isEmpty)
})

test('supervisor: another revision applied to a slot ends what it ran', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.apply('green', platform.run(), 2)
  await platform.readySlot('green', 'one', 2)
  await platform.apply('green', platform.run({ revision: 'two' }), 1)
  await platform.readySlot('green', 'two', 1)
})

test('supervisor: the same apply again changes nothing, and a floor only raises', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.apply('blue', platform.run(), 1)
  const before = await platform.readySlot('blue', 'one', 1)
  await platform.apply('blue', platform.run(), 1)
  const floor = (replicas: number) => platform.supervisor.request('PUT', '/floor', { ...blue, epoch: 1, replicas })
  await floor(2)
  const raised = await platform.readySlot('blue', 'one', 2)
  expect(raised.addresses).toMatchObject(before.addresses)
  await floor(1)
  expect((await platform.slot('blue')).desiredReplicas).toBe(2)
  await platform.apply('blue', platform.run(), 1)
  await platform.readySlot('blue', 'one', 1)
})

test('supervisor: a roll replaces replicas one by one and drops no request', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.apply('blue', platform.run(), 2)
  await platform.readySlot('blue', 'one', 2)
  await platform.route('blue')
  const port = await platform.frontPort()
  const seen = { requests: 0, leastReady: 2, mostStaying: 0 }
  await platform.supervisor.request('PUT', '/roll', {
    ...blue,
    epoch: 1,
    run: platform.run({ revision: 'two' }),
    minReadyMs: 200,
  })
  await platform.slotUntil(
    'blue',
    'has rolled',
    ({ replicas }) => {
      seen.leastReady = Math.min(seen.leastReady, replicas.filter(({ ready }) => ready).length)
      seen.mostStaying = Math.max(seen.mostStaying, replicas.filter(({ ending }) => !ending).length)
      return replicas.length === 2 && replicas.every(({ revision, ready }) => revision === 'two' && ready)
    },
    async () => {
      seen.requests++
      expect((await get(port, '/')).status).toBe(200)
    },
  )
  expect(seen).toMatchObject({ leastReady: 2, mostStaying: 3 })
  expect(seen.requests).toBeGreaterThan(5)
})

test('supervisor: a roll to a revision that does not start keeps the old one, and another roll replaces it', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.apply('blue', platform.run(), 2)
  const before = await platform.readySlot('blue', 'one', 2)
  const bad = platform.run({ revision: 'bad', env: { MODE: 'crash' } })
  await platform.supervisor.request('PUT', '/roll', { ...blue, epoch: 1, run: bad, minReadyMs: 0 })
  const stuck = await platform.slotUntil('blue', 'crash loops', ({ replicas }) =>
    replicas.some((one) => one.crashLooping),
  )
  expect(stuck.replicas.filter(({ revision, ready }) => revision === 'one' && ready)).toHaveLength(2)
  expect(stuck.replicas).toHaveLength(3)
  await platform.supervisor.request('PUT', '/roll', { ...blue, epoch: 1, run: platform.run(), minReadyMs: 0 })
  const back = await platform.readySlot('blue', 'one', 2)
  expect(back.addresses).toEqual(before.addresses)
})

test('supervisor: a write of a lower epoch is refused, also by the next supervisor', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.supervisor.request('PUT', '/epoch', { environment: ENVIRONMENT, epoch: 7 })
  await expect(platform.apply('blue', platform.run(), 1, 6)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
  await platform.killSupervisor()
  await platform.start()
  const retire = platform.supervisor.request('PUT', '/retire', { ...blue, epoch: 6 })
  await expect(retire).rejects.toMatchObject({ code: 'STALE_EPOCH' })
  await platform.apply('blue', platform.run(), 1, 7)
  expect((await platform.snapshot()).environments[ENVIRONMENT]!.epoch).toBe(7)
})
