import { copyFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Config } from '../../src/config/config.ts'
import type { Revision } from '../../src/domain/revision.ts'
import { isReady, readyReplicas } from '../../src/domain/snapshot.ts'
import { directoryOf, makeRevision, resolveVersion } from '../../src/effects/local/artifacts.ts'
import { localPlatform, nextCells } from '../../src/effects/local/platform.ts'
import type { FrontCells } from '../../src/effects/local/protocol.ts'
import type { SmokeRequest } from '../../src/effects/ports/platform.ts'
import { ENVIRONMENT, get, SERVICE, type TestPlatform, testPlatform, until } from '../supervisor/platform.ts'

const never = new AbortController().signal
const blue = { service: SERVICE, slot: 'blue' }

async function adapter(platform: TestPlatform) {
  const config = {
    root: platform.root,
    artifacts: { from: 'directory', pattern: 'releases/{version}', keep: 1 },
  } as Config
  const local = localPlatform({ paths: platform.paths, environment: ENVIRONMENT, config })
  const revision = async (version: string, env: Record<string, string> = {}): Promise<Revision> => {
    const folder = join(platform.root, 'releases', version)
    mkdirSync(folder, { recursive: true })
    copyFileSync(join(platform.app, 'app.mjs'), join(folder, 'app.mjs'))
    writeFileSync(join(folder, 'version'), version)
    const { source } = await resolveVersion(config, version)
    const { revision: _, version: __, directory: ___, ...run } = platform.run({ env })
    const service = {
      ...run,
      name: SERVICE,
      directory: '.',
      build: 'echo built >built',
      container: { image: 'backend', port: 8000, metricsPath: '/metrics' },
      replicas: 1,
      path: '/',
      stripPath: false,
      affinity: null,
      smoke: [],
    }
    return makeRevision(config, service, source, version, platform.paths)
  }
  return { local, revision }
}

test('local platform: a version is prepared, applied, given traffic, seen, and retired', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const { local, revision } = await adapter(platform)
  const first = await revision('v1')
  await local.workloads.takeEpoch(3)
  await local.traffic.takeEpoch(3)
  await local.workloads.prepare(first, never)
  await local.workloads.applyRevision({ ...blue, revision: first, replicas: 2 }, 3)
  await until(
    'two are ready',
    async () => readyReplicas((await local.observer.snapshot()).services[SERVICE]?.slots['blue'], first.id) === 2,
  )
  await platform.endpointsUntil('blue', 2)
  expect(await local.traffic.setShares({ service: SERVICE, shares: { blue: 100 }, generation: 1 }, 3)).toEqual({
    blue: 100,
  })
  const answer = await get(await platform.frontPort(), '/')
  expect(JSON.parse(answer.body)).toMatchObject({ version: 'v1', revision: first.id })

  const snapshot = await local.observer.snapshot()
  expect(snapshot).toMatchObject({ complete: true, missing: [] })
  const { slots, route } = snapshot.services[SERVICE]!
  expect(route).toMatchObject({
    generation: 1,
    shares: { blue: 100 },
    slots: { blue: { endpoints: 2, outOfRotationMs: null } },
  })
  expect(slots['green']).toEqual({ desiredRevision: null, desiredReplicas: 0, replicas: [] })
  expect(slots['blue']!.replicas.every(isReady)).toBe(true)

  const cells = await until('a cell', async () => {
    const { cells } = await local.observer.cells(SERVICE, null)
    return cells.length > 0 && cells
  })
  expect(cells[0]).toMatchObject({ slot: 'blue', revision: first.id, requests: 1, failures: 0 })

  await expect(local.workloads.retire(blue, 2)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
  const stale = local.traffic.setShares({ service: SERVICE, shares: { green: 100 }, generation: 2 }, 2)
  await expect(stale).rejects.toMatchObject({ code: 'STALE_EPOCH' })
  await local.workloads.retire(blue, 3)
  await until(
    'blue is empty',
    async () => (await local.observer.snapshot()).services[SERVICE]!.slots['blue']!.replicas.length === 0,
  )
  local.close()
})

test('local platform: a roll and a floor do what they say', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const { local, revision } = await adapter(platform)
  const [first, second] = [await revision('v1'), await revision('v2')]
  for (const one of [first, second]) await local.workloads.prepare(one, never)
  await local.workloads.applyRevision({ ...blue, revision: first, replicas: 1 }, 1)
  await platform.readySlot('blue', first.id, 1)
  await local.workloads.ensureFloor({ ...blue, replicas: 2 }, 1)
  await platform.readySlot('blue', first.id, 2)
  await local.workloads.rollInPlace({ ...blue, revision: second, minReadyMs: 0 }, 1)
  await platform.readySlot('blue', second.id, 2)
  local.close()
})

test('local platform: artifacts that something runs from are not pruned', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const { local, revision } = await adapter(platform)
  const first = await revision('v1')
  await local.workloads.prepare(first, never)
  await local.workloads.applyRevision({ ...blue, revision: first, replicas: 1 }, 1)
  await platform.readySlot('blue', first.id, 1)
  utimesSync(join(directoryOf(platform.paths, first), '../complete'), 0, 0)
  for (const version of ['v2', 'v3']) await local.workloads.prepare(await revision(version), never)
  process.kill(-Object.values((await platform.slot('blue')).addresses)[0]!.pid!, 'SIGKILL')
  await platform.slotUntil('blue', 'was started again', ({ replicas: [one] }) => one!.restarts === 1 && one!.ready)
  local.close()
})

test('local platform: a snapshot never fails, and says what does not answer', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const { local } = await adapter(platform)
  await platform.killSupervisor()
  const half = await local.observer.snapshot()
  expect(half).toMatchObject({ complete: false, missing: [expect.stringContaining('the supervisor does not answer')] })
  expect(half.services[SERVICE]!.route.generation).toBe(0)
  const { pid } = await platform.status()
  process.kill(pid, 'SIGKILL')
  await until('the front is gone', () =>
    platform.status().then(
      () => false,
      () => true,
    ),
  )
  const none = await local.observer.snapshot()
  expect(none).toMatchObject({ complete: false, services: {} })
  expect(none.missing).toHaveLength(2)
  local.close()
})

test('local platform: smoke tests say what they saw', async () => {
  await using platform = await testPlatform()
  await platform.setEnvironments()
  const { local, revision } = await adapter(platform)
  const first = await revision('v1')
  const expectation = { status: 200, body: null, latencyMs: null }
  const request = (name: string, change: Partial<SmokeRequest['expect']> = {}, path = '/'): SmokeRequest => {
    return { name, method: 'GET', path, headers: {}, body: null, expect: { ...expectation, ...change } }
  }
  const [none] = await local.checks.smoke({ ...blue, tests: [request('home')] }, never)
  expect(none).toEqual({ name: 'home', passed: false, saw: 'no replica of blue is ready' })
  await local.workloads.prepare(first, never)
  await local.workloads.applyRevision({ ...blue, revision: first, replicas: 2 }, 1)
  await platform.readySlot('blue', first.id, 2)
  const tests = [
    request('home', { body: '"version":"v1"', latencyMs: 10_000 }),
    request('status', { status: 204 }),
    request('body', { body: 'music' }),
    request('latency', { latencyMs: 0 }),
  ]
  const results = await local.checks.smoke({ ...blue, tests }, never)
  expect(results.map(({ name, passed }) => `${name} ${passed}`)).toEqual([
    'home true',
    'status false',
    'body false',
    'latency false',
  ])
  expect(results[1]!.saw).toMatch(/^200 in \d+ ms, expected 204$/)
  expect(results[2]!.saw).toMatch(/^200 in \d+ ms, expected "music" in the body$/)
  const aborted = local.checks.smoke({ ...blue, tests }, AbortSignal.abort())
  await expect(aborted).rejects.toThrow()
  local.close()
})

test('cells: after a restart of the front its new series is read from the beginning', async () => {
  const asked: number[] = []
  const front =
    (source: string) =>
    async (after: number): Promise<FrontCells> => {
      asked.push(after)
      return { source, second: 40, cells: [] }
    }
  const first = await nextCells(null, front('a'))
  expect(first.next).toEqual({ source: 'a', second: 40 })
  await nextCells(first.next, front('a'))
  expect(await nextCells(first.next, front('b'))).toEqual({ cells: [], next: { source: 'b', second: 40 } })
  expect(asked).toEqual([-1, 40, 40, -1])
})
