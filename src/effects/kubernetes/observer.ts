// What is known of an environment: workloads from watches, routes from the plane, counts from the pods.
import type { ServiceName, SlotName } from '../../domain/names.ts'
import type { RouteFacts, ServiceFacts, Snapshot } from '../../domain/snapshot.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import type { Observer } from '../ports/platform.ts'
import type { Api, KubernetesObject } from './api.ts'
import { type ObjectCache, watchedObjects } from './cache.ts'
import { isPodReady, podStatus, podsOf, slotFacts } from './facts.ts'
import type { ClusterService } from './layout.ts'
import { mainContainer, type PodSpec } from './marks.ts'
import type { CellsReader } from './metrics/counter-cells.ts'

export type Watched = ObjectCache<'deployments' | 'replicasets' | 'pods' | 'events'>

export function watchNamespace(api: Api, clock: Clock, namespace: string): Watched {
  const apps = { apiVersion: 'apps/v1', namespace }
  const core = { apiVersion: 'v1', namespace }
  return watchedObjects(api, clock, {
    deployments: { resource: { ...apps, plural: 'deployments' } },
    replicasets: { resource: { ...apps, plural: 'replicasets' } },
    pods: { resource: { ...core, plural: 'pods' } },
    events: { resource: { ...core, plural: 'events' }, options: { fieldSelector: 'type=Warning' } },
  })
}

/** A route, and when it was asked for. */
export interface SeenRoute {
  readonly atMs: number
  readonly facts: Promise<RouteFacts>
}

const LAST_LINES = 40
/** Of those, what tells most. */
const TELLING = /error|exception|panic|fatal|cannot|denied|refused/i
const LOG_MS = 2000
const LONGEST_WORDS = 300

export function clusterObserver(options: {
  readonly api: Api
  readonly clock: Clock
  readonly watched: Watched
  readonly services: readonly ClusterService[]
  readonly route: (service: ServiceName) => SeenRoute
  readonly cells: CellsReader
}): Observer {
  const { api, clock, watched, services } = options
  const firstSeen = new Map<string, { readonly atMs: number; wasReady: boolean }>()
  const lines = new Map<string, string>()

  function remember(pods: readonly KubernetesObject[]): void {
    const names = new Set(pods.map(({ metadata }) => metadata.name))
    for (const name of firstSeen.keys()) if (!names.has(name)) firstSeen.delete(name)
    for (const pod of pods) {
      const seen = firstSeen.get(pod.metadata.name) ?? { atMs: clock.monotonicMs(), wasReady: false }
      seen.wasReady ||= isPodReady(pod)
      firstSeen.set(pod.metadata.name, seen)
    }
  }

  /** Last lines of containers that have ended, once per end. */
  async function readLastLines(service: ClusterService, pods: readonly KubernetesObject[]): Promise<void> {
    await Promise.all(
      pods.map(async (pod) => {
        const main = mainContainer(pod['spec'] as PodSpec, service.name)
        const status = podStatus(pod).containerStatuses?.find(({ name }) => name === main?.name)
        const hasEnded = status?.state?.terminated ?? status?.lastState?.terminated
        const key = `${pod.metadata.name}/${status?.restartCount}`
        if (!main || !hasEnded || lines.has(key)) return
        const previous = status?.state?.terminated ? '' : '&previous=true'
        const path = `/api/v1/namespaces/${service.namespace}/pods/${pod.metadata.name}/log`
        const query = `container=${main.name}&tailLines=${LAST_LINES}${previous}`
        const answer = await api.request(`${path}?${query}`, { timeoutMs: LOG_MS }).catch(() => null)
        const text = answer?.status === 200 ? lastWords(answer.body) : ''
        lines.set(key, text)
        lines.set(pod.metadata.name, text)
      }),
    )
  }

  async function factsOf(service: ClusterService, seen: SeenRoute, missing: string[]): Promise<ServiceFacts> {
    const route = seen.facts.catch((error: Error) => {
      missing.push(`the route of ${service.name}: ${error.message}`)
      return { generation: 0, shares: {}, slots: {} }
    })
    const [replicaSets, pods] = [watched.items('replicasets'), watched.items('pods')]
    const found = Object.entries(service.deployments).map(([slot, name]) => {
      const deployment = watched.find('deployments', name)
      return { slot, deployment, pods: podsOf({ deployment, replicaSets, pods }) }
    })
    await readLastLines(
      service,
      found.flatMap((one) => one.pods),
    )
    const warnings = newestWarnings(watched.items('events'))
    const now = clock.monotonicMs()
    const known = Object.fromEntries(
      [...firstSeen].map(([name, { atMs, wasReady }]) => [name, { forMs: now - atMs, wasReady }]),
    )
    const lastLines = Object.fromEntries(lines)
    const slots = found.map(
      ({ slot, deployment }) =>
        [
          slot,
          slotFacts({ service: service.name, deployment, replicaSets, pods, warnings, known, lastLines }),
        ] as const,
    )
    return { slots: Object.fromEntries(slots), route: await route }
  }

  return {
    async snapshot(): Promise<Snapshot> {
      const started = clock.monotonicMs()
      await watched.synced()
      const ageMs = watched.ageMs()
      const missing = [...watched.missing()]
      remember(watched.items('pods'))
      const routes = services.map((service) => options.route(service.name))
      const seenMs = Math.min(started - ageMs, ...routes.map(({ atMs }) => atMs))
      const entries = await Promise.all(
        services.map(
          async (service, index) => [service.name, await factsOf(service, routes[index]!, missing)] as const,
        ),
      )
      return {
        observedAgoMs: Math.round(clock.monotonicMs() - seenMs),
        complete: missing.length === 0,
        missing,
        services: Object.fromEntries(entries),
      }
    },
    cells: (service, after) => options.cells.cells(service, after),
  }
}

/** The lines in which a program says why it ends; else its last ones. */
export function lastWords(log: string): string {
  const lines = log
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const telling = lines.filter((line) => TELLING.test(line)).slice(0, 2)
  return (telling.length > 0 ? telling : lines.slice(-3)).join(' | ').slice(0, LONGEST_WORDS)
}

/** By the pod that a warning is about. */
function newestWarnings(events: readonly KubernetesObject[]): Record<string, string> {
  const newest = new Map<string, { at: string; text: string }>()
  for (const event of events) {
    const { involvedObject, reason, message, lastTimestamp, eventTime } = event as unknown as {
      involvedObject?: { kind?: string; name?: string }
      reason?: string
      message?: string
      lastTimestamp?: string | null
      eventTime?: string | null
    }
    if (involvedObject?.kind !== 'Pod' || !involvedObject.name) continue
    const at = lastTimestamp ?? eventTime ?? ''
    if (at < (newest.get(involvedObject.name)?.at ?? '')) continue
    newest.set(involvedObject.name, { at, text: `${reason}: ${(message ?? '').trim()}` })
  }
  return Object.fromEntries([...newest].map(([name, { text }]) => [name, text]))
}

/**
 * Resolves when it is known what runs. Nothing may be concluded from what could not be looked at.
 *
 * @throws OperatingError CLUSTER_UNREACHABLE
 */
export async function seen(watched: Watched): Promise<void> {
  await watched.synced()
  const missing = watched.missing(['deployments', 'replicasets', 'pods'])
  if (missing.length === 0) return
  throw new OperatingError('CLUSTER_UNREACHABLE', `What runs cannot be seen: ${missing.join('; ')}`, 'moodify doctor')
}

/** Pods of a slot that may receive requests now, with the revision that the Deployment is meant to run first. */
export function readyPods(watched: Watched, service: ClusterService, slot: SlotName): readonly KubernetesObject[] {
  const deployment = watched.find('deployments', service.deployments[slot] ?? '')
  const pods = podsOf({ deployment, replicaSets: watched.items('replicasets'), pods: watched.items('pods') })
  return pods.filter((pod) => isPodReady(pod) && pod.metadata.deletionTimestamp === undefined)
}
