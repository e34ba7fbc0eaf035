import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startedOf } from '../../src/effects/local/processes/identity.ts'
import type { SupervisorSlot } from '../../src/effects/local/protocol.ts'
import { COMMAND, ENVIRONMENT, get, type TestPlatform, testPlatform, until } from './platform.ts'

const pidsOf = (slot: SupervisorSlot) => Object.values(slot.addresses).map(({ pid }) => pid)

async function serving(replicas = 1): Promise<TestPlatform> {
  const platform = await testPlatform()
  await platform.setEnvironments()
  await platform.apply('blue', platform.run(), replicas)
  await platform.readySlot('blue', 'one', replicas)
  await platform.route('blue')
  return platform
}

async function isSupervising(platform: TestPlatform): Promise<void> {
  await platform.slotUntil(
    'blue',
    'is seen',
    (slot) => slot.replicas.length > 0 && pidsOf(slot).every((pid) => pid !== null),
  )
}

test('supervisor: a new one adopts front and replicas of one that was killed', async () => {
  await using platform = await serving(2)
  const before = { slot: await platform.slot('blue'), front: await platform.status() }
  await platform.killSupervisor()
  const port = before.front.listening.port
  expect((await get(port, '/')).status).toBe(200)
  await platform.start()
  await isSupervising(platform)
  const after = { slot: await platform.slot('blue'), front: await platform.status() }
  expect(after.slot.addresses).toEqual(before.slot.addresses)
  expect(after.slot.replicas.map(({ ready, restarts }) => ({ ready, restarts }))).toEqual([
    { ready: true, restarts: 0 },
    { ready: true, restarts: 0 },
  ])
  expect(after.front.source).toBe(before.front.source)
  expect((await get(port, '/')).status).toBe(200)
  // It is really supervised, not only listed.
  process.kill(-pidsOf(after.slot)[0]!, 'SIGKILL')
  await platform.slotUntil('blue', 'was restarted', ({ replicas }) =>
    replicas.some((one) => one.restarts === 1 && one.ready),
  )
})

test('supervisor: a replica that ended while nobody watched is started again', async () => {
  await using platform = await serving()
  const before = await platform.slot('blue')
  await platform.killSupervisor()
  process.kill(-pidsOf(before)[0]!, 'SIGKILL')
  await platform.start()
  await isSupervising(platform)
  const after = await platform.readySlot('blue', 'one', 1)
  expect(pidsOf(after)).not.toEqual(pidsOf(before))
  expect(after.replicas[0]!.id).toBe(before.replicas[0]!.id)
})

test('supervisor: another process that has the id of a replica is never signalled', async () => {
  await using platform = await serving()
  const [replica] = (await platform.slot('blue')).replicas
  const before = pidsOf(await platform.slot('blue'))[0]!
  await platform.killSupervisor()
  process.kill(-before, 'SIGKILL')
  await until('the replica is gone', () => startedOf(before) === null)
  const innocent = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  onTestFinished(() => void innocent.kill('SIGKILL'))
  const signalled = once(innocent, 'exit')
  const [boot, ticks] = startedOf(innocent.pid!)!.split(' ')
  const [file] = globSync(`environments/${ENVIRONMENT}/replicas/${replica!.id}/start-*/pid`, {
    cwd: platform.paths.state,
  })
  writeFileSync(join(platform.paths.state, file!), `${innocent.pid} ${boot} ${Number(ticks) - 1}\n`)

  await platform.start()
  const fresh = await platform.readySlot('blue', 'one', 1)
  expect(pidsOf(fresh)).not.toContain(innocent.pid)
  await platform.supervisor.request('POST', '/down', undefined, { timeoutMs: 15_000 })
  expect(await Promise.race([signalled, Promise.resolve('alive')])).toBe('alive')
  expect(innocent.exitCode ?? innocent.signalCode).toBe(null)
  expect(startedOf(innocent.pid!)).toBe(`${boot} ${ticks}`)
})

test('supervisor: a second one of the same folder says so and ends', async () => {
  await using platform = await testPlatform()
  const { pid } = await platform.snapshot()
  const [program, ...args] = [...COMMAND, 'internal', 'supervisor', '--root', platform.root]
  const second = spawn(program!, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  second.stderr.setEncoding('utf8').on('data', (part) => {
    said += part
  })
  const [code] = await once(second, 'close')
  expect(code).toBe(1)
  expect(said).toContain(`A supervisor of this folder runs already (pid ${pid})`)
  expect((await platform.snapshot()).pid).toBe(pid)
})

test('supervisor: one of another build takes over, and replicas do not notice', async () => {
  await using platform = await serving()
  const before = { slot: await platform.slot('blue'), pid: (await platform.snapshot()).pid }
  await platform.start('newer')
  await isSupervising(platform)
  const snapshot = await platform.snapshot()
  expect(snapshot.version).toBe('newer')
  expect(snapshot.pid).not.toBe(before.pid)
  expect((await platform.slot('blue')).addresses).toEqual(before.slot.addresses)
})

test('supervisor: a front that dies is started again on its port and told everything again', async () => {
  await using platform = await serving()
  const before = await platform.status()
  process.kill(before.pid, 'SIGKILL')
  await until('another front', async () => {
    const status = await platform.status().catch(() => null)
    return status && status.source !== before.source
  })
  await platform.endpointsUntil('blue', 1)
  const after = await platform.status()
  expect(after.listening.port).toBe(before.listening.port)
  expect((await get(after.listening.port, '/')).status).toBe(200)
})

test('supervisor: a front that hangs is started again', async () => {
  await using platform = await testPlatform({ frontHungMs: 300 })
  await platform.setEnvironments()
  const before = await platform.status()
  process.kill(before.pid, 'SIGSTOP')
  await until('another front', async () => {
    const status = await platform.front
      .request<typeof before>('GET', '/status', undefined, { timeoutMs: 300 })
      .catch(() => null)
    return status && status.source !== before.source
  })
})

test('supervisor: a busy port is refused before anything is started', async () => {
  await using platform = await testPlatform()
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  onTestFinished(() => void other.close())
  const { port } = other.address() as { port: number }
  await expect(platform.setEnvironments(port)).rejects.toMatchObject({ code: 'PORT_BUSY' })
  expect((await platform.snapshot()).environments).toEqual({})
  await platform.setEnvironments()
})

test('supervisor: an environment that gets another port moves its front', async () => {
  await using platform = await serving()
  const before = await platform.frontPort()
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as { port: number }
  free.close()
  await once(free, 'close')
  await platform.setEnvironments(port)
  expect(await platform.frontPort()).toBe(port)
  await platform.endpointsUntil('blue', 1)
  expect((await get(port, '/')).status).toBe(200)
  await expect(get(before, '/')).rejects.toThrow()
})

test('supervisor: down ends everything, and up brings the same replicas back', async () => {
  await using platform = await serving(2)
  const before = { slot: await platform.slot('blue'), front: await platform.status() }
  await platform.supervisor.request('POST', '/down', undefined, { timeoutMs: 15_000 })
  for (const pid of [...pidsOf(before.slot), before.front.pid]) expect(startedOf(pid!)).toBe(null)
  await platform.start()
  await platform.setEnvironments()
  const after = await platform.readySlot('blue', 'one', 2)
  const ids = ({ replicas }: SupervisorSlot) => replicas.map(({ id }) => id).toSorted()
  expect(ids(after)).toEqual(ids(before.slot))
  expect((await get(before.front.listening.port, '/')).status).toBe(200)
})

test('runner: it is started when asked for, restarted when it fails, adopted, and done when it exits with 0', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const runner = async () => (await platform.snapshot()).environments[ENVIRONMENT]!.runner
  const exitFile = join(platform.root, 'runner-exit')
  expect(await runner()).toEqual({ pid: null, restarts: 0 })
  await platform.supervisor.request('PUT', '/runner', { environment: ENVIRONMENT })
  const first = await until('a runner', async () => (await runner()).pid)
  await platform.killSupervisor()
  await platform.start()
  expect(await until('the runner is seen', async () => (await runner()).pid)).toBe(first)

  writeFileSync(exitFile, '3')
  await until('a restart', async () => (await runner()).restarts > 0)
  rmSync(exitFile)
  await until('another runner', async () => {
    const { pid } = await runner()
    return pid !== null && pid !== first
  })

  writeFileSync(exitFile, '0')
  await until('no runner', async () => (await runner()).pid === null)
  await platform.killSupervisor()
  await platform.start()
  rmSync(exitFile)
  expect((await runner()).pid).toBe(null)
  await platform.supervisor.request('PUT', '/runner', { environment: ENVIRONMENT })
  await until('a runner again', async () => (await runner()).pid)
})
