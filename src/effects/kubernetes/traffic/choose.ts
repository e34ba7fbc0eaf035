// Which plane a service's traffic goes by: what is configured, or what the cluster and the service have.
import { OperatingError } from '../../../errors/catalogue.ts'
import type { TrafficCapabilities } from '../../ports/platform.ts'
import { type Api, ApiError, type KubernetesObject } from '../api.ts'
import { frontsOfHttpRoute, frontsOfVirtualService } from './fronts.ts'
import { asOperating } from './guarded.ts'
import { httpRoute, NOT_ACCEPTED } from './http-route.ts'
import { istiodComplaints } from './istiod.ts'
import { nginxIngress } from './nginx-ingress.ts'
import type { FrontAddress, PlaneName, PlaneOptions, RoutedService, TrafficPlane } from './plane.ts'
import { areReachable } from './proof.ts'
import type { RouteKind } from './route-kind.ts'
import { routedPlane } from './routed.ts'
import { selectorPlane } from './service-selector.ts'
import { virtualService } from './virtual-service.ts'

/** In the order of preference where a service has several. */
const routeKinds: readonly RouteKind[] = [httpRoute, virtualService, nginxIngress]

export interface ChooseOptions extends PlaneOptions {
  readonly services: readonly [RoutedService]
  readonly by: PlaneName | 'auto'
  /** Where no route can share, pods behind one Service may: a canary is wanted. */
  readonly mix: boolean
  /** An istiod that is no pod of the cluster. */
  readonly istiodUrl?: string
}

export interface ChosenPlane {
  readonly plane: TrafficPlane
  /** What was found and why it was chosen, for people. */
  readonly note: string
}

/** @throws OperatingError PLATFORM_FAILED when what is configured is not there, CLUSTER_UNREACHABLE, CLUSTER_REFUSED */
export async function choosePlane(options: ChooseOptions): Promise<ChosenPlane> {
  const { api, by, mix } = options
  const [service] = options.services
  const bySelector = (isMixed: boolean, why: string): ChosenPlane => {
    const plane = selectorPlane(options, { mix: isMixed })
    return { plane, note: `${service.name}: ${why}by ${plane.name} of ${service.publicService}` }
  }
  if (by === 'selector' || by === 'replicas') return bySelector(by === 'replicas', '')
  const wanted = routeKinds.filter(({ name }) => by === 'auto' || by === name)
  const found = (await Promise.all(wanted.map((kind) => findRoute(api, kind, service)))).filter((one) => one !== null)
  // A route that no gateway has accepted carries nothing; it is only used where there is no other.
  const isIdle = ({ kind, route }: FoundRoute) => kind.reported(route)?.startsWith(NOT_ACCEPTED) ?? false
  const [first, ...rest] = found.toSorted((a, b) => Number(isIdle(a)) - Number(isIdle(b)))
  if (first) return routedFor(options, service, first, rest)
  // A service without a canary needs no route that shares, whatever the others of its environment have.
  if (by !== 'auto' && service.slots['canary']) throw missing(service, wanted[0]!)
  return bySelector(mix, 'no route shares its traffic, so ')
}

interface FoundRoute {
  readonly kind: RouteKind
  readonly route: KubernetesObject
}

/** Null when the cluster does not know the kind, when there is no such object, or when it shares nothing. */
async function findRoute(api: Api, kind: RouteKind, service: RoutedService): Promise<FoundRoute | null> {
  const target = kind.target(service)
  if (!target) return null
  try {
    const route = await api.get(target.resource, target.name)
    return route && kind.weights(route, service) ? { kind, route } : null
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null
    throw asOperating(error, `read ${target.resource.plural}/${target.name}`)
  }
}

async function routedFor(
  options: ChooseOptions,
  service: RoutedService,
  { kind, route }: FoundRoute,
  others: readonly FoundRoute[],
): Promise<ChosenPlane> {
  const fronts = await findFronts(options.api, kind, service, route)
  const proof = await proofLevel(kind, service, fronts)
  const plane = routedPlane(kind, {
    ...options,
    proof,
    headerPin: kind.pinHeader(route, service),
    frontsOf: (_, current) => findFronts(options.api, kind, service, current),
    ...(isOfIstio(kind, route) && !options.diagnose
      ? { diagnose: () => istiodComplaints(options.api, options.istiodUrl) }
      : {}),
  })
  const known = proof === 'marked' ? `marked answers of ${inWords(fronts)}` : proofInWords[proof]
  const also = others.map((other) => `${other.route.kind} ${other.route.metadata.name}`)
  const left = also.length > 0 ? `; ${also.join(' and ')} found too, and left as they are` : ''
  return { plane, note: `${service.name}: by ${route.kind} ${route.metadata.name}, followed when ${known}${left}` }
}

function isOfIstio(kind: RouteKind, { status }: KubernetesObject): boolean {
  const { parents = [] } = (status ?? {}) as { parents?: readonly { controllerName?: string }[] }
  return kind === virtualService || parents.some(({ controllerName }) => controllerName?.startsWith('istio.io/'))
}

const proofInWords = {
  reported: 'its status is right and the settle time has passed (no front can be asked from here)',
  waited: 'the declared propagation time has passed (nothing shows it from here)',
} as const

async function proofLevel(
  kind: RouteKind,
  service: RoutedService,
  fronts: readonly FrontAddress[],
): Promise<TrafficCapabilities['proof']> {
  // Fronts that are configured are meant to be asked: when they do not answer, that is to be said, not worked around.
  if (kind.marks && (service.fronts?.length || (await areReachable(fronts)))) return 'marked'
  return kind === httpRoute ? 'reported' : 'waited'
}

async function findFronts(
  api: Api,
  kind: RouteKind,
  service: RoutedService,
  route: KubernetesObject,
): Promise<readonly FrontAddress[]> {
  if (service.fronts && service.fronts.length > 0) return service.fronts
  // What may not be read cannot be asked; that only makes the proof weaker.
  if (kind === httpRoute) return frontsOfHttpRoute(api, route).catch(() => [])
  return kind === virtualService ? frontsOfVirtualService(api, route).catch(() => []) : []
}

function inWords(fronts: readonly FrontAddress[]): string {
  return fronts.map(({ host, port }) => `${host}:${port}`).join(', ')
}

function missing(service: RoutedService, kind: RouteKind): OperatingError {
  const target = kind.target(service)
  return new OperatingError(
    'PLATFORM_FAILED',
    `${service.name} is to be shared out by ${kind.name}, but ${target?.resource.plural}/${target?.name} in ${service.namespace} is not there or has no rule with two Services of it.`,
    'Apply kubernetes/canary/, or set traffic in moodify.yaml to auto',
  )
}
