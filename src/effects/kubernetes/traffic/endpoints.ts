// What the cluster sends the requests of a Service to, from its EndpointSlices.
import type { SlotName } from '../../../domain/names.ts'
import type { Api, KubernetesObject } from '../api.ts'
import { asOperating } from './guarded.ts'
import type { RoutedService } from './plane.ts'

const SERVICE_NAME = 'kubernetes.io/service-name'

/** Pods behind a Service, by name (or address, where there is no pod). */
export interface ServicePods {
  readonly ready: ReadonlySet<string>
  /** They get nothing new, and may still be answering. */
  readonly unready: ReadonlySet<string>
}

export type Endpoints = Readonly<Record<string, ServicePods>>

export async function readEndpoints(api: Api, namespace: string, services: readonly string[]): Promise<Endpoints> {
  const slices = { apiVersion: 'discovery.k8s.io/v1', plural: 'endpointslices', namespace }
  const labelSelector = `${SERVICE_NAME} in (${[...new Set(services)].toSorted().join(',')})`
  const { items } = await api.list(slices, { labelSelector }).catch((error: unknown) => {
    throw asOperating(error, `list endpointslices in ${namespace}`)
  })
  return endpointsIn(items)
}

export function endpointsIn(slices: readonly KubernetesObject[]): Endpoints {
  const found: Record<string, { ready: Set<string>; unready: Set<string> }> = {}
  for (const slice of slices) {
    const service = slice.metadata.labels?.[SERVICE_NAME]
    if (service === undefined) continue
    const pods = found[service] ?? { ready: new Set(), unready: new Set() }
    found[service] = pods
    for (const endpoint of (slice['endpoints'] ?? []) as SliceEndpoint[]) {
      // Not set means ready, says the API.
      const names = endpoint.conditions?.ready === false ? pods.unready : pods.ready
      names.add(endpoint.targetRef?.name ?? endpoint.addresses?.[0] ?? '')
    }
  }
  return found
}

interface SliceEndpoint {
  readonly addresses?: readonly string[]
  readonly conditions?: { readonly ready?: boolean }
  readonly targetRef?: { readonly name?: string }
}

/** Ready pods of each slot; null where the slot has no Service of its own and the public one leaves it out. */
export function podsOfSlots(service: RoutedService, selected: readonly SlotName[], endpoints: Endpoints) {
  const ownOf = (slot: SlotName) => {
    const own = service.slots[slot]?.service
    return own && own !== service.publicService ? (endpoints[own]?.ready ?? new Set<string>()) : null
  }
  const slots = Object.keys(service.slots)
  const known = new Set(slots.flatMap((slot) => [...(ownOf(slot) ?? [])]))
  const rest = new Set([...(endpoints[service.publicService]?.ready ?? [])].filter((pod) => !known.has(pod)))
  const podsOf = (slot: SlotName) => ownOf(slot) ?? (selected.includes(slot) ? rest : null)
  return Object.fromEntries(slots.map((slot) => [slot, podsOf(slot)])) as SlotPods
}

export type SlotPods = Readonly<Record<SlotName, ReadonlySet<string> | null>>

/** Whether it is known that a slot has no pod at all: then nothing can be in flight there. */
export function hasNoPods(service: RoutedService, slot: SlotName, endpoints: Endpoints): boolean {
  const own = service.slots[slot]?.service
  if (!own || own === service.publicService) return false
  const { ready, unready } = endpoints[own] ?? {}
  return (ready?.size ?? 0) + (unready?.size ?? 0) === 0
}

/** Slots that no request can reach, whatever their share is: no pod of theirs is ready behind any Service. */
export function emptySlots({ publicService, slots }: RoutedService, endpoints: Endpoints): SlotName[] {
  const isEmpty = (service: string | null) => service === null || (endpoints[service]?.ready.size ?? 0) === 0
  return isEmpty(publicService) ? Object.keys(slots).filter((slot) => isEmpty(slots[slot]!.service)) : []
}
