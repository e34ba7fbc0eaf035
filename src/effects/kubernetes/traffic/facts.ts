// What planes have in common on the reading side: from objects and memory to the facts that the engine decides on.
import type { ServiceName, Shares, SlotName } from '../../../domain/names.ts'
import type { RouteFacts, SlotTraffic } from '../../../domain/snapshot.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import { type Endpoints, hasNoPods, podsOfSlots, type SlotPods } from './endpoints.ts'
import type { Target } from './guarded.ts'
import { inNamespace, type PlaneOptions, type RoutedService, SERVICES } from './plane.ts'
import { sharesByPods } from './replica-share.ts'
import type { FollowedRoute } from './rotation.ts'

/** Before anything is applied nobody gets anything. */
export const noRoute: RouteFacts = { generation: 0, shares: {}, slots: {} }

/** Once a change is not followed for this long, it is worth asking why. */
const WHY_AFTER_MS = 3000

export function serviceNamed({ services }: PlaneOptions, name: ServiceName): RoutedService {
  const service = services.find((candidate) => candidate.name === name)
  if (service) return service
  throw new OperatingError('PLATFORM_FAILED', `${name} has no traffic objects in this environment.`)
}

export function publicTarget(service: RoutedService): Target {
  return { resource: inNamespace(SERVICES, service), name: service.publicService }
}

export function servicesOf(service: RoutedService): string[] {
  return [service.publicService, ...Object.values(service.slots).flatMap(({ service: own }) => own ?? [])]
}

/** What the public Service sends where. With several slots behind it, every pod gets the same. */
export function publicShares(selected: readonly SlotName[], pods: SlotPods): Shares {
  if (selected.length <= 1) return Object.fromEntries(selected.map((slot) => [slot, 100]))
  return sharesByPods(Object.fromEntries(selected.map((slot) => [slot, pods[slot]?.size ?? 0])))
}

/** Why the public Service is not known to send to the selected slots alone; null when nothing speaks against it. */
export function selectorLag(
  service: RoutedService,
  selected: readonly SlotName[],
  endpoints: Endpoints,
): string | null {
  const { publicService, slots } = service
  if (selected.length === 0) {
    return `the selector of ${publicService} matches no slot: see kubectl describe service ${publicService}`
  }
  const pods = podsOfSlots(service, selected, endpoints)
  const actual = endpoints[publicService]?.ready ?? new Set()
  const reaches = (slot: SlotName) => [...(pods[slot] ?? [])].some((pod) => actual.has(pod))
  const foreign = Object.keys(slots).filter((slot) => !selected.includes(slot) && reaches(slot))
  if (foreign.length > 0) return `the EndpointSlices of ${publicService} still hold pods of ${foreign.join(' and ')}`
  const isLacking = selected.some((slot) => (pods[slot]?.size ?? 0) > 0) && !selected.some(reaches)
  return isLacking ? `the EndpointSlices of ${publicService} hold no pod of ${selected.join(' or ')} yet` : null
}

export async function routeFacts(
  options: PlaneOptions,
  service: RoutedService,
  followed: FollowedRoute,
  {
    pods,
    endpoints,
    selected = [],
  }: { readonly pods: SlotPods; readonly endpoints: Endpoints; readonly selected?: readonly SlotName[] },
  newest: NonNullable<RouteFacts['behind']>,
): Promise<RouteFacts> {
  const slots: Record<SlotName, SlotTraffic> = {}
  for (const slot of Object.keys(service.slots)) {
    const outOfRotationMs = followed.outOfRotationMs(slot)
    // Only what gets nothing new waits for what is in flight; gateways' pages are large.
    const asked = outOfRotationMs === null ? undefined : options.inFlight
    slots[slot] = {
      inFlight: hasNoPods(service, slot, endpoints) ? 0 : ((await asked?.(service.name, slot)) ?? null),
      outOfRotationMs,
      endpoints: pods[slot]?.size ?? 0,
    }
  }
  const { generation, shares, unprovenMs } = followed
  const behindPublic = selected.length === 1 ? { selected: selected[0]! } : {}
  if (unprovenMs === null) return { generation, shares, slots, ...behindPublic }
  const why = unprovenMs >= WHY_AFTER_MS ? await options.diagnose?.() : null
  const reason = why ? `${newest.reason}; ${why}` : newest.reason
  return { generation, shares, slots, ...behindPublic, behind: { ...newest, reason } }
}
