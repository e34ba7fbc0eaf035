// What every way of sharing traffic out on Kubernetes has in common, and what it has to know of a service.
import type { ServiceName, SlotName } from '../../../domain/names.ts'
import type { RouteFacts } from '../../../domain/snapshot.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Traffic } from '../../ports/platform.ts'
import type { Api, Resource } from '../api.ts'

export const planeNames = ['selector', 'replicas', 'httproute', 'virtualservice', 'nginx'] as const
/**
 * `selector`: a Service's selector, all at once; `replicas`: the share of ready pods behind one Service;
 * `httproute`: Gateway API; `virtualservice`: Istio; `nginx`: canary annotations of an Ingress.
 */
export type PlaneName = (typeof planeNames)[number]

export interface TrafficPlane extends Traffic {
  readonly name: PlaneName
  /**
   * Reads the objects and, while the newest generation is not proven, asks once more for its proof.
   *
   * @throws OperatingError CLUSTER_UNREACHABLE, CLUSTER_REFUSED
   */
  route(service: ServiceName): Promise<RouteFacts>
  /** The slots that can have requests, each with the Service under whose name a gateway counts them. */
  destinations(service: ServiceName): Promise<readonly SlotDestination[]>
}

export interface SlotDestination {
  readonly slot: SlotName
  /** Name of the Kubernetes Service. */
  readonly service: string
  /** With canaries by annotations, the stable Service, under whose name the canary is counted. */
  readonly canaryOf?: string
}

/** A service of an environment, as its traffic objects see it. All objects are in `namespace`. */
export interface RoutedService {
  readonly name: ServiceName
  readonly namespace: string
  /** The Service that everybody uses, such as `backend-service`. */
  readonly publicService: string
  readonly slots: Readonly<Record<SlotName, RoutedSlot>>
  /** Names of route objects; a plane needs its own. */
  readonly objects: {
    readonly httpRoute?: string
    readonly virtualService?: string
    readonly ingress?: string
    readonly canaryIngress?: string
  }
  /** Every front that must show the marker before a generation counts as followed. None: they are looked for. */
  readonly fronts?: readonly FrontAddress[]
  /** Path that is asked for the marker; its answer's status does not matter. `/` by default. */
  readonly proofPath?: string
}

export interface RoutedSlot {
  /** The Service that reaches this slot's pods alone, such as `backend-canary-service`; null where there is none. */
  readonly service: string | null
  /** Labels that tell its pods from those of other slots, such as `{ environment: 'blue' }`. */
  readonly labels: Readonly<Record<string, string>>
}

/** One listener of one replica of a gateway, reachable from here. */
export interface FrontAddress {
  readonly host: string
  readonly port: number
  readonly tls?: boolean
  /** Host header of the requests; by default the first host of the route. */
  readonly hostHeader?: string
}

export interface PlaneOptions {
  readonly api: Api
  readonly clock: Clock
  readonly services: readonly RoutedService[]
  /** Time after which a change is taken to be everywhere, where nothing can show it. */
  readonly propagationMs?: number
  /**
   * Requests that a slot answers now, or null where that is not known. Left out: never known. A slot of which it is
   * not known counts as busy, so that its drain time is waited in full. Only asked of slots that get nothing new.
   */
  readonly inFlight?: (service: ServiceName, slot: SlotName) => Promise<number | null>
  /** Words on why a data plane may not follow, such as rejects that its control plane has counted. */
  readonly diagnose?: () => Promise<string | null>
}

/** kube-proxy and gateways watch; one second is the slowest default of kube-proxy, twice that is waited. */
export const PROPAGATION_MS = 2000

export const MARKER_HEADER = 'x-moodify-generation'

export const SERVICES = { apiVersion: 'v1', plural: 'services' } as const
export const HTTP_ROUTES = { apiVersion: 'gateway.networking.k8s.io/v1', plural: 'httproutes' } as const
export const VIRTUAL_SERVICES = { apiVersion: 'networking.istio.io/v1', plural: 'virtualservices' } as const
export const INGRESSES = { apiVersion: 'networking.k8s.io/v1', plural: 'ingresses' } as const

export function inNamespace(kind: Resource, { namespace }: { namespace: string }): Resource {
  return { ...kind, namespace }
}
