// What gateways and Prometheus say of requests, beside what users counted themselves.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Cell } from '../../src/domain/counts.ts'
import { systemClock } from '../../src/effects/clock/system.ts'
import type { CellsReader } from '../../src/effects/kubernetes/metrics/counter-cells.ts'
import { gatewayCells } from '../../src/effects/kubernetes/metrics/gateway.ts'
import { prometheusCells } from '../../src/effects/kubernetes/metrics/prometheus-server.ts'
import { choosePlane } from '../../src/effects/kubernetes/traffic/choose.ts'
import type { CellCursor } from '../../src/effects/ports/platform.ts'
import { until } from '../support/until.ts'
import { onCluster } from './support/namespace.ts'
import { ENVOY_ADMIN, ISTIO_PORT, isInsideCluster, planesUp } from './support/planes.ts'
import { hasPrometheus, startPrometheus } from './support/prometheus.ts'
import { httpRouteOf, ingressesOf, openShop, type Shop, virtualServiceOf } from './support/shop.ts'
import {
  lackOfTraefik,
  startTraefik,
  TRAEFIK_GATEWAY_PORT,
  TRAEFIK_INGRESS_PORT,
  TRAEFIK_PAGE,
  traefikGateway,
} from './support/traefik.ts'
import { startUsers } from './support/users.ts'

const NOT_INSIDE = 'this is not inside the network of the cluster: start it with enter'

/** Reads on and on, and adds up what comes. */
function collector(reader: CellsReader) {
  const cells: Cell[] = []
  let after: CellCursor | null = null
  return {
    cells,
    async read(): Promise<void> {
      const answer = await reader.cells('backend', after)
      cells.push(...answer.cells)
      after = answer.next
    },
    total(slot: string, of: 'requests' | 'failures' = 'requests'): number {
      return cells.filter((cell) => cell.slot === slot).reduce((sum, cell) => sum + cell[of], 0)
    },
    timed(slot: string): number {
      const counts = cells.filter((cell) => cell.slot === slot).flatMap(({ latency }) => latency)
      return counts.reduce((sum, count) => sum + count, 0)
    },
  }
}

async function sharing(shop: Shop) {
  await shop.apply('virtualservices', virtualServiceOf(shop))
  const services = [{ ...shop.service, fronts: [{ host: '127.0.0.1', port: ISTIO_PORT }] }] as const
  const { plane } = await choosePlane({ api: shop.api, clock: systemClock, services, by: 'virtualservice', mix: false })
  await plane.setShares({ service: 'backend', shares: { blue: 70, canary: 30 }, generation: 1 }, 1)
  await until('it is followed', async () => (await plane.route('backend')).generation === 1)
}

const slotsOf = ({ namespace }: Shop) => [
  { slot: 'blue', revision: 'r1', namespace, service: 'backend-service', pods: [] },
  { slot: 'canary', revision: 'r2', namespace, service: 'backend-canary-service', pods: [] },
]

onCluster(() => {
  let isInside = false
  beforeAll(async () => {
    isInside = await isInsideCluster()
    if (isInside) await planesUp()
  }, 900_000)

  test('Envoy’s own statistics are what users counted, answers that no pod gave included', async ({ skip }) => {
    skip(!isInside, NOT_INSIDE)
    await using shop = await openShop('kt-envoy')
    await sharing(shop)
    const read = async () => (await fetch(`${ENVOY_ADMIN}/stats/prometheus`)).text()
    const pages = [{ name: 'envoy', read }]
    const counted = collector(gatewayCells({ clock: systemClock, pages, slots: async () => slotsOf(shop) }))
    await counted.read()
    const users = startUsers({ port: ISTIO_PORT, hostHeader: shop.host })
    await users.next(300)
    await shop.scale('canary', 0)
    await until('the gateway answers for the canary itself', () => (users.failures['503'] ?? 0) > 20)
    await users[Symbol.asyncDispose]()

    const { blue = 0, canary = 0, none = 0 } = users.versions
    await until('all is counted', async () => {
      await counted.read()
      return counted.total('blue') + counted.total('canary') >= users.requests && counted.timed('blue') >= blue
    })
    expect(counted.total('blue')).toBe(blue)
    expect(counted.total('canary')).toBe(canary + none)
    expect(counted.total('canary', 'failures')).toBe(none)
    expect(counted.total('blue', 'failures')).toBe(0)
    // Histograms are merged once a second: answers of the proof, from before the first look, may be among these.
    expect(counted.timed('blue') - blue).toBeLessThanOrEqual(20)
  })

  test('Traefik’s statistics are what users counted, for an ingress with a canary and for an HTTPRoute', async ({
    skip,
  }) => {
    skip(!isInside, NOT_INSIDE)
    skip(lackOfTraefik !== null, lackOfTraefik ?? '')
    await using shop = await openShop('kt-traefik')
    await using _ = await startTraefik(shop.api)
    for (const ingress of ingressesOf(shop)) await shop.apply('ingresses', ingress)
    await shop.apply('gateways', traefikGateway())
    await shop.apply('httproutes', httpRouteOf(shop, { name: 'traefik' }))
    for (const [by, port] of [
      ['nginx', TRAEFIK_INGRESS_PORT],
      ['httproute', TRAEFIK_GATEWAY_PORT],
    ] as const) {
      const services = [{ ...shop.service, fronts: [{ host: '127.0.0.1', port }] }] as const
      const options = { api: shop.api, clock: systemClock, services, by, mix: false, propagationMs: 4000 }
      const { plane } = await choosePlane(options)
      await plane.setShares({ service: 'backend', shares: { blue: 70, canary: 30 }, generation: 1 }, 1)
      await until('it is followed', async () => (await plane.route('backend')).generation === 1)
      // A service is in these statistics from its first request on.
      await until('both have answered', async () => {
        await using users = startUsers({ port, hostHeader: shop.host, connections: 2 })
        await users.next(30)
        return (users.versions['canary'] ?? 0) > 0 && (users.versions['blue'] ?? 0) > 0
      })
      const pages = [{ name: 'traefik', read: async () => (await fetch(TRAEFIK_PAGE)).text() }]
      const slots = async () =>
        (await plane.destinations('backend')).map((one) => ({ ...one, namespace: shop.namespace, revision: 'r1' }))
      const counted = collector(gatewayCells({ clock: systemClock, pages, slots }))
      await counted.read()
      const users = startUsers({ port, hostHeader: shop.host })
      await users.next(200)
      await users[Symbol.asyncDispose]()
      await until('all is counted', async () => {
        await counted.read()
        return counted.total('blue') + counted.total('canary') >= users.requests
      })
      expect({ blue: counted.total('blue'), canary: counted.total('canary') }).toEqual(users.versions)
    }
  })

  describe('Prometheus', () => {
    test('its series of Envoy are what users counted', async ({ skip }) => {
      skip(!isInside, NOT_INSIDE)
      skip(!hasPrometheus, 'there is no prometheus on the PATH')
      await using shop = await openShop('kt-prom')
      await sharing(shop)
      await using users = startUsers({ port: ISTIO_PORT, hostHeader: shop.host })
      await users.next(20)
      await users[Symbol.asyncDispose]()
      await using prometheus = await startPrometheus([
        { port: 15000, path: '/stats/prometheus', params: { filter: ['upstream_rq'] } },
      ])
      const options = { clock: systemClock, family: 'envoy', query: prometheus.query } as const
      const counted = collector(prometheusCells({ ...options, slots: async () => slotsOf(shop) }))
      await until('it has the series of the shop', () =>
        counted.read().then(
          () => true,
          () => false,
        ),
      )
      const before = users.versions
      await using more = startUsers({ port: ISTIO_PORT, hostHeader: shop.host })
      await more.next(300)
      await more[Symbol.asyncDispose]()
      expect(before['blue']).toBeGreaterThan(0)
      await until('all is counted', async () => {
        await counted.read()
        return counted.total('blue') + counted.total('canary') >= more.requests
      })
      expect(counted.total('blue')).toBe(more.versions['blue'])
      expect(counted.total('canary')).toBe(more.versions['canary'])
      expect(counted.timed('blue')).toBeGreaterThan(0)
    })

    test('an application’s own series are bound to the pods of the revision', async ({ skip }) => {
      skip(!hasPrometheus, 'there is no prometheus on the PATH')
      let good = 100
      const page = () => `http_requests_total{status="200"} ${good}\nhttp_requests_total{status="500"} ${good / 10}\n`
      const server = createServer((_, answer) => void answer.end(page()))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      try {
        const target = (pod: string) => ({ port, path: '/metrics', labels: { namespace: 'shop', pod } })
        await using prometheus = await startPrometheus([target('canary.1'), target('canaryx1')])
        const slot = { slot: 'canary', revision: 'r2', namespace: 'shop', service: 'none', pods: ['canary.1'] }
        const options = { clock: systemClock, family: 'application', query: prometheus.query } as const
        const counted = collector(prometheusCells({ ...options, slots: async () => [slot] }))
        await until('it has been scraped', () =>
          counted.read().then(
            () => true,
            () => false,
          ),
        )
        good = 200
        await until('what came in between is there', async () => {
          await counted.read()
          return counted.total('canary') >= 110
        })
        expect([counted.total('canary'), counted.total('canary', 'failures')]).toEqual([110, 10])
        expect(new Set(counted.cells.map(({ replica }) => replica))).toEqual(new Set(['canary.1']))
      } finally {
        server.close()
      }
    })
  })
})
