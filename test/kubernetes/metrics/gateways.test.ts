import { describe, expect, test } from 'vitest'
import { latencyBucket } from '../../../src/domain/counts.ts'
import { type CountedSlot, gatewayCells, gatewayInFlight } from '../../../src/effects/kubernetes/metrics/gateway.ts'
import { readGatewayPage } from '../../../src/effects/kubernetes/metrics/gateway-page.ts'
import { testClock } from '../traffic/objects.ts'

const stable = { namespace: 'shop', service: 'backend-service' }
const canary = { namespace: 'shop', service: 'backend-canary-service' }

const envoyCluster = (name: string) => `cluster_name="outbound|8000||${name}.shop.svc.cluster.local"`
const envoyPage = [
  `envoy_cluster_membership_healthy{${envoyCluster('backend-service')}} 3`,
  `envoy_cluster_membership_healthy{${envoyCluster('backend-canary-service')}} 1`,
  `envoy_cluster_upstream_rq{response_code_class="2xx",${envoyCluster('backend-canary-service')}} 358`,
  `envoy_cluster_upstream_rq{response_code_class="5xx",${envoyCluster('backend-canary-service')}} 42`,
  `envoy_cluster_upstream_rq{response_code="200",${envoyCluster('backend-canary-service')}} 358`,
  `envoy_cluster_upstream_rq{response_code="503",${envoyCluster('backend-canary-service')}} 42`,
  `envoy_cluster_upstream_rq_completed{${envoyCluster('backend-canary-service')}} 400`,
  `envoy_cluster_external_upstream_rq_completed{${envoyCluster('backend-canary-service')}} 400`,
  `envoy_cluster_external_upstream_rq{response_code_class="5xx",${envoyCluster('backend-canary-service')}} 42`,
  `envoy_cluster_upstream_rq_total{${envoyCluster('backend-canary-service')}} 1200`,
  `envoy_cluster_upstream_rq_time_bucket{${envoyCluster('backend-canary-service')},le="0.5"} 0`,
  `envoy_cluster_upstream_rq_time_bucket{${envoyCluster('backend-canary-service')},le="25"} 350`,
  `envoy_cluster_upstream_rq_time_bucket{${envoyCluster('backend-canary-service')},le="+Inf"} 358`,
].join('\n')

test('Envoy: completed requests, 5xx by class alone, milliseconds', () => {
  const page = readGatewayPage(envoyPage)
  const counts = page(canary)!
  expect([counts.requests, counts.failures]).toEqual([400, 42])
  expect([counts.latency[latencyBucket(25)], counts.latency.at(-1)]).toEqual([350, 8])
})

test('Envoy: a Service without any request is known; one that it has never heard of is not', () => {
  const page = readGatewayPage(envoyPage)
  expect(page(stable)).toMatchObject({ requests: 0, failures: 0 })
  expect(page({ namespace: 'shop', service: 'other' })).toBe(null)
  expect(page({ namespace: 'other', service: 'backend-service' })).toBe(null)
})

test('Envoy without Istio’s rule for names has the rest of the host in the name of the metric', () => {
  const page = readGatewayPage(
    'envoy_cluster_shop_svc_cluster_local__upstream_rq_completed{cluster_name="outbound|80||backend-service"} 7',
  )
  expect(page(stable)?.requests).toBe(7)
  expect(page({ ...stable, namespace: 'other' })).toBe(null)
})

describe('requests in flight', () => {
  const active = (name: string, count: number) => `envoy_cluster_upstream_rq_active{${envoyCluster(name)}} ${count}`
  const pageOf = (...lines: string[]) => ({ name: 'gateway', read: async () => lines.join('\n') })
  const slots = async () => [{ slot: 'canary', ...canary }]

  test('are those of every gateway together', async () => {
    const pages = [
      pageOf(active('backend-service', 40), active('backend-canary-service', 2)),
      pageOf(active('backend-canary-service', 1)),
    ]
    const inFlight = gatewayInFlight({ pages, slots })
    expect(await inFlight('backend', 'canary')).toBe(3)
    expect(await inFlight('backend', 'blue')).toBe(null)
  })

  test('are not known when one gateway does not answer or does not say', async () => {
    const known = pageOf(active('backend-canary-service', 0))
    const mute = { name: 'mute', read: () => Promise.reject(new Error('no answer')) }
    expect(await gatewayInFlight({ pages: [known], slots })('backend', 'canary')).toBe(0)
    for (const other of [mute, pageOf(active('backend-service', 0))])
      expect(await gatewayInFlight({ pages: [known, other], slots })('backend', 'canary')).toBe(null)
  })
})

test('Istio’s proxy: by destination, and once, not again at the other end', () => {
  const labels = 'destination_service_name="backend-canary-service",destination_service_namespace="shop"'
  const page = readGatewayPage(
    [
      `istio_requests_total{${labels},reporter="source",response_code="200"} 90`,
      `istio_requests_total{${labels},reporter="source",response_code="503"} 9`,
      `istio_requests_total{${labels},reporter="source",response_code="0"} 1`,
      `istio_requests_total{${labels},reporter="destination",response_code="200"} 90`,
      `istio_request_duration_milliseconds_bucket{${labels},reporter="source",response_code="200",le="100"} 90`,
      `istio_request_duration_milliseconds_bucket{${labels},reporter="source",response_code="503",le="100"} 0`,
      `istio_request_duration_milliseconds_bucket{${labels},reporter="source",response_code="503",le="+Inf"} 10`,
    ].join('\n'),
  )
  const counts = page(canary)!
  expect([counts.requests, counts.failures]).toEqual([100, 10])
  expect([counts.latency[latencyBucket(100)], counts.latency.at(-1)]).toEqual([90, 10])
})

test('Traefik: the canary of an ingress is counted under the name of the stable Service; seconds', () => {
  const stableName = 'shop-backend-ingress-backend-service-8000@kubernetesingressnginx'
  const canaryName = 'shop-backend-ingress-backend-service-8000-canary@kubernetesingressnginx'
  const routed =
    'httproute-shop-backend-gw-shop-gateway-ep-web-0-1c2d-svc-shop-backend-canary-service-1@kubernetesgateway'
  const request = (code: number, service: string, count: number) =>
    `traefik_service_requests_total{code="${code}",method="GET",protocol="http",service="${service}"} ${count}`
  const bucket = (le: string, count: number) =>
    `traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="${canaryName}",le="${le}"} ${count}`
  const page = readGatewayPage(
    [
      request(200, stableName, 80),
      request(502, stableName, 1),
      request(200, canaryName, 10),
      bucket('0.01', 9),
      bucket('+Inf', 10),
    ].join('\n'),
  )
  const ofCanary = { ...canary, canaryOf: 'backend-service' }
  expect(page(stable)).toMatchObject({ requests: 81, failures: 1 })
  expect(page(ofCanary)).toMatchObject({ requests: 10, failures: 0 })
  expect(page(ofCanary)?.latency[latencyBucket(10)]).toBe(9)
  expect(readGatewayPage(request(200, routed, 5))(canary)?.requests).toBe(5)
})

describe('cells of a gateway', () => {
  const page = (requests: number, failures: number) =>
    [
      `envoy_cluster_membership_healthy{${envoyCluster('backend-service')}} 3`,
      `envoy_cluster_upstream_rq_completed{${envoyCluster('backend-service')}} ${requests}`,
      `envoy_cluster_upstream_rq{response_code_class="5xx",${envoyCluster('backend-service')}} ${failures}`,
    ].join('\n')

  function setUp(pages: (string | Error)[], slots: () => readonly CountedSlot[]) {
    const clock = testClock()
    const read = async () => {
      const next = pages.shift()!
      if (next instanceof Error) throw next
      return next
    }
    const reader = gatewayCells({ clock, pages: [{ name: 'envoy', read }], slots: async () => slots() })
    return async () => {
      clock.advance(1000)
      const { cells } = await reader.cells('backend', null)
      return cells.map(({ slot, revision, requests, failures }) => [slot, revision, requests, failures])
    }
  }

  test('what came in between belongs to the slot that the Service selects; while that changes it is nobody’s', async () => {
    let current: CountedSlot = { ...stable, slot: 'blue', revision: 'r1' }
    const next = setUp([page(100, 0), page(110, 2), page(120, 2), page(125, 2)], () => [current])
    expect(await next()).toEqual([])
    expect(await next()).toEqual([['blue', 'r1', 10, 2]])
    current = { ...stable, slot: 'green', revision: 'r2' }
    expect(await next()).toEqual([['blue', 'r1', 10, 2]])
    expect(await next()).toEqual([
      ['blue', 'r1', 10, 2],
      ['green', 'r2', 5, 0],
    ])
  })

  test('a gateway that does not answer, or does not know the Service, leaves it unknown', async () => {
    const next = setUp([new Error('connection refused'), ''], () => [{ ...stable, slot: 'blue', revision: 'r1' }])
    await expect(next()).rejects.toThrow('What envoy has counted is not known: connection refused')
    await expect(next()).rejects.toThrow('it has no counts of backend-service in shop')
  })
})
