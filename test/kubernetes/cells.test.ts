import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { ClusterMetrics } from '../../src/config/config.ts'
import type { Api, KubernetesObject } from '../../src/effects/kubernetes/api.ts'
import { clusterCells } from '../../src/effects/kubernetes/cells.ts'
import { clusterChecks } from '../../src/effects/kubernetes/checks.ts'
import type { ClusterService } from '../../src/effects/kubernetes/layout.ts'
import type { Watched } from '../../src/effects/kubernetes/observer.ts'
import { ownRequests } from '../../src/effects/kubernetes/own-requests.ts'
import { podCells, podCounts } from '../../src/effects/kubernetes/pod-metrics.ts'
import type { SlotDestination, TrafficPlane } from '../../src/effects/kubernetes/traffic/plane.ts'
import { colours, testClock } from './traffic/objects.ts'

const IMAGE = 'registry.example/backend:v1'
const marks = (revision: string) => ({ 'moodify.dev/revision': revision, 'moodify.dev/image': IMAGE })
const spec = { containers: [{ name: 'backend', image: IMAGE }] }

/** Deployments by slot, and their ready pods with the revision that each runs. */
function cluster(
  slots: Readonly<Record<string, { desired: string; pods: readonly string[]; replicas?: number }>>,
): Watched {
  const owned = (kind: string, uid: string) => [{ kind, name: uid, uid }]
  const deployments = new Map<string, KubernetesObject>()
  const [replicasets, pods]: [KubernetesObject[], KubernetesObject[]] = [[], []]
  for (const [slot, { desired, pods: running, replicas = 1 }] of Object.entries(slots)) {
    const template = { metadata: { annotations: marks(desired) }, spec }
    const metadata = { name: `backend-${slot}`, uid: `d-${slot}` }
    deployments.set(metadata.name, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { replicas, template },
    })
    const set = { name: `rs-${slot}`, uid: `rs-${slot}`, ownerReferences: owned('Deployment', `d-${slot}`) }
    replicasets.push({ apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: set })
    for (const [index, revision] of running.entries()) {
      pods.push({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name: `${slot}-${index}`,
          annotations: marks(revision),
          ownerReferences: owned('ReplicaSet', `rs-${slot}`),
        },
        spec,
        status: { conditions: [{ type: 'Ready', status: 'True' }] },
      })
    }
  }
  const items: Record<string, readonly KubernetesObject[]> = { replicasets, pods }
  const unused = () => {
    throw new Error('counts do not need this')
  }
  return {
    synced: unused,
    put: unused,
    missing: () => [],
    ageMs: unused,
    close: unused,
    items: (name) => items[name] ?? [],
    find: (_, name) => deployments.get(name) ?? null,
  }
}

const service = {
  ...colours,
  deployments: { blue: 'backend-blue', green: 'backend-green', canary: 'backend-canary' },
} as unknown as ClusterService

async function pageServer(pageOf: (url: string) => string) {
  const server = createServer((asked, answer) => void answer.end(pageOf(asked.url!)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, [Symbol.asyncDispose]: async () => void server.close() }
}

function reading(watched: Watched, metrics: ClusterMetrics, destinations: readonly SlotDestination[]) {
  const clock = testClock()
  const planeOf = async () => ({ destinations: async () => destinations }) as unknown as TrafficPlane
  const none = ownRequests(async () => null)
  const reader = clusterCells({ clock, watched, services: [service], metrics, planeOf, ownRequests: none })
  return async () => {
    clock.advance(1000)
    const { cells } = await reader.cells('backend', null)
    return cells.map(({ slot, revision, replica, requests, failures }) => ({
      slot,
      revision,
      replica,
      requests,
      failures,
    }))
  }
}

describe('counts of a gateway', () => {
  const destinations = [
    { slot: 'blue', service: 'backend-service' },
    { slot: 'canary', service: 'backend-canary-service' },
  ]
  const page = (name: string, requests: number, failures: number) => {
    const label = `cluster_name="outbound|8000||${name}.shop.svc.cluster.local"`
    return `envoy_cluster_upstream_rq_completed{${label}} ${requests}\nenvoy_cluster_upstream_rq{response_code_class="5xx",${label}} ${failures}\n`
  }

  test('belong to the revision that the slot runs, or, without any ready pod, is meant to run', async () => {
    let counted = 0
    await using gateway = await pageServer(
      () => page('backend-service', 100 + counted, 0) + page('backend-canary-service', counted, counted),
    )
    const watched = cluster({ blue: { desired: 'r1', pods: ['r1', 'r1'] }, canary: { desired: 'r2', pods: [] } })
    const next = reading(watched, { from: 'gateway', pages: [`${gateway.url}/stats/prometheus`] }, destinations)
    expect(await next()).toEqual([])
    counted = 10
    const host = gateway.url.slice('http://'.length)
    expect(await next()).toEqual([
      { slot: 'blue', revision: 'r1', replica: `blue at ${host}`, requests: 10, failures: 0 },
      { slot: 'canary', revision: 'r2', replica: `canary at ${host}`, requests: 10, failures: 10 },
    ])
  })

  test('are not asked for a slot that is meant to have no pods', async () => {
    await using gateway = await pageServer(() => page('backend-service', 100, 0))
    const slots = { blue: { desired: 'r1', pods: ['r1'] }, canary: { desired: 'r2', pods: [], replicas: 0 } }
    const next = reading(cluster(slots), { from: 'gateway', pages: [gateway.url] }, destinations)
    expect(await next()).toEqual([])
  })

  test('of a slot that rolls are nobody’s, and that is said', async () => {
    const watched = cluster({ blue: { desired: 'r2', pods: ['r1', 'r2'] } })
    const next = reading(watched, { from: 'gateway', pages: [] }, destinations.slice(0, 1))
    await expect(next()).rejects.toThrow('blue runs 2 revisions while it rolls')
  })
})

describe('counts of a Prometheus', () => {
  test('of the application are asked for by pod and revision, also while a slot rolls', async () => {
    let counted = 0
    const asked = new Set<string>()
    await using prometheus = await pageServer((url) => {
      const query = new URL(url, 'http://none').searchParams.get('query')!
      asked.add(query)
      const pod = query.match(/pod=~"([^"]*)"/)![1]!
      const metric = { __name__: 'http_requests_total', pod, status: '200' }
      const result = query.startsWith('http_requests_total') ? [{ metric, value: [1, String(counted)] }] : []
      return JSON.stringify({ status: 'success', data: { result } })
    })
    const watched = cluster({ blue: { desired: 'r2', pods: ['r1', 'r2'] } })
    const next = reading(watched, { from: 'prometheus', url: prometheus.url, family: 'application' }, [])
    expect(await next()).toEqual([])
    counted = 5
    expect(await next()).toEqual([
      { slot: 'blue', revision: 'r1', replica: 'blue-0', requests: 5, failures: 0 },
      { slot: 'blue', revision: 'r2', replica: 'blue-1', requests: 5, failures: 0 },
    ])
    expect([...asked]).toContain('http_requests_total{namespace="shop",pod=~"blue-0"}')
  })
})

describe('counts of the pods themselves', () => {
  /** Pods that count every request but those for their counts, as a program without labels for paths does. */
  function countingApi() {
    const counted = new Map<string, number>()
    const ask = (pod: string) => counted.set(pod, (counted.get(pod) ?? 0) + 1)
    const request: Api['request'] = async (path) => {
      const [, pod = '', asked] = /pods\/([^:]+):8000\/proxy(.*)/.exec(path) ?? []
      if (asked !== '/metrics') ask(pod)
      const body = `# TYPE http_requests_total counter\nhttp_requests_total{status="200"} ${counted.get(pod) ?? 0}\n`
      return { status: 200, headers: {}, body }
    }
    return { api: { request } as Api, ask }
  }

  test.each(['smoke', 'probe'] as const)('hold users’ requests alone, whatever is sent by %s', async (kind) => {
    const { api, ask } = countingApi()
    const clock = testClock()
    const slots = { blue: { desired: 'r1', pods: ['r1'] }, green: { desired: 'r2', pods: ['r2', 'r2'] } }
    const watched = { ...cluster(slots), synced: async () => {} }
    const container = { port: 8000, metricsPath: '/metrics' }
    const services = [{ ...service, config: { container } } as unknown as ClusterService]
    const own = ownRequests(podCounts({ api, services }))
    const shared = { api, clock, watched, services, ownRequests: own }
    const reader = podCells(shared)
    const checks = clusterChecks({ ...shared, areCounted: true })
    const expectation = { status: 200, body: null, latencyMs: null }
    const tests = [{ name: 'home', method: 'GET', path: '/', headers: {}, body: null, expect: expectation }]
    const { next } = await reader.cells('backend', null)
    for (let user = 0; user < 7; user++) ask('green-0')
    const results = await checks[kind]!({ service: 'backend', slot: 'green', tests }, new AbortController().signal)
    expect(results).toMatchObject([{ passed: true }])
    ask('blue-0')
    clock.advance(1000)
    const { cells } = await reader.cells('backend', next)
    expect(cells.map(({ replica, requests }) => [replica, requests])).toEqual([
      ['blue-0', 1],
      ['green-0', 7],
    ])
  })
})
