// Traffic by a route object: an HTTPRoute, a VirtualService or the canary annotations of an ingress. What differs is in
// the route's kind; here is what they share: order of writes, stamps, facts.
//
// A change may need two writes. A colour becomes live when the public Service selects it, and the route gives that
// Service its weight. The selector is written first: either the Service gets nothing just then and flipping it changes
// nothing for anybody, or it carries the traffic and the flip is the switch. A crash between the two is harmless, and
// the same change again does what is left.
import type { ServiceName, SlotName } from '../../../domain/names.ts'
import type { RouteFacts } from '../../../domain/snapshot.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import { emptySlots, readEndpoints } from './endpoints.ts'
import { noRoute, publicTarget, routeFacts, selectorLag, serviceNamed, servicesOf } from './facts.ts'
import { guardEpoch, guardGeneration, read, stampEpoch, writeGuarded } from './guarded.ts'
import { PROPAGATION_MS, type RoutedService, type TrafficPlane } from './plane.ts'
import { routeMemory } from './rotation.ts'
import type { RouteKind } from './route-kind.ts'
import {
  evidenceFor,
  type Look,
  lookAt,
  type RoutedOptions,
  type RoutedRoute,
  routeTarget,
  weightsOf,
} from './routed-look.ts'
import { selectorOperations } from './selector.ts'
import { stampOf, stampOperations } from './stamp.ts'
import { intentOf, sharesOf } from './weights.ts'

/** EndpointSlices follow a selector within this time, or something is wrong. */
const ENDPOINTS_MS = 15_000
const LOOK_MS = 100

export function routedPlane(kind: RouteKind, options: RoutedOptions): TrafficPlane {
  const { api, clock } = options
  const memory = routeMemory<RoutedRoute>(clock)
  const looks = new Map<ServiceName, Look | null>()

  return {
    name: kind.name,
    capabilities: {
      split: 'request',
      granularityPercent: 1,
      headerPin: options.headerPin,
      proof: options.proof,
    },

    async setShares({ service: name, shares, generation }, epoch) {
      const service = serviceNamed(options, name)
      const target = routeTarget(kind, service)
      const before = await read(api, target)
      guardEpoch(stampOf(before), epoch, target)
      guardGeneration(stampOf(before), { shares, generation })
      const weights = weightsOf(kind, service, before)
      const intent = intentOf(service, Object.keys(weights), shares)
      if (intent.publicSlot !== null) {
        const isFresh = await select(options, service, intent.publicSlot, { epoch, generation })
        const isIdle = !weights[service.publicService]
        if (isFresh && isIdle) await endpointsFollow(options, service, intent.publicSlot)
      }
      await writeGuarded(api, target, epoch, (object, stamp) => {
        guardGeneration(stamp, { shares, generation })
        return [
          ...stampOperations(object, { epoch, generation, shares }),
          ...kind.operations(object, service, { weights: intent.weights, generation }),
        ]
      })
      return sharesOf(service, intent.weights, intent.publicSlot === null ? {} : { [intent.publicSlot]: 100 })
    },

    async takeEpoch(epoch) {
      for (const service of options.services) {
        await stampEpoch(api, routeTarget(kind, service), epoch)
        await stampEpoch(api, publicTarget(service), epoch)
      }
    },

    async destinations(name) {
      const service = serviceNamed(options, name)
      return (looks.get(name) ?? (await lookAt(api, kind, service)))?.destinations ?? []
    },

    async route(name): Promise<RouteFacts> {
      const service = serviceNamed(options, name)
      const look = await lookAt(api, kind, service)
      looks.set(name, look)
      if (!look) return noRoute
      const { asked } = look
      const evidence = await evidenceFor(kind, options, look, memory)
      const empty = emptySlots(service, look.endpoints)
      const followed = memory.see(name, asked, Object.keys(service.slots), { ...evidence, empty })
      return routeFacts(options, service, followed, look, { generation: asked.generation, reason: evidence.waitsFor })
    },
  }
}

/**
 * The public Service selects this slot from now on.
 *
 * @returns whether this very change made it so, now or before a crash
 */
async function select(
  { api }: RoutedOptions,
  service: RoutedService,
  slot: SlotName,
  { epoch, generation }: { epoch: number; generation: number },
): Promise<boolean> {
  const object = await writeGuarded(api, publicTarget(service), epoch, (before) => {
    const flip = selectorOperations(before, service.slots, slot)
    return flip.length === 0 ? [] : [...stampOperations(before, { epoch, generation }), ...flip]
  })
  return stampOf(object).generation === generation
}

/** Until gateways know the pods that the public Service has now: no weight may be there before. */
async function endpointsFollow(options: RoutedOptions, service: RoutedService, slot: SlotName): Promise<void> {
  const { api, clock, propagationMs = PROPAGATION_MS } = options
  const startedMs = clock.monotonicMs()
  for (;;) {
    const lag = selectorLag(service, [slot], await readEndpoints(api, service.namespace, servicesOf(service)))
    if (!lag) break
    if (clock.monotonicMs() - startedMs > ENDPOINTS_MS) throw endpointsLate(service, slot, lag)
    await clock.sleep(LOOK_MS)
  }
  await clock.sleep(propagationMs)
}

function endpointsLate({ publicService }: RoutedService, slot: SlotName, lag: string): OperatingError {
  return new OperatingError(
    'PLATFORM_FAILED',
    `${publicService} selects ${slot} now, but ${lag}. It has no weight, so nobody’s requests moved.`,
    `Look with: kubectl describe service ${publicService}; then type the command again`,
  )
}
