// One look at the objects of a routed service, and what speaks for it that the data plane follows them.
import type { Shares, SlotName } from '../../../domain/names.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import type { TrafficCapabilities } from '../../ports/platform.ts'
import type { Api, KubernetesObject } from '../api.ts'
import { type Endpoints, podsOfSlots, readEndpoints, type SlotPods } from './endpoints.ts'
import { publicShares, publicTarget, selectorLag, servicesOf } from './facts.ts'
import { readIfThere, type Target } from './guarded.ts'
import {
  type FrontAddress,
  type PlaneOptions,
  PROPAGATION_MS,
  type RoutedService,
  type SlotDestination,
} from './plane.ts'
import { unmarkedAnswer } from './proof.ts'
import type { AskedRoute, Evidence, RouteMemory } from './rotation.ts'
import type { RouteKind } from './route-kind.ts'
import { selectedSlots, selectorOf } from './selector.ts'
import { stampOf } from './stamp.ts'
import { sharesOf, slotDestinations, type Weights } from './weights.ts'

export interface RoutedOptions extends PlaneOptions {
  readonly proof: TrafficCapabilities['proof']
  readonly headerPin: string | null
  /** The fronts that must show the marker; asked for anew with each change, as gateways scale. */
  readonly frontsOf: (service: RoutedService, route: KubernetesObject) => Promise<readonly FrontAddress[]>
}

export interface RoutedRoute extends AskedRoute {
  /** The slots that the public Service selects; none while the route gives it nothing. */
  readonly behindPublic: readonly SlotName[]
}

export interface Look {
  readonly service: RoutedService
  readonly route: KubernetesObject
  readonly asked: RoutedRoute
  readonly pods: SlotPods
  readonly endpoints: Endpoints
  readonly destinations: readonly SlotDestination[]
  /** The slots that the public Service selects, whether the route gives it anything or not. */
  readonly selected: readonly SlotName[]
}

/** Null while the route or the public Service is not there. */
export async function lookAt(api: Api, kind: RouteKind, service: RoutedService): Promise<Look | null> {
  const [route, publicService, endpoints] = await Promise.all([
    readIfThere(api, routeTarget(kind, service)),
    readIfThere(api, publicTarget(service)),
    readEndpoints(api, service.namespace, servicesOf(service)),
  ])
  if (!route || !publicService) return null
  const selected = selectedSlots(selectorOf(publicService), service.slots)
  const pods = podsOfSlots(service, selected, endpoints)
  const weights = weightsOf(kind, service, route)
  const shares: Shares = sharesOf(service, weights, publicShares(selected, pods))
  const behindPublic = weights[service.publicService] ? selected : []
  const destinations = slotDestinations(service, Object.keys(weights), selected).map((destination) =>
    kind.countsUnderStable && destination.service !== service.publicService
      ? { ...destination, canaryOf: service.publicService }
      : destination,
  )
  return {
    service,
    route,
    pods,
    endpoints,
    destinations,
    selected,
    asked: { generation: stampOf(route).generation, shares, behindPublic },
  }
}

export function routeTarget(kind: RouteKind, service: RoutedService): Target {
  const target = kind.target(service)
  if (target) return target
  throw new OperatingError('PLATFORM_FAILED', `${service.name} names no route object for traffic by ${kind.name}.`)
}

/** @throws OperatingError PLATFORM_FAILED when no rule of the route shares anything */
export function weightsOf(kind: RouteKind, service: RoutedService, route: KubernetesObject): Weights {
  const weights = kind.weights(route, service)
  if (weights) return weights
  throw new OperatingError(
    'PLATFORM_FAILED',
    `No rule of ${route.kind} ${route.metadata.name} shares requests between Services of ${service.name}.`,
    `Give one rule two destinations, ${service.publicService} with weight 100 and the canary's Service with 0.`,
  )
}

export interface RouteEvidence extends Evidence {
  /** What is waited for, in words. */
  readonly waitsFor: string
}

const AS_IT_IS: RouteEvidence = { holds: true, settleMs: 0, waitsFor: '' }

export async function evidenceFor(
  kind: RouteKind,
  options: RoutedOptions,
  look: Look,
  memory: RouteMemory<RoutedRoute>,
): Promise<RouteEvidence> {
  const { service, asked, endpoints, route } = look
  const proven = memory.proven(service.name)
  if (memory.isProven(service.name, asked)) return AS_IT_IS
  const settleMs = options.propagationMs ?? PROPAGATION_MS
  const settling: RouteEvidence = { holds: true, settleMs, waitsFor: `${settleMs} ms are waited` }
  // Before our first change there is no marker, and nothing that is to be proven.
  if (asked.generation === 0 && !proven) return AS_IT_IS
  const lag = asked.behindPublic.length > 0 ? selectorLag(service, asked.behindPublic, endpoints) : null
  if (lag) return { ...settling, holds: false, waitsFor: lag }
  // Changed by hand: the marker is still the old one.
  if (proven?.generation === asked.generation) return settling
  const reported = kind.reported(route)
  const complaint = reported === 'unknown' ? null : reported
  if (options.proof === 'waited') return settling
  if (options.proof === 'reported') return complaint ? { ...settling, holds: false, waitsFor: complaint } : settling
  // Once marked it stays so: what is left is to wait, and users' services are not asked for nothing.
  const unmarked = memory.isSettling(service.name, asked) ? null : await unmarkedFront(kind, options, look)
  if (unmarked) {
    const waitsFor = complaint ? `${unmarked}; the route’s status: ${complaint}` : unmarked
    return { holds: false, settleMs: 0, waitsFor }
  }
  // The marker says nothing of endpoints: when the Service selects others than before, those are waited for.
  return sameSlots(asked.behindPublic, proven?.behindPublic) ? AS_IT_IS : settling
}

async function unmarkedFront(kind: RouteKind, options: RoutedOptions, look: Look): Promise<string | null> {
  const { service, route, asked } = look
  const fronts = await options.frontsOf(service, route)
  if (fronts.length === 0) return 'no front of the gateway can be found any more'
  return unmarkedAnswer(fronts, {
    host: kind.hosts(route)[0]?.replace('*', 'moodify') ?? service.publicService,
    path: service.proofPath ?? '/',
    generation: asked.generation,
  })
}

function sameSlots(now: readonly SlotName[], before: readonly SlotName[] | undefined): boolean {
  return now.length === 0 || (before !== undefined && now.join() === before.join())
}
