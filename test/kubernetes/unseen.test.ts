// An API server that is slow, or goes away for a moment, says nothing about the version that is being shipped.
import { expect, it } from 'vitest'
import { ApiUnreachable } from '../../src/effects/kubernetes/api.ts'
import { clusterEnvironment } from '../support/cluster-environment.ts'

type Environment = ReturnType<typeof clusterEnvironment>

/** Lists take so long that whoever looks for the first time has given up before, however often it is tried again. */
const LONG_MS = 120_000

function slowLists({ server, time }: Environment, plural: string): () => void {
  const clock = time.clock(() => false)
  const { list } = server.api
  Object.assign(server.api, {
    async list(...asked: Parameters<typeof list>) {
      if (asked[0].plural === plural) await clock.sleep(LONG_MS)
      return list(...asked)
    },
  })
  return () => Object.assign(server.api, { list })
}

async function ended(environment: Environment) {
  const { release, last, services } = await environment.process().state()
  expect(release).toBe(null)
  return { outcome: last!.outcome, stable: services['backend']!.stable!.revision.version }
}

async function shipped(environment: Environment, version: string): Promise<void> {
  await environment.process().deploy({ version })
  await environment.process().run()
  expect(await ended(environment)).toEqual({ outcome: 'released', stable: version })
}

it.each(['deployments', 'replicasets', 'pods'])(
  'a runner that takes over a check before it has seen the %s waits for them, and ships the good version',
  async (plural) => {
    await using environment = clusterEnvironment()
    await shipped(environment, 'v1')
    await environment.process().deploy({ version: 'v2' })
    const killed = environment.process((point) => point === 'before effect smoke')
    await expect(killed.run()).rejects.toThrow('before effect smoke')
    slowLists(environment, plural)
    await environment.process().run()
    expect(await ended(environment)).toEqual({ outcome: 'released', stable: 'v2' })
  },
)

it('an API server that goes away in the middle of a check is asked again, and the good version is shipped', async () => {
  await using environment = clusterEnvironment()
  await shipped(environment, 'v1')
  await environment.process().deploy({ version: 'v2' })
  const { api, stop, start } = environment.server
  const { request } = api
  let failures = 0
  Object.assign(api, {
    async request(path: string, options: Parameters<typeof request>[1]) {
      const isSmoke = path.endsWith('/proxy/health') && failures < 2
      if (!isSmoke) return request(path, options)
      failures++
      stop()
      environment.time
        .clock(() => false)
        .sleep(1000)
        .then(start)
      return request(path, options)
    },
  })
  await environment.process().run()
  expect(failures).toBe(2)
  expect(await ended(environment)).toEqual({ outcome: 'released', stable: 'v2' })
})

it.each([
  ['one pod', 1],
  ['every pod', 3],
])('%s that is sent away while it is asked says nothing about the version', async (_, count) => {
  await using environment = clusterEnvironment({ behaviourOf: () => ({ readyAfterMs: 100 }) })
  await shipped(environment, 'v1')
  await environment.process().deploy({ version: 'v2' })
  const { api } = environment.server
  const { request } = api
  let left = count
  Object.assign(api, {
    async request(path: string, options: Parameters<typeof request>[1]) {
      if (!path.endsWith('/proxy/health') || left === 0) return request(path, options)
      left--
      const [, pod = ''] = /pods\/([^:]+):/.exec(path)!
      await api.delete({ apiVersion: 'v1', plural: 'pods', namespace: 'shop' }, pod)
      return { status: 503, headers: {}, body: 'connection refused' }
    },
  })
  await environment.process().run()
  expect(left).toBe(0)
  expect(await ended(environment)).toEqual({ outcome: 'released', stable: 'v2' })
})

it('a pod that does not answer while the API server does fails its check', async () => {
  await using environment = clusterEnvironment()
  await shipped(environment, 'v1')
  await environment.process().deploy({ version: 'v2' })
  const { api } = environment.server
  const { request } = api
  Object.assign(api, {
    async request(path: string, options: Parameters<typeof request>[1]) {
      if (path.endsWith('/proxy/health')) throw new ApiUnreachable('no answer in 10 s')
      return request(path, options)
    },
  })
  await environment.process().run()
  expect(await ended(environment)).toEqual({ outcome: 'failed', stable: 'v1' })
})

it.each(['deployments', 'replicasets', 'pods'])(
  'nothing is planned while the %s cannot be seen: what serves would be taken for nothing',
  async (plural) => {
    await using environment = clusterEnvironment()
    await shipped(environment, 'v1')
    const restore = slowLists(environment, plural)
    await expect(environment.process().deploy({ version: 'v2' })).rejects.toMatchObject({ code: 'CLUSTER_UNREACHABLE' })
    restore()
    await shipped(environment, 'v2')
  },
)
