// Where counts of requests come from, as moodify.yaml says: pods, gateways, or a Prometheus server.
import type { ClusterMetrics } from '../../config/config.ts'
import type { ServiceName, SlotName } from '../../domain/names.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import type { KubernetesObject } from './api.ts'
import type { ClusterService } from './layout.ts'
import { deploymentSpec, mainContainer, type PodSpec, revisionOf } from './marks.ts'
import type { CellsReader } from './metrics/counter-cells.ts'
import { gatewayCells, gatewayInFlight } from './metrics/gateway.ts'
import { prometheusCells, type QueriedSlot } from './metrics/prometheus-server.ts'
import { readyPods, type Watched } from './observer.ts'
import type { OwnRequests } from './own-requests.ts'
import { podCells } from './pod-metrics.ts'
import type { TrafficPlane } from './traffic/plane.ts'

export interface ClusterCellsOptions {
  readonly clock: Clock
  readonly watched: Watched
  readonly services: readonly ClusterService[]
  readonly metrics: ClusterMetrics
  readonly planeOf: (service: ServiceName) => Promise<TrafficPlane>
  readonly ownRequests: OwnRequests
}

const TIMEOUT_MS = 3000

export function clusterCells(options: ClusterCellsOptions): CellsReader {
  const { clock, metrics } = options
  switch (metrics.from) {
    case 'pods':
      return podCells(options)
    case 'gateway':
      return gatewayCells({
        clock,
        pages: pagesOf(metrics.pages),
        slots: (service) => slotsAtTheEdge(options, service),
      })
    case 'prometheus':
      return prometheusCells({
        clock,
        family: metrics.family,
        query: (text) => readPage(`${metrics.url}/api/v1/query?query=${encodeURIComponent(text)}`),
        slots: (service) =>
          metrics.family === 'application' ? slotsByPods(options, service) : slotsAtTheEdge(options, service),
      })
  }
}

function pagesOf(urls: readonly string[]) {
  return urls.map((url) => ({ name: new URL(url).host, read: () => readPage(url) }))
}

/** What is in flight in a slot, where gateways are asked for counts and tell; null for a slot behind the public Service. */
export function clusterInFlight({
  metrics,
  services,
  planeOf,
}: Omit<ClusterCellsOptions, 'clock' | 'watched' | 'ownRequests'>) {
  if (metrics.from !== 'gateway') return null
  return gatewayInFlight({
    pages: pagesOf(metrics.pages),
    async slots(name) {
      const { publicService, namespace } = services.find((service) => service.name === name)!
      const destinations = await (await planeOf(name)).destinations(name)
      return destinations
        .filter(({ service, canaryOf }) => service !== publicService && canaryOf === undefined)
        .map((destination) => ({ ...destination, namespace }))
    },
  })
}

async function readPage(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  // Prometheus says why in the body, whatever the status.
  if (answer.ok || url.includes('/api/v1/query')) return answer.text()
  throw new Error(`${url} answered ${answer.status}`)
}

/** A gateway counts by Service: what it counted belongs to the one revision that the slot's pods run. */
async function slotsAtTheEdge(options: ClusterCellsOptions, name: ServiceName): Promise<QueriedSlot[]> {
  const service = serviceNamed(options, name)
  const destinations = await (await options.planeOf(name)).destinations(name)
  return destinations.flatMap((destination): QueriedSlot[] => {
    const { slot } = destination
    const byRevision = podsByRevision(options.watched, service, slot)
    if (byRevision.size > 1) {
      throw new OperatingError(
        'PLATFORM_FAILED',
        `${slot} runs ${byRevision.size} revisions while it rolls, and a gateway cannot tell them apart.`,
        'For rolling releases leave metrics out of moodify.yaml, or let them come from the application',
      )
    }
    const [only] = byRevision
    // Without any ready pod the gateway fails what it has for the slot: that counts against what should run there.
    const revision = only?.[0] ?? desiredRevision(options.watched, service, slot)
    return revision === null ? [] : [{ ...destination, namespace: service.namespace, revision, pods: only?.[1] ?? [] }]
  })
}

async function slotsByPods(options: ClusterCellsOptions, name: ServiceName): Promise<QueriedSlot[]> {
  const service = serviceNamed(options, name)
  return Object.keys(service.slots).flatMap((slot) =>
    [...podsByRevision(options.watched, service, slot)].map(([revision, pods]): QueriedSlot => {
      return { slot, revision, pods, namespace: service.namespace, service: service.publicService }
    }),
  )
}

function podsByRevision(watched: Watched, service: ClusterService, slot: SlotName): Map<string, string[]> {
  const runs = (pod: KubernetesObject) => {
    const image = mainContainer(pod['spec'] as PodSpec, service.name)?.image ?? ''
    return revisionOf(pod.metadata.annotations, image)
  }
  const grouped = Map.groupBy(readyPods(watched, service, slot), runs)
  return new Map([...grouped].map(([revision, pods]) => [revision, pods.map(({ metadata }) => metadata.name)]))
}

function desiredRevision(watched: Watched, service: ClusterService, slot: SlotName): string | null {
  const deployment = watched.find('deployments', service.deployments[slot] ?? '')
  if (!deployment) return null
  const { replicas = 1, template } = deploymentSpec(deployment)
  if (replicas === 0) return null
  const { metadata, spec } = template
  return revisionOf(metadata?.annotations, mainContainer(spec, service.name)?.image ?? '')
}

function serviceNamed({ services }: ClusterCellsOptions, name: ServiceName): ClusterService {
  const service = services.find((candidate) => candidate.name === name)
  if (service) return service
  throw new OperatingError('PLATFORM_FAILED', `moodify.yaml has no service ${name}.`)
}
