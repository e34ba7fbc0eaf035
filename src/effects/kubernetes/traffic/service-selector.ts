// Traffic by a Service's selector, for everybody who uses the Service, with nothing installed for it: all of it to one
// slot at once, or, with `mix`, to several slots whose pods then get the same each.
//
// The API server alone does not know what kube-proxy on each node follows. What can be seen is that the EndpointSlices
// of the Service hold only pods of the chosen slots; from then on a declared time is waited.
import type { Shares, SlotName } from '../../../domain/names.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import { emptySlots, podsOfSlots, readEndpoints, type SlotPods } from './endpoints.ts'
import { noRoute, publicShares, publicTarget, routeFacts, selectorLag, serviceNamed, servicesOf } from './facts.ts'
import { guardGeneration, readIfThere, stampEpoch, writeGuarded } from './guarded.ts'
import { type PlaneOptions, PROPAGATION_MS, type RoutedService, type TrafficPlane } from './plane.ts'
import { routeMemory } from './rotation.ts'
import { selectedSlots, selectorOf, selectorOperations } from './selector.ts'
import { type Stamp, stampOf, stampOperations } from './stamp.ts'

/**
 * @param mix  several slots may have a share. Their replicas decide how large it is: `replicaShare` says how many
 *             come nearest, and whoever plans applies them before the change of shares. A selector that was never
 *             set by us may name no slot at all; give the stable one its 100 % before pods of another are applied
 */
export function selectorPlane(options: PlaneOptions, { mix }: { mix: boolean } = { mix: false }): TrafficPlane {
  const { api, clock, propagationMs = PROPAGATION_MS } = options
  const memory = routeMemory(clock)
  const endpointsFor = (service: RoutedService) => readEndpoints(api, service.namespace, servicesOf(service))

  return {
    name: mix ? 'replicas' : 'selector',
    capabilities: {
      split: mix ? 'replica' : 'switch',
      granularityPercent: mix ? 1 : 100,
      headerPin: null,
      proof: 'reported',
    },

    async setShares({ service: name, shares, generation }, epoch) {
      const service = serviceNamed(options, name)
      const carrying = carryingSlots(service, shares, mix)
      const [only] = carrying
      const isMixed = carrying.length > 1
      const pods = isMixed ? podsOfSlots(service, carrying, await endpointsFor(service)) : {}
      if (isMixed) refuseStrangers(service, carrying, pods)
      await writeGuarded(api, publicTarget(service), epoch, (object, stamp) => {
        guardGeneration(stamp, { shares, generation })
        return [
          ...stampOperations(object, { epoch, generation, shares: withoutZeros(shares) }),
          ...selectorOperations(object, service.slots, isMixed ? null : only!),
        ]
      })
      return isMixed ? publicShares(carrying, pods) : { [only!]: 100 }
    },

    async takeEpoch(epoch) {
      for (const service of options.services) await stampEpoch(api, publicTarget(service), epoch)
    },

    async destinations(name) {
      const service = serviceNamed(options, name)
      const object = await readIfThere(api, publicTarget(service))
      const selected = object ? selectedSlots(selectorOf(object), service.slots) : []
      // Requests of several slots behind one Service are one count, and nobody's.
      return selected.length === 1 ? [{ slot: selected[0]!, service: service.publicService }] : []
    },

    async route(name) {
      const service = serviceNamed(options, name)
      const [object, endpoints] = await Promise.all([readIfThere(api, publicTarget(service)), endpointsFor(service)])
      if (!object) return noRoute
      const selected = selectedSlots(selectorOf(object), service.slots)
      const pods = podsOfSlots(service, selected, endpoints)
      const stamp = stampOf(object)
      const effective = publicShares(selected, pods)
      const asked = { generation: stamp.generation, shares: askedShares(stamp, selected) ?? effective }
      const lag = isNobodys(stamp, selected) ? null : selectorLag(service, selected, endpoints)
      const isFirstLook = stamp.generation === 0 && memory.proven(name) === null
      const evidence = { holds: !lag, settleMs: isFirstLook ? 0 : propagationMs, empty: emptySlots(service, endpoints) }
      const followed = memory.see(name, asked, Object.keys(service.slots), evidence)
      const reason = lag ?? `the EndpointSlices of ${service.publicService} are right; ${propagationMs} ms are waited`
      const facts = await routeFacts(
        options,
        service,
        followed,
        { pods, endpoints },
        { generation: stamp.generation, reason },
      )
      return selected.length > 1 ? { ...facts, effectiveShares: effective } : facts
    },
  }
}

/** We have taken it from everybody ourselves, for as long as nothing has passed its checks. */
function isNobodys({ shares }: Stamp, selected: readonly SlotName[]): boolean {
  return selected.length === 0 && shares !== null && Object.keys(shares).length === 0
}

/** With several slots behind the Service, shares are what was asked for; what comes of it is said beside it. */
function askedShares({ shares }: Stamp, selected: readonly SlotName[]): Shares | null {
  if (selected.length <= 1) return publicShares(selected, {})
  const carrying = Object.entries(shares ?? {}).filter(([, share]) => share > 0)
  const isMix = carrying.length > 1 && carrying.every(([slot]) => selected.includes(slot))
  return isMix ? Object.fromEntries(carrying) : null
}

function carryingSlots(service: RoutedService, shares: Shares, mix: boolean): SlotName[] {
  const carrying = Object.keys(withoutZeros(shares))
  const areKnown = carrying.length > 0 && carrying.every((slot) => service.slots[slot])
  if (areKnown && (mix || carrying.length === 1)) return carrying
  throw new OperatingError(
    'PLATFORM_FAILED',
    `The selector of ${service.publicService} sends all requests to one of ${Object.keys(service.slots).join(', ')}; nothing was changed.`,
    'Use blue-green here, or give the service a route that can share: HTTPRoute, VirtualService or NGINX ingress.',
  )
}

/** A selector that lets two slots in lets in every slot: there must be nobody else. */
function refuseStrangers(service: RoutedService, carrying: readonly SlotName[], pods: SlotPods): void {
  const stranger = Object.keys(service.slots).find((slot) => !carrying.includes(slot) && (pods[slot]?.size ?? 0) > 0)
  if (stranger === undefined) return
  throw new OperatingError(
    'PLATFORM_FAILED',
    `A share by replicas would also send requests of ${service.publicService} to ${stranger}, which has pods; nothing was changed.`,
    `End ${stranger} first, or give the service a route that can share.`,
  )
}

function withoutZeros(shares: Shares): Shares {
  return Object.fromEntries(Object.entries(shares).filter(([, share]) => share > 0))
}
