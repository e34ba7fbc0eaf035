import { describe, expect, test } from 'vitest'
import type { RoutedService } from '../../../src/effects/kubernetes/traffic/plane.ts'
import { replicaShare } from '../../../src/effects/kubernetes/traffic/replica-share.ts'
import { selectorPlane } from '../../../src/effects/kubernetes/traffic/service-selector.ts'
import { colours, pods, publicPods, service, shop } from './objects.ts'

const single: RoutedService = {
  ...colours,
  slots: {
    stable: { service: null, labels: { version: 'stable' } },
    canary: { service: 'backend-canary-service', labels: { version: 'canary' } },
  },
}

test.each([
  [3, 10, 1, '1 of 4 pods = 25 %, not 10 %'],
  [3, 25, 1, '1 of 4 pods = 25 %'],
  [3, 50, 3, '3 of 6 pods = 50 %'],
  [9, 10, 1, '1 of 10 pods = 10 %'],
  [10, 25, 3, '3 of 13 pods = 23.1 %, not 25 %'],
  [1, 90, 9, '9 of 10 pods = 90 %'],
])('beside %i replicas, %i %% are nearest with %i: %s', (stable, percent, replicas, inWords) => {
  expect(replicaShare(stable, percent)).toMatchObject({ replicas, inWords })
})

describe('a share by replicas behind one Service', () => {
  function legacy() {
    const options = shop(single)
    options.api.put('services', service('backend-service', { app: 'backend' }))
    pods(options.api, 'canary', [])
    publicPods(options.api, ['stable-1', 'stable-2', 'stable-3'])
    return { ...options, plane: selectorPlane(options, { mix: true }) }
  }
  const set = ({ plane }: ReturnType<typeof legacy>, shares: Record<string, number>, generation: number) =>
    plane.setShares({ service: 'backend', shares, generation }, 1)

  test('the way of a canary: stable alone, a share of the pods, the canary alone', async () => {
    const options = legacy()
    const { api, plane, clock } = options
    const selector = () => (api.object('services', 'backend-service')['spec'] as { selector: object }).selector
    expect(await plane.route('backend')).toMatchObject({ generation: 0, shares: { stable: 100 } })

    await set(options, { stable: 100 }, 1)
    expect(selector()).toEqual({ app: 'backend', version: 'stable' })
    pods(api, 'canary', ['canary-1'])
    await plane.route('backend')
    clock.advance(2000)
    const rested = await plane.route('backend')
    expect(rested).toMatchObject({ generation: 1, shares: { stable: 100 } })
    expect(rested.slots['stable']).toMatchObject({ endpoints: 3, outOfRotationMs: null })

    expect(await set(options, { stable: 90, canary: 10 }, 2)).toEqual({ stable: 75, canary: 25 })
    expect(selector()).toEqual({ app: 'backend' })
    publicPods(api, ['stable-1', 'stable-2', 'stable-3', 'canary-1'])
    await plane.route('backend')
    clock.advance(2000)
    const mixed = await plane.route('backend')
    expect(mixed).toMatchObject({ generation: 2, shares: { stable: 90, canary: 10 } })
    expect(mixed.effectiveShares).toEqual({ stable: 75, canary: 25 })

    expect(await set(options, { canary: 100 }, 3)).toEqual({ canary: 100 })
    expect(selector()).toEqual({ app: 'backend', version: 'canary' })
    publicPods(api, ['canary-1'])
    await plane.route('backend')
    clock.advance(2000)
    const last = await plane.route('backend')
    expect(last).toMatchObject({ generation: 3, shares: { canary: 100 } })
    // Its pods are in no Service any more, so nothing is known of them: that is not the same as idle.
    expect(last.slots['stable']).toEqual({ inFlight: null, outOfRotationMs: 0, endpoints: 0 })
  })

  test('with colours it is refused while the idle colour has pods, which would be let in too', async () => {
    const options = shop(colours)
    const plane = selectorPlane(options, { mix: true })
    const mixed = () => plane.setShares({ service: 'backend', shares: { blue: 90, canary: 10 }, generation: 1 }, 1)
    await expect(mixed()).rejects.toThrow('also send requests of backend-service to green')
    expect(options.api.patches).toEqual([])
    pods(options.api, 'green', [])
    expect(await mixed()).toEqual({ blue: 75, canary: 25 })
  })
})
