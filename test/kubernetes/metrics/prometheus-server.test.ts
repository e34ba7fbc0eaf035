import { expect, test } from 'vitest'
import { metricFamilies } from '../../../src/config/config.ts'
import { latencyBucket } from '../../../src/domain/counts.ts'
import {
  prometheusCells,
  type QueriedSlot,
  queriesOf,
  samplesIn,
} from '../../../src/effects/kubernetes/metrics/prometheus-server.ts'
import type { CellCursor } from '../../../src/effects/ports/platform.ts'
import { testClock } from '../traffic/objects.ts'

const canary: QueriedSlot = {
  slot: 'canary',
  revision: 'r2',
  namespace: 'shop',
  service: 'backend-canary-service',
  canaryOf: 'backend-service',
  pods: ['backend-canary-7d4-a', 'backend-canary-7d4-b'],
}

test('requests of the canary in every family', () => {
  const requests = Object.fromEntries(metricFamilies.map((family) => [family, queriesOf(family, canary)?.requests]))
  expect(requests).toMatchInlineSnapshot(`
    {
      "application": "http_requests_total{namespace="shop",pod=~"backend-canary-7d4-a|backend-canary-7d4-b"}",
      "envoy": "envoy_cluster_upstream_rq{cluster_name=~"outbound[|][0-9]+[|][|]backend-canary-service\\\\.shop\\\\.svc[.;].*",response_code_class!=""}",
      "istio": "istio_requests_total{destination_service_namespace="shop",destination_service_name="backend-canary-service",reporter="source"}",
      "nginx": "nginx_ingress_controller_requests{namespace="shop",service="backend-service",canary!=""}",
    }
  `)
})

test('without pods there is nothing to ask the application for', () => {
  expect(queriesOf('application', { ...canary, pods: [] })).toBe(null)
})

const vector = (...result: { metric: Record<string, string>; value: [number, string] }[]) =>
  JSON.stringify({ status: 'success', data: { resultType: 'vector', result } })

test('an answer is read, a refusal is an error', () => {
  expect(samplesIn(vector({ metric: { __name__: 'up', job: 'a' }, value: [1, '5'] }))).toEqual([
    { name: 'up', labels: { job: 'a' }, value: 5 },
  ])
  expect(() => samplesIn('{"status":"error","errorType":"bad_data","error":"parse error"}')).toThrow('parse error')
})

function setUp(answers: Record<'requests' | 'durations', string>[]) {
  const clock = testClock()
  const reader = prometheusCells({
    clock,
    family: 'application',
    async query(text) {
      return text.startsWith('http_requests_total') ? answers[0]!.requests : answers[0]!.durations
    },
    slots: async () => [canary],
  })
  let after: CellCursor | null = null
  return async () => {
    clock.advance(1000)
    const { cells, next } = await reader.cells('backend', after)
    after = next
    answers.shift()
    return cells
  }
}

test('cells of the revision’s pods, series by series', async () => {
  const count = (pod: string, status: string, value: number) => ({
    metric: { __name__: 'http_requests_total', pod, status },
    value: [1, String(value)] as [number, string],
  })
  const bucket = (pod: string, le: string, value: number) => ({
    metric: { __name__: 'http_request_duration_seconds_bucket', pod, le },
    value: [1, String(value)] as [number, string],
  })
  const [a, b] = canary.pods as [string, string]
  const next = setUp([
    { requests: vector(count(a, '200', 100), count(b, '200', 50)), durations: vector(bucket(a, '0.1', 100)) },
    {
      // The second pod was started anew; the first has its first failure.
      requests: vector(count(a, '200', 104), count(a, '500', 1), count(b, '200', 3)),
      durations: vector(bucket(a, '0.1', 104), bucket(a, '+Inf', 105)),
    },
  ])
  expect((await next()).map(({ requests }) => requests)).toEqual([100, 50])
  const cells = await next()
  expect(cells.map(({ replica, revision, requests, failures }) => [replica, revision, requests, failures])).toEqual([
    [a, 'r2', 5, 1],
    [b, 'r2', 3, 0],
  ])
  expect([cells[0]!.latency[latencyBucket(100)], cells[0]!.latency.at(-1)]).toEqual([4, 1])
})

test('without any series, or with a Prometheus that refuses, it is unknown', async () => {
  const next = setUp([
    { requests: vector(), durations: vector() },
    { requests: '{"status":"error","error":"out of memory"}', durations: vector() },
  ])
  await expect(next()).rejects.toThrow('Prometheus has no application metrics of backend')
  const broken = setUp([{ requests: '{"status":"error","error":"out of memory"}', durations: vector() }])
  await expect(broken()).rejects.toThrow('out of memory')
})
