// The cluster behind the in-process API server moves as a real one does, as far as releases look at it.
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Api, KubernetesObject } from '../../src/effects/kubernetes/api.ts'
import { type Controllers, controllers } from '../support/api-server/controllers.ts'
import { type ApiServer, apiServer } from '../support/api-server/index.ts'

const namespace = 'shop'
const deployments = { apiVersion: 'apps/v1', plural: 'deployments', namespace }
const pods = { apiVersion: 'v1', plural: 'pods', namespace }
const slices = { apiVersion: 'discovery.k8s.io/v1', plural: 'endpointslices', namespace }
const services = { apiVersion: 'v1', plural: 'services', namespace }
const autoscalers = { apiVersion: 'autoscaling/v2', plural: 'horizontalpodautoscalers', namespace }

let server: ApiServer
let api: Api
let cluster: Controllers
let nowMs = 0
beforeEach(() => {
  server = apiServer({ namespaces: [namespace] })
  api = server.api
  nowMs = 0
  cluster = controllers({ objects: server.objects, nowMs: () => nowMs })
})
afterEach(() => server[Symbol.asyncDispose]())

function pass(ms: number): void {
  for (const end = nowMs + ms; nowMs < end; ) {
    nowMs = Math.min(end, nowMs + 100)
    cluster.settle()
  }
}

function deployment(tag: string, spec: Record<string, unknown> = {}): KubernetesObject {
  const labels = { app: 'backend' }
  const template = {
    metadata: { labels },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'backend', image: `localhost/backend:${tag}` }] },
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'backend' },
    spec: { replicas: 3, selector: { matchLabels: labels }, template, ...spec },
  }
}

// biome-ignore lint/suspicious/noExplicitAny: only parts of it are looked at
const statusOf = async () => (await api.get(deployments, 'backend'))!['status'] as any
// biome-ignore lint/suspicious/noExplicitAny: only parts of it are looked at
const allPods = async () => (await api.list(pods)).items as any[]
const images = async () => (await allPods()).map(({ spec }) => spec.containers[0].image.split(':')[1]).toSorted()
const apply = (object: KubernetesObject) => api.apply(deployments, object, { fieldManager: 'test', force: true })

test('controllers: a Deployment gets pods, which get ready, and a Service finds those that are', async () => {
  const spec = { selector: { app: 'backend' }, ports: [{ port: 80 }] }
  await api.create(services, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'backend' }, spec })
  await apply(deployment('v1'))
  pass(100)
  expect(await images()).toEqual(['v1', 'v1', 'v1'])
  expect(await statusOf()).toMatchObject({ replicas: 3, readyReplicas: 0, observedGeneration: 1 })
  pass(1000)
  expect(await statusOf()).toMatchObject({ replicas: 3, readyReplicas: 3, availableReplicas: 3 })
  const [slice] = (await api.list(slices, { labelSelector: 'kubernetes.io/service-name=backend' })).items
  const endpoints = slice!['endpoints'] as { conditions: object }[]
  expect(endpoints.map(({ conditions }) => conditions)).toEqual(
    Array.from({ length: 3 }, () => ({ ready: true, serving: true, terminating: false })),
  )
})

test('controllers: a new template rolls, with never fewer available than it may', async () => {
  await apply(deployment('v1', { minReadySeconds: 1 }))
  pass(3000)
  await apply(deployment('v2', { minReadySeconds: 1 }))
  const seen: number[] = []
  for (let step = 0; step < 120; step++) {
    pass(100)
    seen.push((await statusOf()).availableReplicas)
  }
  expect(Math.min(...seen)).toBe(3)
  expect(await images()).toEqual(['v2', 'v2', 'v2'])
  const history = (await api.list({ ...deployments, plural: 'replicasets' })).items
  expect(history.map((set) => (set['spec'] as { replicas: number }).replicas).toSorted()).toEqual([0, 3])
})

test('controllers: a rollout of something that is never ready stops, and the old version goes on', async () => {
  await apply(deployment('v1'))
  pass(1000)
  await apply(deployment('v2-never-ready'))
  pass(30_000)
  expect(await images()).toEqual(['v1', 'v1', 'v1', 'v2-never-ready'])
  expect(await statusOf()).toMatchObject({ availableReplicas: 3 })
})

test('controllers: pods say why they do not run', async () => {
  await apply(deployment('v1-crash', { replicas: 1 }))
  pass(3000)
  const [crashing] = await allPods()
  expect(crashing.status.containerStatuses[0]).toMatchObject({
    ready: false,
    state: { waiting: { reason: 'CrashLoopBackOff' } },
  })
  expect(crashing.status.containerStatuses[0].restartCount).toBeGreaterThan(1)
  await apply(deployment('v2-missing', { replicas: 1, strategy: { type: 'Recreate' } }))
  pass(5000)
  const missing = (await allPods()).find(({ spec }) => spec.containers[0].image.includes('missing'))
  expect(missing.status).toMatchObject({
    phase: 'Pending',
    containerStatuses: [{ state: { waiting: { reason: 'ImagePullBackOff' } } }],
  })
})

test('controllers: pods that end leave rotation at once and go after their grace period', async () => {
  await apply(deployment('v1'))
  pass(1000)
  await api.merge(deployments, 'backend', { spec: { replicas: 1 } })
  pass(100)
  const ending = (await allPods()).filter(({ metadata }) => metadata.deletionTimestamp)
  expect(ending).toHaveLength(2)
  pass(2000)
  expect(await allPods()).toHaveLength(1)
  await api.delete(deployments, 'backend')
  pass(3000)
  expect(await allPods()).toEqual([])
})

test('controllers: an autoscaler keeps its minimum, and lets alone what was scaled to nothing', async () => {
  await apply(deployment('v1', { replicas: 1 }))
  const spec = {
    minReplicas: 2,
    maxReplicas: 5,
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'backend' },
  }
  await api.create(autoscalers, {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'backend' },
    spec,
  })
  pass(1000)
  expect(await images()).toHaveLength(2)
  await api.merge(deployments, 'backend', { spec: { replicas: 0 } })
  pass(3000)
  expect(await images()).toEqual([])
})
