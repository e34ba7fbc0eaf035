// A supervisor of another build takes the platform over; and one that was killed comes back by itself.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SETTLE_MS } from '../../src/domain/drain.ts'
import { readJson } from '../../src/effects/local/durable.ts'
import { isAlive, type ProcessIdentity, startedOf } from '../../src/effects/local/processes/identity.ts'
import type { SupervisorSlot } from '../../src/effects/local/protocol.ts'
import { supervisorLog, supervisorPidFile } from '../../src/effects/local/supervisor/launch.ts'
import { ENVIRONMENT, get, SERVICE, type TestPlatform, testPlatform, until } from '../supervisor/platform.ts'

const WATCHED = { supervisorWatchMs: 50 }

async function serving(platform: TestPlatform, replicas = 1): Promise<number> {
  await platform.setEnvironments()
  await platform.apply('blue', platform.run({ graceMs: 100, drainMs: 15_000 }), replicas)
  await platform.readySlot('blue', 'one', replicas)
  await platform.route('blue')
  return platform.frontPort()
}

/** What `moodify up` of this build does. */
async function up(platform: TestPlatform, build: string) {
  await platform.start(build)
  await platform.setEnvironments()
  return (await platform.snapshot()).environments[ENVIRONMENT]!.front
}

const inBlue = async (platform: TestPlatform) => (await platform.status()).services[SERVICE]!.slots['blue']!
const pidsOf = (slot: SupervisorSlot) => Object.values(slot.addresses).map(({ pid }) => pid)
const supervisorOf = ({ paths }: TestPlatform) => readJson<ProcessIdentity>(supervisorPidFile(paths))

test('upgrade: a replica that is retired meanwhile is not ended while the old front has a request in it', async () => {
  await using platform = await testPlatform()
  const port = await serving(platform)
  const answer = get(port, '/hold')
  answer.catch(() => {})
  await until('the request is in flight', async () => (await inBlue(platform)).inFlight === 1)
  const upgraded = up(platform, 'newer')
  await until('the supervisor is new', async () => (await platform.snapshot().catch(() => null))?.build === 'newer')
  await platform.supervisor.request('PUT', '/retire', {
    environment: ENVIRONMENT,
    service: SERVICE,
    slot: 'blue',
    epoch: 1,
  })
  expect(await upgraded).toMatchObject({ build: 'newer', notUpgraded: null })
  expect((await platform.status()).draining).toHaveLength(1)
  await until('it is long out of rotation', async () => {
    const [replica] = (await inBlue(platform)).replicas
    return (replica?.outOfRotationMs ?? 0) > 3 * SETTLE_MS
  })
  expect((await platform.slot('blue')).replicas[0]).toMatchObject({ running: true, ending: true })
  writeFileSync(join(platform.app, 'release'), '')
  expect(await answer).toEqual({ status: 200, body: 'held' })
  await platform.slotUntil('blue', 'is empty', ({ replicas }) => replicas.length === 0)
})

test('upgrade: the new front is kept alive like the one before it, and down leaves neither', async () => {
  await using platform = await testPlatform()
  const port = await serving(platform)
  void get(port, '/hold').catch(() => {})
  await until('the request is in flight', async () => (await inBlue(platform)).inFlight === 1)
  const { pid } = await up(platform, 'newer')
  const [old] = (await platform.status()).draining!
  process.kill(pid!, 'SIGKILL')
  await until('another front', async () => {
    const status = await platform.status().catch(() => null)
    return status && status.pid !== pid && status.build === 'newer'
  })
  expect((await get(port, '/')).status).toBe(200)
  await platform.supervisor.request('POST', '/down', undefined, { timeoutMs: 20_000 })
  expect(startedOf(old!)).toBe(null)
  await expect(get(port, '/')).rejects.toThrow()
})

test('upgrade: where the new front cannot take over, the old one serves on, and up says so and tries again', async () => {
  await using platform = await testPlatform()
  const port = await serving(platform)
  const before = await platform.status()
  const failed = await up(platform, 'dying')
  expect(failed).toMatchObject({ pid: before.pid, build: 'test' })
  expect(failed.notUpgraded).toContain('goes on serving: the new one has ended before it was ready with status 9')
  expect(readFileSync(supervisorLog(platform.paths), 'utf8')).toContain('the front of production is still test')
  expect((await platform.status()).source).toBe(before.source)
  expect((await get(port, '/')).status).toBe(200)
  expect(await up(platform, 'newer')).toMatchObject({ build: 'newer', notUpgraded: null })
  expect((await get(port, '/')).status).toBe(200)
})

test('upgrade: a front that does not know the handover keeps serving, and the reason is told', async () => {
  await using platform = await testPlatform()
  const { listening, ...known } = { pid: process.pid, source: 'old', listening: { host: '127.0.0.1', port: 8080 } }
  const asked: string[] = []
  const old = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.setHeader('content-type', 'application/json')
    if (request.url === '/status') {
      response.end(JSON.stringify({ protocol: 1, version: '0', epoch: 0, services: {}, listening, ...known }))
    } else if (['/table', '/endpoints'].includes(request.url!)) response.writeHead(204).end()
    else response.writeHead(404).end(JSON.stringify({ error: { code: 'BAD_FLAG', message: 'There is no such thing' } }))
  })
  old.listen(platform.paths.frontSocket(ENVIRONMENT))
  onTestFinished(() => {
    old.close()
    old.closeAllConnections()
  })
  const front = await up(platform, 'newer')
  expect(front).toMatchObject({ pid: process.pid, port: 8080, build: null, notUpgraded: 'There is no such thing' })
  expect(asked).toContain('POST /handover')
  expect(old.listening).toBe(true)
  expect(asked).not.toContain('POST /stop')
})

test('upgrade: a runner of another build ends at SIGTERM and is started from the new one', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.supervisor.request('PUT', '/runner', { environment: ENVIRONMENT })
  const runner = async () => (await platform.snapshot()).environments[ENVIRONMENT]!.runner
  const first = await until('a runner', async () => (await runner()).pid)
  await platform.killSupervisor()
  await platform.start()
  expect(await until('it is found', async () => (await runner()).pid)).toBe(first)
  await up(platform, 'newer')
  await until('another runner', async () => {
    const { pid, restarts } = await runner()
    return pid !== null && pid !== first && restarts === 0
  })
  expect(readFileSync(`/proc/${(await runner()).pid}/cmdline`, 'utf8')).toContain('entry-newer.ts')
  expect(startedOf(first)).toBe(null)
})

test('watch: a supervisor that was killed comes back by itself and finds everything', async () => {
  await using platform = await testPlatform(WATCHED)
  const port = await serving(platform, 2)
  const before = { slot: await platform.slot('blue'), front: await platform.status() }
  const killed = await platform.killSupervisor()
  await until('it is back', async () => {
    const snapshot = await platform.snapshot().catch(() => null)
    const slot = snapshot?.environments[ENVIRONMENT]?.services[SERVICE]?.slots['blue']
    return snapshot?.pid !== killed.pid && slot && pidsOf(slot).every((pid) => pid !== null) && slot
  })
  const after = { slot: await platform.slot('blue'), front: await platform.status() }
  expect(after.slot.addresses).toEqual(before.slot.addresses)
  expect(after.front.source).toBe(before.front.source)
  process.kill(-pidsOf(after.slot)[0]!, 'SIGKILL')
  await platform.slotUntil('blue', 'was restarted', ({ replicas }) =>
    replicas.some((one) => one.restarts === 1 && one.ready),
  )
  expect((await get(port, '/')).status).toBe(200)
})

test('watch: after an upgrade it is the new build that comes back', async () => {
  await using platform = await testPlatform(WATCHED)
  await serving(platform)
  await up(platform, 'newer')
  await platform.killSupervisor()
  const back = await until('it is back', () => platform.snapshot().catch(() => null))
  expect(back.build).toBe('newer')
})

test('watch: a supervisor that was told to end stays away', async () => {
  await using platform = await testPlatform(WATCHED)
  const port = await serving(platform)
  const ended = supervisorOf(platform)!
  process.kill(ended.pid, 'SIGTERM')
  await until('it has ended', () => !isAlive(ended))
  // The front's own clock says when it has looked often enough.
  const endpoints = [{ replica: 'none', revision: 'none', port: 9 }]
  await platform.front.request('PUT', '/endpoints', { service: SERVICE, slot: 'clock', endpoints })
  await until('the front has looked twenty times', async () => {
    const { slots } = (await platform.status()).services[SERVICE]!
    return (slots['clock']!.outOfRotationMs ?? 0) > 20 * WATCHED.supervisorWatchMs
  })
  expect(supervisorOf(platform)).toBe(null)
  await expect(platform.snapshot()).rejects.toMatchObject({ code: 'PLATFORM_DOWN' })
  expect((await get(port, '/')).status).toBe(200)
})

test('a supervisor that hangs is killed and started again by a front, and no replica notices', async () => {
  await using platform = await testPlatform({ ...WATCHED, supervisorHungMs: 3000 })
  const port = await serving(platform)
  const before = supervisorOf(platform)!
  const pids = pidsOf(await platform.slot('blue'))
  process.kill(before.pid, 'SIGSTOP')
  await until('another supervisor', async () => {
    const now = supervisorOf(platform)
    return now && now.pid !== before.pid && (await platform.snapshot().catch(() => null))?.pid === now.pid
  })
  expect(isAlive(before)).toBe(false)
  await until('it has found the replica', async () => pidsOf(await platform.slot('blue'))[0] === pids[0])
  expect((await get(port, '/')).status).toBe(200)
})
