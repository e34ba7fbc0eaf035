// Real data planes on a real cluster: weights are written, proxies follow, and users who count everything lose nothing.
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Shares } from '../../src/domain/names.ts'
import { systemClock } from '../../src/effects/clock/system.ts'
import { connect } from '../../src/effects/kubernetes/client.ts'
import { choosePlane } from '../../src/effects/kubernetes/traffic/choose.ts'
import type { FrontAddress, PlaneName, TrafficPlane } from '../../src/effects/kubernetes/traffic/plane.ts'
import { until } from '../support/until.ts'
import { onCluster } from './support/namespace.ts'
import { GATEWAY_API_PORT, ISTIO_PORT, ISTIOD_URL, isInsideCluster, killIstiod, planesUp } from './support/planes.ts'
import { httpRouteOf, ingressesOf, openShop, type Shop, virtualServiceOf } from './support/shop.ts'
import {
  lackOfTraefik,
  startTraefik,
  TRAEFIK_GATEWAY_PORT,
  TRAEFIK_INGRESS_PORT,
  traefikGateway,
} from './support/traefik.ts'
import { startUsers, type Users, type Versions } from './support/users.ts'

const NOT_INSIDE = 'this is not inside the network of the cluster: start it with enter'

interface Subject {
  readonly by: PlaneName
  readonly front: FrontAddress
  readonly apply: (shop: Shop) => Promise<void>
  /** Why there is no Traefik here, or null when there is; left out by what needs none. */
  readonly lack?: string | null
  /** How it is known to be followed, where it is not by marked answers. */
  readonly waitedMs?: number
}

const front = (port: number): FrontAddress => ({ host: '127.0.0.1', port })
const gatewayApi = { name: 'gateway-api', namespace: 'istio-ingress' }

const subjects: Readonly<Record<string, Subject>> = {
  'VirtualService, Envoy': {
    by: 'virtualservice',
    front: front(ISTIO_PORT),
    apply: (shop) => shop.apply('virtualservices', virtualServiceOf(shop)),
  },
  'HTTPRoute, Envoy': {
    by: 'httproute',
    front: front(GATEWAY_API_PORT),
    apply: (shop) => shop.apply('httproutes', httpRouteOf(shop, gatewayApi)),
  },
  'HTTPRoute, Traefik': {
    by: 'httproute',
    front: front(TRAEFIK_GATEWAY_PORT),
    lack: lackOfTraefik,
    async apply(shop) {
      await shop.apply('gateways', traefikGateway())
      await shop.apply('httproutes', httpRouteOf(shop, { name: 'traefik' }))
    },
  },
  'NGINX annotations, Traefik': {
    by: 'nginx',
    front: front(TRAEFIK_INGRESS_PORT),
    lack: lackOfTraefik,
    // It takes one change at once and the next up to 2 s later, on a busy machine later still.
    waitedMs: 8000,
    async apply(shop) {
      for (const ingress of ingressesOf(shop)) await shop.apply('ingresses', ingress)
    },
  },
}

async function planeOf(shop: Shop, { by, front, waitedMs }: Subject): Promise<TrafficPlane> {
  const services = [{ ...shop.service, fronts: [front] }] as const
  const propagation = waitedMs === undefined ? {} : { propagationMs: waitedMs }
  const options = { api: shop.api, clock: systemClock, services, by, mix: false, istiodUrl: ISTIOD_URL }
  return (await choosePlane({ ...options, ...propagation })).plane
}

/** Follows within the deadline of the tests; what it says meanwhile is in the error. */
async function follows(plane: TrafficPlane, generation: number): Promise<void> {
  await until(
    `generation ${generation} is followed`,
    async () => (await plane.route('backend')).generation === generation,
  )
}

/** Until users reach the live version, and testers the canary: a gateway may read the two one after the other. */
async function serving(shop: Shop, { front }: Subject): Promise<void> {
  const reaches = async (version: string, headers: Readonly<Record<string, string>>) => {
    await using users = startUsers({ port: front.port, hostHeader: shop.host, connections: 2, headers })
    return (await users.next(20))[version] === 20
  }
  await until('the gateway serves users', () => reaches('blue', {}))
  await until('the gateway serves testers', () => reaches('canary', { 'x-moodify-slot': 'canary' }))
}

/** Six standard deviations of random draws; exact where nothing is drawn. */
function expectShares(versions: Versions, shares: Shares): void {
  const total = Object.values(versions).reduce((sum, count) => sum + count, 0)
  for (const version of new Set([...Object.keys(versions), ...Object.keys(shares)])) {
    const share = (shares[version] ?? 0) / 100
    const spread = 6 * Math.sqrt(total * share * (1 - share))
    const inWords = `${version}: ${versions[version] ?? 0} of ${total}, expected ${Math.round(total * share)} ± ${Math.round(spread)}; all: ${JSON.stringify(versions)}`
    expect(Math.abs((versions[version] ?? 0) - total * share), inWords).toBeLessThanOrEqual(spread)
  }
}

function expectNothingLost(users: Users): void {
  expect(users.failures).toEqual({})
  expect(users.requests).toBeGreaterThan(500)
}

onCluster(() => {
  let isInside = false
  beforeAll(async () => {
    isInside = await isInsideCluster()
    if (isInside) await planesUp()
  }, 900_000)

  describe.each(Object.entries(subjects))('traffic by %s', (_, subject) => {
    const proof = subject.waitedMs === undefined ? 'marked' : 'waited'

    beforeAll(async () => {
      if (!isInside || subject.lack !== null) return
      const client = connect()
      const traefik = await startTraefik(client)
      return async () => {
        await traefik[Symbol.asyncDispose]()
        client.close()
      }
    })
    beforeEach(({ skip }) => {
      skip(Boolean(subject.lack), subject.lack ?? '')
    })

    test('every share is followed and nobody loses a request: canary, back, canary to the end, the idle colour', async ({
      skip,
    }) => {
      skip(!isInside, NOT_INSIDE)
      await using shop = await openShop('kt-shift')
      await subject.apply(shop)
      await serving(shop, subject)
      const plane = await planeOf(shop, subject)
      expect(plane.capabilities).toMatchObject({ proof, split: 'request', headerPin: 'x-moodify-slot' })
      await using users = startUsers({ port: subject.front.port, hostHeader: shop.host })
      const way: readonly Shares[] = [
        { blue: 100 },
        { blue: 90, canary: 10 },
        { blue: 50, canary: 50 },
        { blue: 100 },
        { blue: 75, canary: 25 },
        { canary: 100 },
        { green: 100 },
        { blue: 100 },
      ]
      for (const [index, shares] of way.entries()) {
        const generation = index + 1
        expect(users.failures).toEqual({})
        expect(await plane.setShares({ service: 'backend', shares, generation }, 1)).toEqual(shares)
        await follows(plane, generation)
        expect(await plane.route('backend')).toMatchObject({ generation, shares })
        expectShares(await users.next(300), shares)
      }
      expectNothingLost(users)
    })

    test('a tester who is pinned to the canary gets it at any share, and others do not', async ({ skip }) => {
      skip(!isInside, NOT_INSIDE)
      await using shop = await openShop('kt-pin')
      await subject.apply(shop)
      await serving(shop, subject)
      const plane = await planeOf(shop, subject)
      await plane.setShares({ service: 'backend', shares: { blue: 100 }, generation: 1 }, 1)
      await follows(plane, 1)
      const headers = { [plane.capabilities.headerPin!]: 'canary' }
      await using testers = startUsers({ port: subject.front.port, hostHeader: shop.host, headers })
      await using users = startUsers({ port: subject.front.port, hostHeader: shop.host })
      expect(await testers.next(50)).toEqual({ canary: 50 })
      expect(await users.next(50)).toEqual({ blue: 50 })
    })

    test('a runner that was taken over changes nothing any more', async ({ skip }) => {
      skip(!isInside, NOT_INSIDE)
      await using shop = await openShop('kt-epoch')
      await subject.apply(shop)
      const [old, taking] = [await planeOf(shop, subject), await planeOf(shop, subject)]
      await old.setShares({ service: 'backend', shares: { blue: 100 }, generation: 1 }, 1)
      await taking.takeEpoch(2)
      const stale = old.setShares({ service: 'backend', shares: { green: 100 }, generation: 2 }, 1)
      await expect(stale).rejects.toMatchObject({ code: 'STALE_EPOCH' })
      await follows(taking, 1)
      expect(await taking.route('backend')).toMatchObject({ generation: 1, shares: { blue: 100 } })
      await taking.setShares({ service: 'backend', shares: { blue: 90, canary: 10 }, generation: 2 }, 2)
      await follows(taking, 2)
    })
  })

  describe('traffic by a Service, without any route', () => {
    /** Users on connections of their own: a kept one stays with the pod that it was made to. */
    async function usersOf(shop: Shop): Promise<Users> {
      const services = { apiVersion: 'v1', plural: 'services', namespace: shop.namespace }
      const { spec } = (await shop.api.get(services, 'backend-service'))! as unknown as { spec: { clusterIP: string } }
      return startUsers({ host: spec.clusterIP, port: 8000, hostHeader: shop.host, short: true })
    }
    const optionsOf = ({ api, service }: Shop, mix: boolean) =>
      ({ api, clock: systemClock, services: [service], by: 'auto', mix }) as const

    test('a switch reaches everybody within the declared time, and nobody loses a request', async ({ skip }) => {
      skip(!isInside, NOT_INSIDE)
      await using shop = await openShop('kt-switch')
      const { plane } = await choosePlane(optionsOf(shop, false))
      expect(plane).toMatchObject({ name: 'selector', capabilities: { split: 'switch', proof: 'reported' } })
      await using users = await usersOf(shop)
      for (const [index, slot] of ['blue', 'green', 'blue', 'canary', 'blue'].entries()) {
        await plane.setShares({ service: 'backend', shares: { [slot]: 100 }, generation: index + 1 }, 1)
        await follows(plane, index + 1)
        expect(await users.next(200)).toEqual({ [slot]: 200 })
      }
      expectNothingLost(users)
    })

    test('a share by pods is said as what it is, and is what users get', async ({ skip }) => {
      skip(!isInside, NOT_INSIDE)
      await using shop = await openShop('kt-replicas')
      const { plane } = await choosePlane(optionsOf(shop, true))
      expect(plane).toMatchObject({ name: 'replicas', capabilities: { split: 'replica' } })
      const mixed = { service: 'backend', shares: { blue: 90, canary: 10 }, generation: 1 }
      await expect(plane.setShares(mixed, 1)).rejects.toThrow('also send requests of backend-service to green')
      await shop.scale('green', 0)
      await until(
        'green has no pods any more',
        async () => (await plane.route('backend')).slots['green']!.endpoints === 0,
      )
      await using users = await usersOf(shop)
      expect(await plane.setShares(mixed, 1)).toEqual({ blue: 66.7, canary: 33.3 })
      await follows(plane, 1)
      const facts = await plane.route('backend')
      expect(facts).toMatchObject({ shares: { blue: 90, canary: 10 }, effectiveShares: { blue: 66.7, canary: 33.3 } })
      expectShares(await users.next(600), { blue: 200 / 3, canary: 100 / 3 })
      await plane.setShares({ service: 'backend', shares: { blue: 100 }, generation: 2 }, 1)
      await follows(plane, 2)
      expect(await users.next(200)).toEqual({ blue: 200 })
      expectNothingLost(users)
    })
  })

  describe('a data plane that does not follow', () => {
    async function opened(prefix: string, subject: Subject) {
      const shop = await openShop(prefix)
      await subject.apply(shop)
      await serving(shop, subject)
      const plane = await planeOf(shop, subject)
      await plane.setShares({ service: 'backend', shares: { blue: 100 }, generation: 1 }, 1)
      await follows(plane, 1)
      return { shop, plane }
    }

    test('istiod killed: the weights are written and not followed, users notice nothing; started again, they are', async ({
      skip,
    }) => {
      skip(!isInside, NOT_INSIDE)
      const subject = subjects['VirtualService, Envoy']!
      const { shop, plane } = await opened('kt-killed', subject)
      await using _ = shop
      await using users = startUsers({ port: subject.front.port, hostHeader: shop.host })
      await killIstiod()
      try {
        await plane.setShares({ service: 'backend', shares: { blue: 50, canary: 50 }, generation: 2 }, 1)
        const lagging = await until('it is said why', async () => {
          const facts = await plane.route('backend')
          return facts.behind?.reason.includes('istiod') && facts
        })
        expect(lagging).toMatchObject({ generation: 1, shares: { blue: 100 } })
        expect(lagging.behind).toEqual({
          generation: 2,
          reason: expect.stringMatching(/^127\.0\.0\.1:8080 still answers with generation 1; istiod does not answer/),
        })
        expect(await users.next(200)).toEqual({ blue: 200 })
      } finally {
        await planesUp()
      }
      await follows(plane, 2)
      expectShares(await users.next(300), { blue: 50, canary: 50 })
      expectNothingLost(users)
    })

    test('a broken VirtualService of another team holds ours up, and the gateway’s own words are passed on', async ({
      skip,
    }) => {
      skip(!isInside, NOT_INSIDE)
      const subject = subjects['VirtualService, Envoy']!
      const { shop, plane } = await opened('kt-broken', subject)
      await using _ = shop
      const resource = { apiVersion: 'networking.istio.io/v1', plural: 'virtualservices', namespace: shop.namespace }
      const broken = structuredClone(virtualServiceOf(shop)) as never as {
        metadata: { name: string }
        spec: { hosts: string[]; http: object[] }
      }
      broken.metadata.name = 'another-team'
      broken.spec.hosts = [`other.${shop.host}`]
      broken.spec.http = [{ ...broken.spec.http[1]!, headers: { response: { set: { 'x-team': 'one\ntwo' } } } }]
      await shop.apply('virtualservices', broken as never)
      try {
        const lagging = await until('the gateway has rejected something', async () => {
          const { behind, generation } = await plane.route('backend')
          if (!behind) {
            await plane.setShares(
              { service: 'backend', shares: { blue: 90, canary: 10 }, generation: generation + 1 },
              1,
            )
          }
          return behind?.reason.includes('has rejected what istiod sent') && behind.reason
        })
        expect(lagging).toContain('gateway.istio-ingress has rejected what istiod sent')
      } finally {
        await shop.api.delete(resource, 'another-team')
      }
      await until('it follows again', async () => (await plane.route('backend')).behind === undefined)
    })
  })
})
