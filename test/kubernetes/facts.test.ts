// Objects as an API server gives them, to what the engine and people are told of them.
import { expect, test } from 'vitest'
import type { KubernetesObject } from '../../src/effects/kubernetes/api.ts'
import { slotFacts } from '../../src/effects/kubernetes/facts.ts'
import { imageIn } from '../../src/effects/kubernetes/found.ts'
import { IMAGE, REVISION } from '../../src/effects/kubernetes/marks.ts'
import { lastWords } from '../../src/effects/kubernetes/observer.ts'
import { countsIn } from '../../src/effects/kubernetes/pod-metrics.ts'

const image = 'registry.example/backend:v2'
const marks = { [REVISION]: 'abc', [IMAGE]: image }

function deployment(replicas: number, status: object = {}, containerImage = image): KubernetesObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'backend-blue', uid: 'd-1' },
    spec: {
      replicas,
      template: {
        metadata: { annotations: marks },
        spec: { containers: [{ name: 'backend', image: containerImage }] },
      },
    },
    status,
  }
}

const replicaSet = (status: object = {}): KubernetesObject => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name: 'backend-blue-1', uid: 'rs-1', ownerReferences: [{ kind: 'Deployment', name: 'x', uid: 'd-1' }] },
  status,
})

function pod(status: object, change: { owner?: string; deletionTimestamp?: string } = {}): KubernetesObject {
  const { owner = 'rs-1', ...metadata } = change
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'pod-1',
      annotations: marks,
      ownerReferences: [{ kind: 'ReplicaSet', name: 'x', uid: owner }],
      ...metadata,
    },
    spec: { containers: [{ name: 'backend', image }] },
    status,
  }
}

const ready = {
  phase: 'Running',
  conditions: [{ type: 'Ready', status: 'True' }],
  containerStatuses: [{ name: 'backend', ready: true, restartCount: 0, state: { running: {} } }],
}
const container = (state: object, more: object = {}) => ({
  phase: 'Pending',
  containerStatuses: [{ name: 'backend', ready: false, restartCount: 0, state, ...more }],
})

function facts(pods: readonly KubernetesObject[], more: Partial<Parameters<typeof slotFacts>[0]> = {}) {
  return slotFacts({
    service: 'backend',
    deployment: deployment(1),
    replicaSets: [replicaSet()],
    pods,
    warnings: {},
    lastLines: {},
    known: {},
    ...more,
  })
}

test('a Deployment with a ready pod is a slot with a ready replica of its revision', () => {
  expect(facts([pod(ready)])).toEqual({
    desiredRevision: 'abc',
    desiredReplicas: 1,
    replicas: [
      {
        id: 'pod-1',
        revision: 'abc',
        running: true,
        ready: true,
        restarts: 0,
        crashLooping: false,
        failingHealth: false,
        ending: false,
        startedAgoMs: 0,
      },
    ],
  })
})

test('a slot scaled to nothing is empty, and pods of other owners are none of its', () => {
  expect(facts([pod(ready, { owner: 'rs-of-another' })], { deployment: deployment(0) })).toEqual({
    desiredRevision: null,
    desiredReplicas: 0,
    replicas: [],
  })
})

test('an image that was set by hand is no revision of ours', () => {
  const changed = deployment(1, {}, 'registry.example/backend:hotfix')
  expect(facts([], { deployment: changed }).desiredRevision).toBe('changed by hand (registry.example/backend:hotfix)')
})

test.each([
  [
    'an image that is not there, final at once',
    container({ waiting: { reason: 'ErrImagePull', message: 'backend:v9: not found' } }),
    { reason: 'ErrImagePull: backend:v9: not found', isFinal: true },
  ],
  [
    'a registry that does not answer, worth another try',
    container({ waiting: { reason: 'ErrImagePull', message: 'dial tcp: i/o timeout' } }),
    { reason: 'ErrImagePull: dial tcp: i/o timeout', isFinal: false },
  ],
  [
    'no room on any node, in the words of the scheduler',
    {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', message: '0/1 nodes are available: 1 Insufficient cpu.' }],
    },
    { reason: 'it cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu.', isFinal: false },
  ],
  [
    'memory above the limit',
    container(
      { waiting: { reason: 'CrashLoopBackOff' } },
      { lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } } },
    ),
    {
      reason:
        'it was killed for using more memory than its limit (OOMKilled) with exit code 137; its last lines: heap is full',
      isFinal: false,
    },
  ],
])('what keeps a pod from being ready is said: %s', (_, status, trouble) => {
  const [replica] = facts([pod(status)], { lastLines: { 'pod-1': 'heap is full' } }).replicas
  expect(replica?.trouble).toEqual(trouble)
})

test('a probe that fails is the trouble of a pod that runs, and failing health once it had been ready', () => {
  const running = {
    phase: 'Running',
    containerStatuses: [{ name: 'backend', restartCount: 0, state: { running: {} } }],
  }
  const warnings = { 'pod-1': 'Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503' }
  const of = (wasReady: boolean) =>
    facts([pod(running)], { warnings, known: { 'pod-1': { forMs: 5000, wasReady } } }).replicas[0]
  expect(of(false)).toMatchObject({ failingHealth: false, trouble: { reason: warnings['pod-1'], isFinal: false } })
  expect(of(true)).toMatchObject({ failingHealth: true })
})

test('pods that a quota or a webhook forbids are the trouble of the slot, and final', () => {
  const message = 'pods "backend-blue-1-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3'
  const failure = { conditions: [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message }] }
  expect(facts([], { replicaSets: [replicaSet(failure)] }).trouble).toEqual({
    reason: `FailedCreate: ${message}`,
    isFinal: true,
  })
})

test('the last words of a program are the lines in which it says why it ends', () => {
  const trace = [
    'file:///server.mjs:3',
    'Error: DATABASE_URL is not set',
    '    at main (server.mjs:3)',
    '',
    'Node.js v26',
  ]
  expect(lastWords(trace.join('\n'))).toBe('Error: DATABASE_URL is not set')
  expect(lastWords('one\ntwo\nthree\nfour\n')).toBe('two | three | four')
})

test('an image is read with a port in its registry and with a digest', () => {
  expect(imageIn('registry.example:5000/team/backend:v1@sha256:ab')).toEqual({
    kind: 'image',
    registry: 'registry.example:5000/team',
    name: 'backend',
    tag: 'v1',
    digest: 'sha256:ab',
  })
  expect(imageIn('backend')).toMatchObject({ registry: '', name: 'backend', tag: 'latest', digest: null })
})

const page = `
# TYPE moodify_http_requests_total counter
moodify_http_requests_total{method="GET",route="/api/x",status="200"} 90
moodify_http_requests_total{method="GET",route="/api/x",status="503"} 10
moodify_http_requests_total{method="GET",route="/health/ready",status="200"} 500
# TYPE moodify_http_request_duration_seconds histogram
moodify_http_request_duration_seconds_bucket{method="GET",route="/api/x",le="0.005"} 60
moodify_http_request_duration_seconds_bucket{method="GET",route="/api/x",le="0.1"} 95
moodify_http_request_duration_seconds_bucket{method="GET",route="/api/x",le="+Inf"} 100
moodify_http_request_duration_seconds_bucket{method="GET",route="/health/ready",le="+Inf"} 500
process_resident_memory_bytes 1
`

test('requests of users are counted from a page of metrics, health checks are not', () => {
  const counts = countsIn(page)
  expect(counts).toMatchObject({ requests: 100, failures: 10 })
  expect(counts?.latency.reduce((sum, count) => sum + count, 0)).toBe(100)
  expect(counts?.latency[0]).toBe(60)
  expect(counts?.latency.at(-1)).toBe(5)
})

test('a page without counts of requests says nothing, one of a program that has answered nobody says none', () => {
  expect(countsIn('process_resident_memory_bytes 1\n')).toBeNull()
  expect(countsIn('# TYPE http_requests_total counter\n')).toMatchObject({ requests: 0, failures: 0 })
})
