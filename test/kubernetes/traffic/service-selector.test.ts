import { describe, expect, test } from 'vitest'
import { selectedSlots, selectorFor } from '../../../src/effects/kubernetes/traffic/selector.ts'
import { selectorPlane } from '../../../src/effects/kubernetes/traffic/service-selector.ts'
import { colours, pods, publicPods, service, shop, slice } from './objects.ts'

const { slots } = colours

describe('which slot a selector means', () => {
  test.each([
    [{ app: 'backend', environment: 'blue' }, ['blue']],
    [{ app: 'backend', environment: 'green' }, ['green']],
    [{ app: 'backend', version: 'canary' }, ['canary']],
    [{ app: 'backend' }, ['blue', 'green', 'canary']],
    [{ app: 'backend', environment: 'blue', version: 'canary' }, []],
    [{ app: 'backend', environment: 'purple' }, []],
  ])('%j means %j', (selector, expected) => {
    expect(selectedSlots(selector, slots)).toEqual(expected)
  })

  test('a selector of one slot loses the keys of the others and keeps those of the team', () => {
    const selector = { app: 'backend', team: 'shop', environment: 'blue' }
    expect(selectorFor(selector, slots, 'canary')).toEqual({ app: 'backend', team: 'shop', version: 'canary' })
    expect(selectorFor(selector, slots, null)).toEqual({ app: 'backend', team: 'shop' })
  })
})

describe('traffic by a Service selector', () => {
  test('a switch is one patch that tests what it replaces', async () => {
    const options = shop()
    const plane = selectorPlane(options)
    await plane.takeEpoch(1)
    expect(await plane.setShares({ service: 'backend', shares: { green: 100 }, generation: 4 }, 1)).toEqual({
      green: 100,
    })
    expect(options.api.patches.at(-1)).toEqual({
      name: 'backend-service',
      operations: [
        { op: 'test', path: '/metadata/annotations/moodify.dev~1epoch', value: '1' },
        { op: 'add', path: '/metadata/annotations/moodify.dev~1generation', value: '4' },
        { op: 'add', path: '/metadata/annotations/moodify.dev~1shares', value: '{"green":100}' },
        { op: 'test', path: '/spec/selector/environment', value: 'blue' },
        { op: 'replace', path: '/spec/selector/environment', value: 'green' },
      ],
    })
  })

  test('it follows once the EndpointSlices are right and the declared time has passed', async () => {
    const options = shop()
    const plane = selectorPlane(options)
    const before = await plane.route('backend')
    expect(before).toMatchObject({ generation: 0, shares: { blue: 100 } })
    expect(before.slots['blue']).toEqual({ inFlight: null, outOfRotationMs: null, endpoints: 3 })
    expect(before.slots['green']!.outOfRotationMs).toBe(0)

    await plane.setShares({ service: 'backend', shares: { green: 100 }, generation: 1 }, 1)
    options.clock.advance(5000)
    const lagging = await plane.route('backend')
    expect(lagging).toMatchObject({ generation: 0, shares: { blue: 100 } })
    expect(lagging.behind).toEqual({
      generation: 1,
      reason: 'the EndpointSlices of backend-service still hold pods of blue',
    })
    expect(lagging.slots['green']!.outOfRotationMs).toBe(null)

    publicPods(options.api, ['green-1', 'green-2', 'green-3'])
    expect((await plane.route('backend')).generation).toBe(0)
    options.clock.advance(1999)
    expect((await plane.route('backend')).generation).toBe(0)
    options.clock.advance(1)
    const followed = await plane.route('backend')
    expect(followed).toMatchObject({ generation: 1, shares: { green: 100 } })
    expect(followed.behind).toBe(undefined)
    expect(followed.slots['blue']).toEqual({ inFlight: null, outOfRotationMs: 0, endpoints: 3 })
    options.clock.advance(700)
    expect((await plane.route('backend')).slots['blue']!.outOfRotationMs).toBe(700)
  })

  test('a slot without pods has nothing in flight; of one that gets nothing new what is known is taken', async () => {
    const options = shop()
    pods(options.api, 'green', [])
    const plane = selectorPlane({ ...options, inFlight: async () => 7 })
    const { slots } = await plane.route('backend')
    expect([slots['blue']!.inFlight, slots['green']!.inFlight, slots['canary']!.inFlight]).toEqual([null, 0, 7])
  })

  test('a slot without any ready pod gets nothing, although the Service selects it', async () => {
    const options = shop()
    const plane = selectorPlane(options)
    pods(options.api, 'blue', [])
    publicPods(options.api, [])
    await plane.route('backend')
    options.clock.advance(700)
    const { shares, slots } = await plane.route('backend')
    expect(shares).toEqual({ blue: 100 })
    expect(slots['blue']!.outOfRotationMs).toBe(700)
    publicPods(options.api, ['blue-1'])
    expect((await plane.route('backend')).slots['blue']!.outOfRotationMs).toBe(null)
  })

  test('pods that are not ready get nothing new and may still be answering', async () => {
    const options = shop()
    const unready = { conditions: { ready: false, serving: true, terminating: true }, targetRef: { name: 'green-1' } }
    options.api.put('endpointslices', { ...slice('backend-green-service', []), endpoints: [unready] })
    const { slots } = await selectorPlane(options).route('backend')
    expect(slots['green']).toMatchObject({ inFlight: null, endpoints: 0 })
  })

  test('a switch by hand is told as it is, after the same wait', async () => {
    const options = shop()
    const plane = selectorPlane(options)
    await plane.setShares({ service: 'backend', shares: { blue: 100 }, generation: 3 }, 1)
    await plane.route('backend')
    options.clock.advance(2000)
    expect(await plane.route('backend')).toMatchObject({ generation: 3, shares: { blue: 100 } })
    const { metadata } = options.api.object('services', 'backend-service')
    options.api.put('services', { ...service('backend-service', { app: 'backend', environment: 'green' }), metadata })
    publicPods(options.api, ['green-1'])
    await plane.route('backend')
    options.clock.advance(2000)
    expect(await plane.route('backend')).toMatchObject({ generation: 3, shares: { green: 100 } })
  })

  test('a selector that means no slot is said', async () => {
    const options = shop()
    options.api.put('services', service('backend-service', { environment: 'blue', version: 'canary' }))
    const { shares, behind } = await selectorPlane(options).route('backend')
    expect(shares).toEqual({})
    expect(behind?.reason).toContain('matches no slot')
  })

  test('before anything is applied nobody gets anything', async () => {
    const options = shop()
    const plane = selectorPlane({ ...options, services: [{ ...colours, publicService: 'other' }] })
    expect(await plane.route('backend')).toEqual({ generation: 0, shares: {}, slots: {} })
    await expect(
      plane.setShares({ service: 'backend', shares: { blue: 100 }, generation: 1 }, 1),
    ).rejects.toMatchObject({ code: 'PLATFORM_FAILED' })
  })

  test('a write of an older epoch, an older generation or a share is refused and changes nothing', async () => {
    const options = shop()
    const plane = selectorPlane(options)
    await plane.setShares({ service: 'backend', shares: { green: 100 }, generation: 4 }, 2)
    const refused = (shares: Record<string, number>, generation: number, epoch: number) =>
      plane.setShares({ service: 'backend', shares, generation }, epoch).then(
        () => 'done',
        (error) => error.code,
      )
    expect(await refused({ blue: 100 }, 5, 1)).toBe('STALE_EPOCH')
    expect(await refused({ blue: 100 }, 4, 2)).toBe('STALE_GENERATION')
    expect(await refused({ green: 100 }, 3, 2)).toBe('STALE_GENERATION')
    expect(await refused({ blue: 90, canary: 10 }, 5, 2)).toBe('PLATFORM_FAILED')
    expect(await refused({ green: 100, blue: 0 }, 4, 2)).toBe('done')
    expect(options.api.patches).toHaveLength(1)
    await expect(plane.takeEpoch(1)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
  })

  test('somebody who writes at the same moment is not overwritten', async () => {
    const options = shop()
    const { api } = options
    const plane = selectorPlane(options)
    await plane.takeEpoch(1)
    let interruptions = 0
    api.beforePatch = () => {
      if (interruptions++ > 0) return
      const object = structuredClone(api.object('services', 'backend-service'))
      const annotations = { ...object.metadata.annotations, 'moodify.dev/epoch': '9' }
      api.put('services', { ...object, metadata: { ...object.metadata, annotations } })
    }
    await expect(
      plane.setShares({ service: 'backend', shares: { green: 100 }, generation: 1 }, 1),
    ).rejects.toMatchObject({ code: 'STALE_EPOCH' })
    expect(api.object('services', 'backend-service')['spec']).toEqual({
      selector: { app: 'backend', environment: 'blue' },
    })
  })
})
