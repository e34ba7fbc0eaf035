// What runs in a namespace, whoever put it there: the truth that the next release starts from. The journal may know
// nothing of it, or somebody may have changed it by hand since.
import type { ServiceName } from '../../domain/names.ts'
import type { Revision } from '../../domain/revision.ts'
import type { RouteFacts } from '../../domain/snapshot.ts'
import type { FoundService, FoundVersion } from '../ports/platform.ts'
import { type Api, ApiError, type KubernetesObject } from './api.ts'
import { type ClusterService, workloadOf } from './layout.ts'
import { deploymentSpec, FIELD_MANAGER, mainContainer, revisionOf } from './marks.ts'
import type { Watched } from './observer.ts'
import { readyPods, seen } from './observer.ts'
import { scaledBy } from './slot-manifests.ts'

export async function foundServices(options: {
  readonly api: Api
  readonly watched: Watched
  readonly services: readonly ClusterService[]
  readonly route: (service: ServiceName) => Promise<RouteFacts>
}): Promise<Readonly<Record<ServiceName, FoundService>>> {
  const { api, watched, services } = options
  await seen(watched)
  const scaled = await scaledDeployments(api, services[0]?.namespace)
  const found = services.map(async (service) => {
    const { shares } = await options.route(service.name)
    const versions = Object.entries(service.deployments).flatMap(([slot, name]) => {
      const deployment = watched.find('deployments', name)
      return deployment ? [versionIn(service, slot, deployment, readyPods(watched, service, slot).length)] : []
    })
    const live = versions.find(({ slot, replicas }) => (shares[slot] ?? 0) === 100 && replicas > 0) ?? null
    const others = versions.filter((one) => one !== live && service.layout.slots.includes(one.slot))
    const name = live && service.deployments[live.slot]!
    const changes = name === null ? [] : changesByHand(watched.find('deployments', name)!)
    return [service.name, { live, others, isScaled: name !== null && scaled.has(name), changes }] as const
  })
  return Object.fromEntries(await Promise.all(found))
}

async function scaledDeployments(api: Api, namespace: string | undefined): Promise<ReadonlySet<string>> {
  if (namespace === undefined) return new Set()
  const autoscalers = { apiVersion: 'autoscaling/v2', plural: 'horizontalpodautoscalers', namespace }
  try {
    const { items } = await api.list(autoscalers)
    return new Set(items.flatMap((item) => scaledBy(item) ?? []))
  } catch (error) {
    // What may not be read is not known: the configured number of replicas holds.
    if (error instanceof ApiError) return new Set()
    throw error
  }
}

function versionIn(service: ClusterService, slot: string, deployment: KubernetesObject, ready: number): FoundVersion {
  const { template } = deploymentSpec(deployment)
  const image = mainContainer(template.spec, service.name)?.image ?? ''
  const source = imageIn(image)
  const revision: Revision = {
    id: revisionOf(template.metadata?.annotations, image),
    service: service.name,
    version: source.tag,
    workload: workloadOf(service, source),
  }
  return { slot, revision, replicas: ready }
}

/** `registry.example/team/backend:v1@sha256:…` in its parts. */
export function imageIn(image: string) {
  const [named = '', digest] = image.split('@')
  const slash = named.lastIndexOf('/')
  const [name = '', tag] = named.slice(slash + 1).split(':')
  const registry = slash < 0 ? '' : named.slice(0, slash)
  return { kind: 'image', registry, name, tag: tag ?? 'latest', digest: digest ?? null } as const
}

/** Who else has written the specification: `kubectl-set, at 2026-11-24T10:00:00Z`. */
function changesByHand({ metadata }: KubernetesObject): string[] {
  const ours = [FIELD_MANAGER, 'kube-controller-manager']
  return (metadata.managedFields ?? []).flatMap((entry) => {
    const { manager, time, subresource, fieldsV1 } = entry as typeof entry & {
      readonly subresource?: string
      readonly fieldsV1?: { readonly 'f:spec'?: object }
    }
    if (manager === undefined || ours.includes(manager) || subresource !== undefined || !fieldsV1?.['f:spec']) return []
    return [`${manager} at ${time}`]
  })
}
