// Where a service stands in a namespace: the names of its objects, by slot. The names are a contract with people, who
// type them; the labels that tell slots apart are read from the manifests where there are any.
import type { Config, KubernetesConfig, ServiceConfig } from '../../config/config.ts'
import type { ServiceName, SlotLayout, SlotName } from '../../domain/names.ts'
import type { ImageSource, Revision } from '../../domain/revision.ts'
import type { KubernetesObject } from './api.ts'
import type { FrontAddress, RoutedService } from './traffic/plane.ts'

export interface ClusterService extends RoutedService {
  readonly config: ServiceConfig
  /** Slots that a version can stay in, and the one that it only visits. */
  readonly layout: SlotLayout
  readonly deployments: Readonly<Record<SlotName, string>>
}

/** A manifest of a Deployment by its name, or null. */
export type FindDeployment = (name: string) => KubernetesObject | null

export const VISITOR = 'canary'

export function clusterServices(
  config: Config,
  kubernetes: KubernetesConfig,
  deploymentsOf: (service: ServiceName) => FindDeployment,
): ClusterService[] {
  return config.services.map((service) => clusterService(service, kubernetes, deploymentsOf(service.name)))
}

function clusterService(
  config: ServiceConfig,
  kubernetes: KubernetesConfig,
  findDeployment: FindDeployment,
): ClusterService {
  const { name } = config
  const isSingle = kubernetes.layouts[name] === 'single'
  const slots = isSingle ? ['stable'] : ['blue', 'green']
  const deploymentOf = (slot: SlotName) => (slot === 'stable' ? `${name}-deployment` : `${name}-${slot}`)
  const stays = slots.map((slot) => [slot, findDeployment(deploymentOf(slot))] as const)
  const visiting = findDeployment(deploymentOf(VISITOR))
  // Without any manifest, as on the way back from another machine, the whole contract holds.
  const hasVisitor = visiting !== null || stays.every(([, manifest]) => manifest === null)
  const all = hasVisitor ? [...stays, [VISITOR, visiting] as const] : stays
  const labels = labelsApart(all.map(([slot, manifest]) => [slot, manifest ? matchLabels(manifest) : usual(slot)]))
  return {
    config,
    name,
    namespace: kubernetes.namespace,
    publicService: `${name}-service`,
    slots: Object.fromEntries(
      all.map(([slot]) => {
        const service = slot === 'stable' ? null : `${name}-${slot}-service`
        return [slot, { service, labels: labels[slot]! }]
      }),
    ),
    layout: { slots, visitor: hasVisitor ? VISITOR : null },
    deployments: Object.fromEntries(all.map(([slot]) => [slot, deploymentOf(slot)])),
    objects: routeObjects(name, kubernetes),
    ...(kubernetes.traffic.fronts.length > 0 ? { fronts: frontsOf(kubernetes) } : {}),
    proofPath: config.probes.ready.path,
  }
}

function usual(slot: SlotName): Record<string, string> {
  return slot === 'blue' || slot === 'green' ? { environment: slot } : { version: slot }
}

/** What pods of one slot have and those of another have not. */
function labelsApart(slots: readonly (readonly [SlotName, Readonly<Record<string, string>>])[]) {
  const isShared = (key: string, value: string) => slots.every(([, labels]) => labels[key] === value)
  return Object.fromEntries(
    slots.map(([slot, labels]) => [
      slot,
      Object.fromEntries(Object.entries(labels).filter(([key, value]) => !isShared(key, value))),
    ]),
  )
}

function matchLabels(deployment: KubernetesObject): Readonly<Record<string, string>> {
  const { selector } = (deployment['spec'] ?? {}) as { selector?: { matchLabels?: Record<string, string> } }
  return selector?.matchLabels ?? {}
}

/** A name that is configured is that of the object which the configured way uses. */
function routeObjects(service: string, { traffic: { by, name } }: KubernetesConfig): RoutedService['objects'] {
  const named = (way: string, usualName: string) => (by === way && name !== null ? name : usualName)
  const ingress = named('nginx', `${service}-ingress`)
  return {
    httpRoute: named('httproute', `${service}-route`),
    virtualService: named('virtualservice', `${service}-vs`),
    ingress,
    canaryIngress: `${ingress}-canary`,
  }
}

function frontsOf({ traffic }: KubernetesConfig): FrontAddress[] {
  return traffic.fronts.map((front) => {
    const { hostname, port, protocol } = new URL(front)
    const host = hostname.replace(/^\[|\]$/g, '')
    return {
      host,
      port: Number(port || (protocol === 'https:' ? 443 : 80)),
      tls: protocol === 'https:',
      ...(traffic.host === null ? {} : { hostHeader: traffic.host }),
    }
  })
}

/** An image has its commands in it: what remains is how it is watched and ended. */
export function workloadOf({ config }: ClusterService, source: ImageSource): Revision['workload'] {
  const { probes, graceMs, drainMs, memoryLimitMb } = config
  const inImage = { directory: '.', build: null, start: '', env: {}, envFile: null }
  return { source, ...inImage, probes, graceMs, drainMs, memoryLimitMb }
}
