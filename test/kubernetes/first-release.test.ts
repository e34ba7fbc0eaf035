// A first release that cannot be: nothing is there to go back to, and nothing must be left behind.
import { describe, expect, it } from 'vitest'
import { type ClusterEnvironment, clusterEnvironment } from '../support/cluster-environment.ts'

const layouts = {
  'blue-green': 'layout: blue-green',
  single: 'layout: single',
  'single, shared by replicas': 'layout: single, traffic: replicas',
} as const

const services = { apiVersion: 'v1', plural: 'services', namespace: 'shop' }

async function deploy(environment: ClusterEnvironment, version: string) {
  await environment.process().deploy({ version })
  await environment.process().run()
  return environment.process().state()
}

async function running(environment: ClusterEnvironment): Promise<string[]> {
  return Object.entries(await environment.replicas()).flatMap(([name, replicas]) => (replicas > 0 ? name : []))
}

describe.each(Object.entries(layouts))('the first release of layout %s', (_, layout) => {
  it.each([
    ['v1-missing', /does not start .*ImagePullBackOff: .*v1-missing/],
    ['v1-crash', /keeps exiting .*it ended with exit code 1/],
    ['v1-never-ready', /is not ready yet and its time is over/],
    ['v1-unwell', /500 in \d+ ms, expected 200/],
  ])(
    'of %s ends by itself with its reason, leaves nothing running, and the next one works',
    async (version, reason) => {
      await using environment = clusterEnvironment({ layout })
      const { release, last } = await deploy(environment, version)
      expect(release).toBe(null)
      expect(last).toMatchObject({ outcome: 'failed', cause: { reason: expect.stringMatching(reason) } })
      expect(await running(environment)).toEqual([])

      const { services } = await deploy(environment, 'v2')
      expect(services['backend']!.stable!.revision.version).toBe('v2')
      expect(await running(environment)).toHaveLength(1)
    },
  )

  it('can be aborted while it waits, and leaves nothing running', async () => {
    await using environment = clusterEnvironment({ layout })
    await environment.process().deploy({ version: 'v1-never-ready' })
    const aborted = environment.process((point) => point === 'after effect applyRevision')
    await aborted.run().catch(() => {})
    expect(await running(environment)).toHaveLength(1)
    await environment.process().post({ verb: 'abort' })
    await environment.process().run()
    expect((await environment.process().state()).last).toMatchObject({ outcome: 'failed' })
    expect(await running(environment)).toEqual([])
  })

  it('sends nobody to pods whose smoke tests have not passed, whoever applied the Service', async () => {
    await using environment = clusterEnvironment({ layout })
    const { api } = environment.server
    const spec = { selector: { app: 'backend' }, ports: [{ port: 8000 }] }
    await api.create(services, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'backend-service' }, spec })
    await environment.process().deploy({ version: 'v1' })
    await environment
      .process((point) => point === 'after effect smoke')
      .run()
      .catch(() => {})
    const [slice] = (
      await api.list(
        { apiVersion: 'discovery.k8s.io/v1', plural: 'endpointslices', namespace: 'shop' },
        { labelSelector: 'kubernetes.io/service-name=backend-service' },
      )
    ).items
    expect(slice!['endpoints']).toEqual([])
    await environment.process().run()
    expect((await environment.process().state()).services['backend']!.stable!.revision.version).toBe('v1')
  })
})
