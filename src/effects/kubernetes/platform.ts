// A namespace of a cluster as a platform.
import type { Config, KubernetesConfig } from '../../config/config.ts'
import type { ServiceName, SlotLayout } from '../../domain/names.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import type { Platform, Traffic, TrafficCapabilities, WorkloadCapabilities } from '../ports/platform.ts'
import type { Api, KubernetesObject } from './api.ts'
import { clusterCells, clusterInFlight } from './cells.ts'
import { clusterChecks } from './checks.ts'
import { foundServices } from './found.ts'
import { type ClusterService, clusterServices } from './layout.ts'
import type { ManifestVariables } from './manifests.ts'
import { clusterObserver, type SeenRoute, type Watched, watchNamespace } from './observer.ts'
import { ownRequests } from './own-requests.ts'
import { podCounts } from './pod-metrics.ts'
import { filesOf, renderFiles, slotManifests } from './slot-manifests.ts'
import { choosePlane } from './traffic/choose.ts'
import type { TrafficPlane } from './traffic/plane.ts'
import { clusterWorkloads } from './workloads.ts'

export interface ClusterPlatformOptions {
  readonly api: Api
  readonly clock: Clock
  readonly config: Config
  readonly kubernetes: KubernetesConfig
}

export interface ClusterPlatform extends Platform {
  readonly services: readonly ClusterService[]
  readonly watched: Watched
  open(): Promise<void>
  /** By what the traffic of each service goes, one line each; after `open`. */
  trafficNotes(): readonly string[]
  close(): void
}

const ROUTE_MS = 250

const MOST_CAPABLE: TrafficCapabilities = {
  split: 'request',
  granularityPercent: 1,
  headerPin: null,
  proof: 'waited',
}

export function clusterPlatform({ api, clock, config, kubernetes }: ClusterPlatformOptions): ClusterPlatform {
  const services = servicesOf(config, kubernetes)
  const watched = watchNamespace(api, clock, kubernetes.namespace)
  let opening: Promise<ReadonlyMap<ServiceName, TrafficPlane>> | null = null
  let planes: ReadonlyMap<ServiceName, TrafficPlane> = new Map()
  let notes: readonly string[] = []

  const open = () => {
    opening ??= choose().catch((error: unknown) => {
      opening = null
      throw error
    })
    return opening
  }

  const { metrics } = kubernetes
  const inFlight = clusterInFlight({ metrics, services, planeOf: (service) => planeOf(service) })

  async function choose(): Promise<ReadonlyMap<ServiceName, TrafficPlane>> {
    const { traffic, layouts } = kubernetes
    const chosen = await Promise.all(
      services.map((service) =>
        choosePlane({
          api,
          clock,
          services: [service],
          by: traffic.by,
          mix: layouts[service.name] === 'single' && service.layout.visitor !== null,
          propagationMs: traffic.propagationMs,
          ...(inFlight ? { inFlight } : {}),
        }),
      ),
    )
    planes = new Map(services.map(({ name }, index) => [name, chosen[index]!.plane]))
    notes = chosen.map(({ note }) => note)
    return planes
  }

  const planeOf = async (service: ServiceName): Promise<TrafficPlane> => {
    const plane = (await open()).get(service)
    if (plane) return plane
    throw new OperatingError('PLATFORM_FAILED', `moodify.yaml has no service ${service}.`)
  }

  /** The engine looks ten times a second; so often nobody needs to ask the API server. */
  const routes = new Map<ServiceName, SeenRoute>()
  function recentRoute(service: ServiceName): SeenRoute {
    const known = routes.get(service)
    const atMs = clock.monotonicMs()
    if (known && atMs - known.atMs < ROUTE_MS) return known
    const seen = { atMs, facts: route(service) }
    routes.set(service, seen)
    seen.facts.catch(() => routes.delete(service))
    return seen
  }

  const traffic: Traffic = {
    get capabilities() {
      return [...planes.values()][0]?.capabilities ?? MOST_CAPABLE
    },
    async setShares(change, epoch) {
      const plane = await planeOf(change.service)
      try {
        return await plane.setShares(change, epoch)
      } finally {
        routes.delete(change.service)
      }
    },
    async takeEpoch(epoch) {
      for (const plane of (await open()).values()) await plane.takeEpoch(epoch)
    },
  }
  const capabilities = (): WorkloadCapabilities => ({
    slots: services[0]?.layout.slots ?? [],
    layouts: Object.fromEntries(services.map((service) => [service.name, layoutNow(service, planes)])),
  })
  const workloads = clusterWorkloads({ api, kubernetes, services, watched })
  const shared = { api, clock, watched, services, ownRequests: ownRequests(podCounts({ api, services })) }
  const route = async (service: ServiceName) => (await planeOf(service)).route(service)
  return {
    name: 'kubernetes',
    services,
    watched,
    async open() {
      await open()
    },
    trafficNotes: () => notes,
    found: () => foundServices({ ...shared, route }),
    workloads: {
      ...workloads,
      get capabilities() {
        return capabilities()
      },
    },
    traffic,
    observer: clusterObserver({
      ...shared,
      route: recentRoute,
      cells: clusterCells({ ...shared, metrics, planeOf }),
    }),
    checks: clusterChecks({ ...shared, areCounted: metrics.from === 'pods' }),
    close: () => watched.close(),
  }
}

function layoutNow({ name, layout }: ClusterService, planes: ReadonlyMap<ServiceName, TrafficPlane>): SlotLayout {
  return planes.get(name)?.capabilities.split === 'switch' ? { ...layout, switchesOnly: true } : layout
}

/** Labels are read from the files where there are any; their variables do not matter for that. */
function servicesOf(config: Config, kubernetes: KubernetesConfig): ClusterService[] {
  const variables = { IMAGE_REGISTRY: 'none', IMAGE_TAG: 'none', NAMESPACE: kubernetes.namespace }
  return clusterServices(config, kubernetes, (service) => {
    const files = filesOf(kubernetes, kubernetes.layouts[service]!, service)
    const objects = files.flatMap((file) => renderedOrNothing(file, variables))
    return (name) => slotManifests(objects, name, null)?.deployment ?? null
  })
}

/** A file with a fault must not stand in the way of a rollback; a deploy says what is wrong with it. */
function renderedOrNothing(file: string, variables: ManifestVariables): KubernetesObject[] {
  try {
    return renderFiles([file], variables)
  } catch (error) {
    if (error instanceof OperatingError) return []
    throw error
  }
}
