import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { supervisorLog } from '../../src/effects/local/supervisor/launch.ts'
import { ENVIRONMENT, get, probe, type TestPlatform, testPlatform, until } from './platform.ts'

const logOf = ({ paths }: TestPlatform) => readFileSync(supervisorLog(paths), 'utf8')

async function about(platform: TestPlatform): Promise<{ pid: number; secret: string | null; replica: string }> {
  return JSON.parse((await get(await platform.frontPort(), '/')).body)
}

test('supervisor: an applied revision becomes ready and answers through the front', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.apply('blue', platform.run(), 2)
  const slot = await platform.readySlot('blue', 'one', 2)
  expect(slot).toMatchObject({ desiredRevision: 'one', desiredReplicas: 2 })
  const ports = Object.values(slot.addresses).map(({ port }) => port)
  expect(new Set(ports).size).toBe(2)
  expect(ports.every((port) => port >= 21_000 && port <= 21_999)).toBe(true)
  await platform.route('blue')
  expect(await about(platform)).toMatchObject({ version: 'v1', slot: 'blue', revision: 'one', secret: null })
})

test('supervisor: secrets are read once per revision, and only the owner can see them', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const envFile = join(platform.root, 'secrets.env')
  writeFileSync(envFile, '# of the test\nSECRET="open sesame"\n')
  await platform.apply('blue', platform.run({ envFile }), 1)
  const { replicas, addresses } = await platform.readySlot('blue', 'one', 1)
  await platform.route('blue')
  expect((await about(platform)).secret).toBe('open sesame')

  const pid = addresses[replicas[0]!.id]!.pid!
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain('sesame')
  const kept = join(platform.paths.state, 'environments', ENVIRONMENT, 'revisions/one.env')
  expect(statSync(kept).mode & 0o777).toBe(0o600)
  expect(logOf(platform)).not.toContain('sesame')

  writeFileSync(envFile, 'SECRET=changed\n')
  process.kill((await about(platform)).pid, 'SIGKILL')
  await platform.slotUntil('blue', 'was started again', ({ replicas: [one] }) => one!.restarts === 1 && one!.ready)
  await platform.endpointsUntil('blue', 1)
  expect((await about(platform)).secret).toBe('open sesame')
})

test('supervisor: an environment file that is not there is refused, and nothing is recorded', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const missing = platform.apply('blue', platform.run({ envFile: join(platform.root, 'none.env') }), 1)
  await expect(missing).rejects.toMatchObject({ code: 'PLATFORM_FAILED', message: expect.stringContaining('none.env') })
  expect((await platform.snapshot()).environments[ENVIRONMENT]!.services).toEqual({})
})

test('supervisor: a replica that keeps exiting is started after growing pauses and reported as a crash loop', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.apply('blue', platform.run({ env: { MODE: 'crash' } }), 1)
  const slot = await platform.slotUntil(
    'blue',
    'has been restarted',
    ({ replicas: [one] }) => (one?.restarts ?? 0) >= 4,
  )
  expect(slot.replicas[0]).toMatchObject({ crashLooping: true, ready: false, ending: false })
  const pauses = [...logOf(platform).matchAll(/exited with status 9; it is started again in (\d+) ms/g)]
  expect(pauses.slice(0, 4).map(([, pause]) => pause)).toEqual(['50', '100', '200', '200'])
  expect(
    readFileSync(Object.values(slot.addresses)[0]!.log, 'utf8').match(/^started/gm)!.length,
  ).toBeGreaterThanOrEqual(4)
})

test('supervisor: a replica whose folder is not there is tried again, and runs once the folder is', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const directory = join(platform.root, 'later')
  await platform.apply('blue', platform.run({ directory, start: `${process.execPath} ../app/app.mjs` }), 1)
  await platform.slotUntil('blue', 'has failed', ({ replicas: [one] }) => (one?.restarts ?? 0) >= 1)
  mkdirSync(directory)
  await platform.readySlot('blue', 'one', 1)
})

test('supervisor: a hung replica is restarted by its liveness probe', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const live = { ...probe('/live', 2, 50), timeoutMs: 200 }
  const run = platform.run({ graceMs: 200 })
  await platform.apply('blue', { ...run, probes: { ...run.probes, live } }, 1)
  await platform.readySlot('blue', 'one', 1)
  await platform.route('blue')
  const hung = await about(platform)
  process.kill(hung.pid, 'SIGSTOP')
  await platform.slotUntil('blue', 'was restarted', ({ replicas: [one] }) => one!.restarts === 1 && one!.ready)
  await platform.endpointsUntil('blue', 1)
  const fresh = await about(platform)
  expect(fresh.replica).toBe(hung.replica)
  expect(fresh.pid).not.toBe(hung.pid)
  expect(exists(hung.pid)).toBe(false)
  expect(logOf(platform)).toContain('its liveness probe /live failed 2 times: no answer in 200 ms')
})

test('supervisor: a failing readiness probe takes a replica out of rotation and leaves its process alone', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.apply('blue', platform.run(), 1)
  const before = await platform.readySlot('blue', 'one', 1)
  writeFileSync(join(platform.app, 'unready'), '')
  const out = await platform.slotUntil('blue', 'is not ready', ({ replicas: [one] }) => !one!.ready)
  expect(out.replicas[0]).toMatchObject({ running: true, failingHealth: true, restarts: 0 })
  await platform.endpointsUntil('blue', 0)
  rmSync(join(platform.app, 'unready'))
  const after = await platform.readySlot('blue', 'one', 1)
  expect(after.addresses).toEqual(before.addresses)
  expect(after.replicas[0]!.failingHealth).toBe(false)
})

test('supervisor: a replica that never becomes ready in its time is restarted', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const run = platform.run({ env: { MODE: 'deaf' } })
  await platform.apply('blue', { ...run, probes: { ...run.probes, startup: probe('/live', 3, 100) } }, 1)
  const slot = await platform.slotUntil('blue', 'was restarted', ({ replicas: [one] }) => (one?.restarts ?? 0) >= 1)
  expect(slot.replicas[0]).toMatchObject({ ready: false, failingHealth: true })
  expect(logOf(platform)).toContain('its startup probe /live did not pass in 3 periods of 100 ms')
})

test('supervisor: a replica above its memory limit is restarted', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  await platform.apply('blue', platform.run({ memoryLimitMb: 200, env: { MODE: 'large' } }), 1)
  await platform.slotUntil('blue', 'was restarted', ({ replicas: [one] }) => (one?.restarts ?? 0) >= 1)
  expect(logOf(platform)).toMatch(/is restarted: it holds \d+ MB of memory, the limit is 200 MB/)
})

test('supervisor: what a crashed shell leaves running is ended with it', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  // The server runs behind the shell that the start command is, and loses it.
  const start = `${process.execPath} app.mjs & echo $! >child; wait`
  await platform.apply('blue', platform.run({ start }), 1)
  const { replicas, addresses } = await platform.readySlot('blue', 'one', 1)
  const orphan = Number(readFileSync(join(platform.app, 'child'), 'utf8'))
  process.kill(addresses[replicas[0]!.id]!.pid!, 'SIGKILL')
  await until('the orphan is gone', () => !exists(orphan))
  await platform.slotUntil('blue', 'was started again', ({ replicas: [one] }) => one!.restarts === 1 && one!.ready)
})

function exists(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
