// Traffic by a Service's selector: all of it to one slot, at once, for everybody who uses the Service. Nothing has to
// be installed for it.
//
// The API server alone does not know what kube-proxy on each node follows. What can be seen is that the EndpointSlices
// of the Service hold only pods of the chosen slot; from then on a declared time is waited.
import type { ServiceName, SlotName } from '../../../domain/names.ts'
import type { RouteFacts, SlotTraffic } from '../../../domain/snapshot.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import { type Endpoints, readEndpoints } from './endpoints.ts'
import { guardGeneration, readIfThere, stampEpoch, writeGuarded } from './guarded.ts'
import {
  inNamespace,
  type PlaneOptions,
  PROPAGATION_MS,
  type RoutedService,
  SERVICES,
  type TrafficPlane,
} from './plane.ts'
import { type FollowedRoute, routeMemory } from './rotation.ts'
import { selectedSlots, selectorOf, selectorOperations } from './selector.ts'
import { stampOf, stampOperations } from './stamp.ts'

export function selectorPlane(options: PlaneOptions): TrafficPlane {
  const { api, clock, propagationMs = PROPAGATION_MS } = options
  const memory = routeMemory(clock)

  return {
    name: 'selector',
    capabilities: { split: 'switch', granularityPercent: 100, headerPin: null, proof: 'reported' },

    async setShares({ service: name, shares, generation }, epoch) {
      const service = serviceNamed(options, name)
      const slot = onlySlot(service, shares)
      await writeGuarded(api, publicTarget(service), epoch, (object, stamp) => {
        guardGeneration(stamp, { shares, generation })
        return [
          ...stampOperations(object, { epoch, generation, shares: { [slot]: 100 } }),
          ...selectorOperations(object, service.slots, slot),
        ]
      })
      return { [slot]: 100 }
    },

    async takeEpoch(epoch) {
      for (const service of options.services) await stampEpoch(api, publicTarget(service), epoch)
    },

    async route(name) {
      const service = serviceNamed(options, name)
      const [object, endpoints] = await Promise.all([
        readIfThere(api, publicTarget(service)),
        readEndpoints(api, service.namespace, servicesOf(service)),
      ])
      if (!object) return noRoute
      const slots = selectedSlots(selectorOf(object), service.slots)
      const shares = slots.length === 1 ? { [slots[0]!]: 100 } : {}
      const { generation } = stampOf(object)
      const lag = selectorLag(service, slots, endpoints)
      const settleMs = generation === 0 ? 0 : propagationMs
      const followed = memory.see(name, { generation, shares }, Object.keys(service.slots), { holds: !lag, settleMs })
      const waiting =
        lag ?? `${propagationMs} ms are waited after the EndpointSlices of ${service.publicService} are right`
      return routeFacts(options, service, followed, endpoints, { generation, reason: waiting })
    },
  }
}

/** Before anything is applied nobody gets anything. */
export const noRoute: RouteFacts = { generation: 0, shares: {}, slots: {} }

export function serviceNamed({ services }: PlaneOptions, name: ServiceName): RoutedService {
  const service = services.find((candidate) => candidate.name === name)
  if (service) return service
  throw new OperatingError('PLATFORM_FAILED', `${name} has no traffic objects in this environment.`)
}

export function publicTarget(service: RoutedService) {
  return { resource: inNamespace(SERVICES, service), name: service.publicService }
}

export function servicesOf(service: RoutedService): string[] {
  return [service.publicService, ...Object.values(service.slots).flatMap(({ service: own }) => own ?? [])]
}

/** Why the Service is not known to send to the selected slot alone; null when nothing speaks against it. */
export function selectorLag(
  service: RoutedService,
  selected: readonly SlotName[],
  endpoints: Endpoints,
): string | null {
  const { publicService, slots } = service
  const [slot] = selected
  if (slot === undefined)
    return `the selector of ${publicService} matches no slot: see kubectl describe service ${publicService}`
  const own = slots[slot]?.service
  if (selected.length > 1 || !own || own === publicService) return null
  const wanted = endpoints[own] ?? new Set()
  const actual = endpoints[publicService] ?? new Set()
  const foreign = [...actual].filter((pod) => !wanted.has(pod))
  if (foreign.length > 0) return `the EndpointSlices of ${publicService} still hold ${foreign.toSorted().join(', ')}`
  if (actual.size === 0 && wanted.size > 0) return `the EndpointSlices of ${publicService} are still empty`
  return null
}

export async function routeFacts(
  options: PlaneOptions,
  service: RoutedService,
  followed: FollowedRoute,
  endpoints: Endpoints,
  newest: NonNullable<RouteFacts['behind']>,
): Promise<RouteFacts> {
  const slots: Record<SlotName, SlotTraffic> = {}
  for (const [slot, { service: own }] of Object.entries(service.slots)) {
    const ready = endpoints[own ?? service.publicService]?.size ?? 0
    slots[slot] = {
      inFlight: await inFlightOf(options, service, slot, ready),
      outOfRotationMs: followed.outOfRotationMs(slot),
      endpoints: ready,
    }
  }
  const { generation, shares, isNewest } = followed
  return { generation, shares, slots, ...(isNewest ? {} : { behind: newest }) }
}

/** What is not known counts as one: then the drain time is waited in full. Where nothing is ready, nothing is. */
async function inFlightOf(
  options: PlaneOptions,
  service: RoutedService,
  slot: SlotName,
  ready: number,
): Promise<number> {
  if (ready === 0) return 0
  return (await options.inFlight?.(service.name, slot)) ?? 1
}

function onlySlot(service: RoutedService, shares: Readonly<Record<SlotName, number>>): SlotName {
  const carrying = Object.keys(shares).filter((slot) => shares[slot]! > 0)
  const [slot] = carrying
  if (carrying.length === 1 && slot !== undefined && service.slots[slot]) return slot
  throw new OperatingError(
    'PLATFORM_FAILED',
    `The selector of ${service.publicService} sends all requests to one of ${Object.keys(service.slots).join(', ')}; nothing was changed.`,
    'Use blue-green here, or give the service a route that can share: HTTPRoute, VirtualService or NGINX ingress.',
  )
}
