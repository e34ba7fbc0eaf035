import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { httpRoute } from '../../../src/effects/kubernetes/traffic/http-route.ts'
import { nginxIngress } from '../../../src/effects/kubernetes/traffic/nginx-ingress.ts'
import type { FrontAddress } from '../../../src/effects/kubernetes/traffic/plane.ts'
import type { RouteKind } from '../../../src/effects/kubernetes/traffic/route-kind.ts'
import { routedPlane } from '../../../src/effects/kubernetes/traffic/routed.ts'
import type { RoutedOptions } from '../../../src/effects/kubernetes/traffic/routed-look.ts'
import { virtualService } from '../../../src/effects/kubernetes/traffic/virtual-service.ts'
import {
  canaryIngressObject,
  colours,
  httpRouteObject,
  pods,
  publicPods,
  service,
  shop,
  virtualServiceObject,
} from './objects.ts'

function setUp(kind: RouteKind, options: Partial<RoutedOptions> = {}) {
  const world = shop()
  const { api } = world
  api.put('httproutes', httpRouteObject())
  api.put('virtualservices', virtualServiceObject())
  api.put('ingresses', canaryIngressObject())
  const plane = routedPlane(kind, { ...world, proof: 'waited', headerPin: null, frontsOf: async () => [], ...options })
  let generation = 10
  const set = (shares: Record<string, number>, again = false) =>
    plane.setShares({ service: 'backend', shares, generation: again ? generation : ++generation }, 7)
  const writes = () => api.patches.map(({ name }) => name)
  const selected = () => (api.object('services', 'backend-service')['spec'] as { selector: object }).selector
  const route = () => plane.route('backend')
  return { ...world, plane, set, writes, selected, route }
}

describe('colours and a canary behind a route', () => {
  test('the way of a canary: a share, all of it, and then the idle colour, whose Service is flipped while it gets nothing', async () => {
    const { api, clock, set, writes, selected, route } = setUp(virtualService)
    expect(await set({ blue: 90, canary: 10 })).toEqual({ blue: 90, canary: 10 })
    expect(await set({ canary: 100 })).toEqual({ canary: 100 })
    expect(writes()).toEqual(['backend-vs', 'backend-vs'])
    expect((await route()).behind?.generation).toBe(12)

    const weightsAtFlip: unknown[] = []
    api.beforePatch = (name) => {
      if (name === 'backend-service')
        weightsAtFlip.push(virtualService.weights(api.object('virtualservices', 'backend-vs'), colours))
      if (name === 'backend-service') publicPods(api, ['green-1', 'green-2', 'green-3'])
    }
    const before = clock.monotonicMs()
    expect(await set({ green: 100 })).toEqual({ green: 100 })
    expect(weightsAtFlip).toEqual([{ 'backend-service': 0, 'backend-canary-service': 100 }])
    expect(writes().slice(2)).toEqual(['backend-service', 'backend-vs'])
    expect(selected()).toEqual({ app: 'backend', environment: 'green' })
    expect(clock.monotonicMs() - before).toBe(2000)
    await route()
    clock.advance(2000)
    expect(await route()).toMatchObject({ generation: 13, shares: { green: 100 } })
  })

  test('the weight does not move before the Service has the pods of the new colour; repeated, it does what is left', async () => {
    const { api, set, writes, selected } = setUp(virtualService)
    await set({ canary: 100 })
    await expect(set({ green: 100 })).rejects.toThrow('nobody’s requests moved')
    expect(selected()).toEqual({ app: 'backend', environment: 'green' })
    publicPods(api, ['green-1', 'green-2', 'green-3'])
    expect(await set({ green: 100 }, true)).toEqual({ green: 100 })
    expect(writes()).toEqual(['backend-vs', 'backend-service', 'backend-vs'])
  })

  test('back from the canary to the colour that its Service still selects is one write without a wait', async () => {
    const { clock, set, writes } = setUp(virtualService)
    await set({ blue: 90, canary: 10 })
    await set({ canary: 100 })
    const before = clock.monotonicMs()
    await set({ blue: 100 })
    expect(writes()).toEqual(['backend-vs', 'backend-vs', 'backend-vs'])
    expect(clock.monotonicMs()).toBe(before)
  })

  test('blue-green behind a route: the flip is the switch, then the route is marked', async () => {
    const { set, writes } = setUp(httpRoute)
    expect(await set({ green: 100 })).toEqual({ green: 100 })
    expect(writes()).toEqual(['backend-service', 'backend-route'])
  })

  test('two colours at once, or a slot that nothing leads to, is refused before anything is written', async () => {
    const { set, writes } = setUp(httpRoute)
    await expect(set({ blue: 90, green: 10 })).rejects.toThrow(
      'blue and green are behind one Service; nothing was changed',
    )
    await expect(set({ purple: 100 })).rejects.toThrow('no destination leads to purple')
    expect(writes()).toEqual([])
  })

  test('weights that were changed by hand are told as they are, also as a ratio', async () => {
    const { api, route } = setUp(httpRoute)
    const object = structuredClone(httpRouteObject()) as unknown as {
      spec: { rules: { backendRefs: { weight: number }[] }[] }
    }
    object.spec.rules[1]!.backendRefs[0]!.weight = 70
    object.spec.rules[1]!.backendRefs[1]!.weight = 70
    api.put('httproutes', object as never)
    expect(await route()).toMatchObject({ generation: 0, shares: { blue: 50, canary: 50 } })
  })

  test('a gateway counts each slot under the Service that leads to it; NGINX counts the canary under the stable one', async () => {
    const live = { slot: 'blue', service: 'backend-service' }
    const canary = { slot: 'canary', service: 'backend-canary-service' }
    expect(await setUp(httpRoute).plane.destinations('backend')).toEqual([live, canary])
    expect(await setUp(nginxIngress).plane.destinations('backend')).toEqual([
      live,
      { ...canary, canaryOf: 'backend-service' },
    ])
    const { plane, set, route } = setUp(virtualService)
    await set({ green: 100 })
    await route()
    expect(await plane.destinations('backend')).toEqual([{ ...live, slot: 'green' }, canary])
  })

  test('the pin of testers is found and never touched', async () => {
    const { api, set } = setUp(httpRoute)
    expect(httpRoute.pinHeader(httpRouteObject(), colours)).toBe('x-moodify-slot')
    expect(virtualService.pinHeader(virtualServiceObject(), colours)).toBe('x-moodify-slot')
    expect(nginxIngress.pinHeader(canaryIngressObject(), colours)).toBe('x-moodify-slot')
    await set({ blue: 50, canary: 50 })
    expect((api.object('httproutes', 'backend-route')['spec'] as { rules: unknown[] }).rules[0]).toEqual(
      (httpRouteObject()['spec'] as { rules: unknown[] }).rules[0],
    )
  })

  test('somebody else’s response headers and filters are kept', () => {
    const object = httpRouteObject() as unknown as { spec: { rules: Record<string, unknown>[] } }
    object.spec.rules[1]!['filters'] = [
      { type: 'RequestMirror' },
      { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-team', value: 'shop' }] } },
    ]
    const change = { weights: { 'backend-service': 100, 'backend-canary-service': 0 }, generation: 2 }
    expect(httpRoute.operations(object as never, colours, change).at(-1)).toEqual({
      op: 'add',
      path: '/spec/rules/1/filters/1/responseHeaderModifier/set/-',
      value: { name: 'x-moodify-generation', value: '2' },
    })
  })

  test('a total of another size gets its part', () => {
    const object = canaryIngressObject() as unknown as { metadata: { annotations: Record<string, string> } }
    object.metadata.annotations['nginx.ingress.kubernetes.io/canary-weight-total'] = '1000'
    const change = { weights: { 'backend-service': 90, 'backend-canary-service': 10 }, generation: 2 }
    expect(nginxIngress.operations(object as never, colours, change).at(-1)).toMatchObject({ value: '100' })
  })
})

describe('proof by marked answers', () => {
  /** A gateway whose connections answer with the generation that `marker` says. */
  async function gateway(marker: (connection: number, status: { code: number }) => string | null) {
    let connections = 0
    const server = createServer((_, answer) => {
      const status = { code: 200 }
      const value = marker(Object(answer.req.socket).number, status)
      if (value !== null) answer.setHeader('x-moodify-generation', value)
      answer.writeHead(status.code).end()
    })
    server.on('connection', (socket) => Object.assign(socket, { number: connections++ }))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const front: FrontAddress = { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
    return { front, connections: () => connections, [Symbol.asyncDispose]: async () => void server.close() }
  }

  const marked = (fronts: readonly FrontAddress[], kind = virtualService) =>
    setUp(kind, { proof: 'marked', frontsOf: async () => fronts, diagnose: async () => 'istiod has rejected routes' })

  test('it follows as soon as every answer on several connections of every front is marked, also errors', async () => {
    let generation = '4'
    await using one = await gateway(() => generation)
    await using two = await gateway((_, status) => {
      status.code = 503
      return generation
    })
    const { set, route } = marked([one.front, two.front])
    await set({ blue: 90, canary: 10 })
    const before = await route()
    expect(before.generation).toBe(0)
    expect(before.behind?.reason).toBe(`127.0.0.1:${one.front.port} still answers with generation 4`)
    generation = '11'
    expect(one.connections()).toBe(1)
    // The public Service is seen for the first time, so its endpoints have their time too.
    expect((await route()).behind?.reason).toBe('2000 ms are waited')
    expect([one.connections(), two.connections()]).toEqual([5, 5])
    // While that time passes nobody is asked again.
    await route()
    expect([one.connections(), two.connections()]).toEqual([5, 5])
  })

  test('one worker that lags is enough to wait; a proven route is not asked for again', async () => {
    let lagging = true
    await using front = await gateway((connection) => (lagging && connection % 4 === 3 ? '10' : generation))
    let generation = '11'
    const { set, route, clock } = marked([front.front])
    await set({ blue: 90, canary: 10 })
    expect((await route()).behind?.reason).toContain('still answers with generation 10')
    lagging = false
    await route()
    clock.advance(2000)
    expect(await route()).toMatchObject({ generation: 11, shares: { blue: 90, canary: 10 } })
    const asked = front.connections()
    expect((await route()).behind).toBe(undefined)
    expect(front.connections()).toBe(asked)
    generation = '12'
    await set({ blue: 50, canary: 50 })
    // Blue was behind the public Service before: nothing but the marker is to be proven, and at once.
    expect(await route()).toMatchObject({ generation: 12, shares: { blue: 50, canary: 50 } })
  })

  test('a data plane that does not follow says what answers, what its controller says, and what to look at', async () => {
    await using front = await gateway(() => null)
    const { api, set, route, clock } = marked([front.front], httpRoute)
    await set({ blue: 90, canary: 10 })
    const at = `127.0.0.1:${front.front.port} answers without the header x-moodify-generation (status 200)`
    const status = 'no gateway has accepted the route yet: see its parentRefs'
    expect((await route()).behind?.reason).toBe(`${at}; the route’s status: ${status}`)
    clock.advance(3000)
    expect((await route()).behind?.reason).toBe(`${at}; the route’s status: ${status}; istiod has rejected routes`)
    const accepted = { type: 'Accepted', status: 'True', observedGeneration: 3 }
    const unresolved = { type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound', observedGeneration: 3 }
    api.put('httproutes', {
      ...api.object('httproutes', 'backend-route'),
      status: { parents: [{ conditions: [accepted, unresolved] }] },
    })
    expect((await route()).behind?.reason).toContain('ResolvedRefs is False (BackendNotFound)')
  })

  test('a gateway that cannot be reached any more is not taken to follow', async () => {
    const gone = await gateway(() => '11')
    await gone[Symbol.asyncDispose]()
    const { set, route } = marked([gone.front])
    await set({ blue: 90, canary: 10 })
    expect((await route()).behind?.reason).toContain('does not answer')
  })
})

test('where only the status is known, it must be right for a while', async () => {
  const { api, clock, set, route } = setUp(httpRoute, { proof: 'reported' })
  await set({ blue: 90, canary: 10 })
  const report = (observedGeneration: number) => {
    const conditions = [{ type: 'Accepted', status: 'True', observedGeneration }]
    api.put('httproutes', { ...api.object('httproutes', 'backend-route'), status: { parents: [{ conditions }] } })
  }
  report(2)
  clock.advance(10_000)
  expect((await route()).behind?.reason).toBe('the gateway’s controller has not read the newest route yet')
  report(3)
  expect((await route()).generation).toBe(0)
  clock.advance(2000)
  expect((await route()).generation).toBe(11)
})

test('an older epoch or generation changes nothing, on the route and on the Service', async () => {
  const { plane, set, writes } = setUp(nginxIngress)
  await plane.takeEpoch(7)
  await set({ blue: 90, canary: 10 })
  const count = writes().length
  const refused = (shares: Record<string, number>, generation: number, epoch: number) =>
    plane.setShares({ service: 'backend', shares, generation }, epoch)
  await expect(refused({ green: 100 }, 12, 6)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
  await expect(refused({ green: 100 }, 11, 7)).rejects.toMatchObject({ code: 'STALE_GENERATION' })
  await expect(plane.takeEpoch(6)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
  expect(writes()).toHaveLength(count)
})

test('in the layout of one Deployment the public Service never lets the canary in beside the route', async () => {
  const { api, clock } = shop()
  const single = {
    ...colours,
    slots: { stable: { service: null, labels: { version: 'stable' } }, canary: colours.slots['canary']! },
  }
  api.put('services', service('backend-service', { app: 'backend' }))
  api.put('httproutes', httpRouteObject())
  publicPods(api, ['stable-1', 'canary-1'])
  pods(api, 'canary', ['canary-1'])
  const options = {
    api,
    clock,
    services: [single],
    proof: 'waited',
    headerPin: null,
    frontsOf: async () => [],
  } as const
  const plane = routedPlane(httpRoute, options)
  expect(await plane.setShares({ service: 'backend', shares: { stable: 90, canary: 10 }, generation: 1 }, 1)).toEqual({
    stable: 90,
    canary: 10,
  })
  expect((api.object('services', 'backend-service')['spec'] as { selector: object }).selector).toEqual({
    app: 'backend',
    version: 'stable',
  })
})
