// Deployments as slots. A slot keeps its Deployment when it is empty: then it has no replicas, and what ran there last
// can come back without any file.
import type { KubernetesConfig } from '../../config/config.ts'
import type { SlotName } from '../../domain/names.ts'
import type { ImageSource, Revision } from '../../domain/revision.ts'
import { invariant, OperatingError } from '../../errors/catalogue.ts'
import type { SlotTarget, Workloads } from '../ports/platform.ts'
import type { Api, KubernetesObject, PatchOperation, Resource } from './api.ts'
import { applyGuarded, stampNamespace } from './guard.ts'
import { resourceOf } from './kinds.ts'
import type { ClusterService } from './layout.ts'
import { deploymentSpec, FIELD_MANAGER, MIN_REPLICAS, mainContainer, revisionOf } from './marks.ts'
import type { Watched } from './observer.ts'
import { withholdTraffic } from './public-service.ts'
import { filesOf, renderFiles, type SlotManifests, scaledBy, slotManifests } from './slot-manifests.ts'
import { slotObject } from './slot-object.ts'
import { asOperating, readIfThere, stampEpoch, writeGuarded } from './traffic/guarded.ts'
import { stampOperations } from './traffic/stamp.ts'

export interface WorkloadOptions {
  readonly api: Api
  readonly kubernetes: KubernetesConfig
  readonly services: readonly ClusterService[]
  readonly watched: Watched
}

export function clusterWorkloads(options: WorkloadOptions): Omit<Workloads, 'capabilities'> {
  const { api, kubernetes, services, watched } = options
  const { namespace } = kubernetes
  const deployments: Resource = { apiVersion: 'apps/v1', plural: 'deployments', namespace }
  const autoscalers: Resource = { apiVersion: 'autoscaling/v2', plural: 'horizontalpodautoscalers', namespace }

  const serviceNamed = (name: string): ClusterService => {
    const service = services.find((candidate) => candidate.name === name)
    invariant(service, `no service ${name}`)
    return service
  }
  const deploymentOf = ({ service, slot }: SlotTarget): string => {
    const name = serviceNamed(service).deployments[slot]
    invariant(name, `no slot ${slot} of ${service}`)
    return name
  }

  /** What the files have for a slot. @throws OperatingError MANIFEST_INVALID, PLATFORM_FAILED */
  function manifestsOf(service: ClusterService, slot: SlotName, image: ImageSource): SlotManifests {
    const files = filesOf(kubernetes, kubernetes.layouts[service.name]!, service.name)
    const variables = { IMAGE_REGISTRY: image.registry, IMAGE_TAG: image.tag, NAMESPACE: namespace }
    const name = service.deployments[slot]!
    const found = slotManifests(renderFiles(files, variables), name, service.slots[slot]?.service ?? null)
    if (found) return found
    throw new OperatingError(
      'PLATFORM_FAILED',
      `No file of ${kubernetes.manifests} has the Deployment ${name}; nothing was applied.`,
      'Put its manifest there, or name another folder in kubernetes.manifests of moodify.yaml.',
    )
  }

  async function autoscalerOf(deployment: string): Promise<KubernetesObject | null> {
    const { items } = await api.list(autoscalers).catch((error: unknown) => {
      throw asOperating(error, `list autoscalers in ${namespace}`)
    })
    return items.find((item) => scaledBy(item) === deployment) ?? null
  }

  async function put(
    { service: name, slot, revision }: SlotTarget & { revision: Revision },
    replicas: number | undefined,
    minReadyMs: number | undefined,
    epoch: number,
  ): Promise<void> {
    const service = serviceNamed(name)
    await stampNamespace(api, namespace, epoch)
    await withhold(service, epoch)
    const deployment = deploymentOf({ service: name, slot })
    let manifests: SlotManifests | null = null
    const applied = await applyGuarded(api, deployments, deployment, epoch, (current) => {
      if (current && runsAlready(current, service, revision)) return null
      manifests ??= manifestsOf(service, slot, imageOf(revision))
      const running = current ? (deploymentSpec(current).replicas ?? 1) : 0
      const wanted = replicas ?? running
      const isScaled = manifests.companions.some(({ kind }) => kind === 'HorizontalPodAutoscaler')
      return slotObject(manifests.deployment, service.name, revision, {
        replicas: isScaled && running > 0 ? Math.max(wanted, running) : wanted,
        minReadyMs,
      })
    })
    if (applied) watched.put('deployments', applied)
    if (manifests) await applyCompanions(manifests, epoch)
    if (replicas !== undefined) await scale(deployment, replicas, epoch)
  }

  /** Exactly as many, or where an autoscaler is at work at least as many. */
  async function scale(name: string, replicas: number, epoch: number): Promise<void> {
    const autoscaler = await autoscalerOf(name)
    const scaled = await writeGuarded(api, { resource: deployments, name }, epoch, (object) => {
      const running = deploymentSpec(object).replicas ?? 1
      if (running === replicas || (autoscaler && running > replicas)) return []
      return [...stampOperations(object, { epoch }), setReplicas(object, replicas)]
    })
    watched.put('deployments', scaled)
    if (autoscaler) await holdFloor(autoscaler, replicas, epoch)
  }

  async function applyCompanions({ companions }: SlotManifests, epoch: number): Promise<void> {
    for (const object of companions) {
      await applyGuarded(
        api,
        resourceOf({ ...object, metadata: { ...object.metadata, namespace } }),
        object.metadata.name,
        epoch,
        (current) =>
          // A floor that is held for a release stays.
          current?.metadata.annotations?.[MIN_REPLICAS] === undefined ? object : null,
      )
    }
  }

  async function withhold(service: ClusterService, epoch: number): Promise<void> {
    await watched.synced()
    const runs = (name: string) => {
      const deployment = watched.find('deployments', name)
      return deployment !== null && deploymentSpec(deployment).replicas !== 0
    }
    const runsNothing = watched.missing().length === 0 && !Object.values(service.deployments).some(runs)
    await withholdTraffic(api, service, { runsNothing, manifest: () => publicManifest(service) }, epoch)
  }

  function publicManifest({ name, publicService }: ClusterService): KubernetesObject | null {
    const files = filesOf(kubernetes, kubernetes.layouts[name]!, name)
    const variables = { IMAGE_REGISTRY: 'none', IMAGE_TAG: 'none', NAMESPACE: namespace }
    const isIt = ({ kind, metadata }: KubernetesObject) => kind === 'Service' && metadata.name === publicService
    return renderFiles(files, variables).find(isIt) ?? null
  }

  async function floor({ service, slot, replicas }: SlotTarget & { replicas: number }, epoch: number): Promise<void> {
    const name = deploymentOf({ service, slot })
    await stampNamespace(api, namespace, epoch)
    const known = await readIfThere(api, { resource: deployments, name })
    const running = known ? (deploymentSpec(known).replicas ?? 1) : 0
    // An empty slot stays empty.
    if (running > 0) await scale(name, Math.max(running, replicas), epoch)
  }

  /** The HPA owns what is above its minimum: a floor is held there too. */
  async function holdFloor(autoscaler: KubernetesObject, replicas: number, epoch: number): Promise<void> {
    const target = { resource: autoscalers, name: autoscaler.metadata.name }
    await writeGuarded(api, target, epoch, (object) => {
      const { minReplicas = 1 } = object['spec'] as { minReplicas?: number }
      if (minReplicas >= replicas) return []
      const before = object.metadata.annotations?.[MIN_REPLICAS] ?? String(minReplicas)
      return [
        ...stampOperations(object, { epoch }),
        { op: 'add', path: annotation(MIN_REPLICAS), value: before },
        { op: 'add', path: '/spec/minReplicas', value: replicas },
      ]
    })
  }

  async function releaseFloor(deployment: string, epoch: number): Promise<void> {
    const autoscaler = await autoscalerOf(deployment)
    if (autoscaler?.metadata.annotations?.[MIN_REPLICAS] === undefined) return
    const target = { resource: autoscalers, name: autoscaler.metadata.name }
    await writeGuarded(api, target, epoch, (object) => {
      const before = object.metadata.annotations?.[MIN_REPLICAS]
      if (before === undefined) return []
      return [
        ...stampOperations(object, { epoch }),
        { op: 'add', path: '/spec/minReplicas', value: Number(before) },
        { op: 'remove', path: annotation(MIN_REPLICAS) },
      ]
    })
  }

  return {
    /** Renders and lets the API server check what would be applied, without doing it. */
    async prepare(revision, signal) {
      const service = serviceNamed(revision.service)
      for (const slot of Object.keys(service.deployments)) {
        signal.throwIfAborted()
        const { deployment } = manifestsOf(service, slot, imageOf(revision))
        const object = slotObject(deployment, service.name, revision, {})
        await api
          .apply(deployments, object, { fieldManager: FIELD_MANAGER, force: true, dryRun: true })
          .catch((error) => {
            throw asOperating(error, `apply deployments/${object.metadata.name} in ${namespace}`)
          })
      }
    },
    applyRevision: ({ replicas, ...target }, epoch) => put(target, replicas, undefined, epoch),
    rollInPlace: ({ replicas, minReadyMs, ...target }, epoch) => put(target, replicas, minReadyMs, epoch),
    ensureFloor: floor,
    async retire(target, epoch) {
      const name = deploymentOf(target)
      await stampNamespace(api, namespace, epoch)
      const known = await readIfThere(api, { resource: deployments, name })
      if (!known) return
      const scaled = await writeGuarded(api, { resource: deployments, name }, epoch, (object) => {
        if (deploymentSpec(object).replicas === 0) return []
        return [...stampOperations(object, { epoch }), setReplicas(object, 0)]
      })
      watched.put('deployments', scaled)
      // Once an old version ends, what serves has settled, and its autoscaler is free again too.
      const service = serviceNamed(target.service)
      const settled = target.slot === service.layout.visitor ? [name] : Object.values(service.deployments)
      for (const each of settled) await releaseFloor(each, epoch)
    },
    async takeEpoch(epoch) {
      await stampNamespace(api, namespace, epoch)
      const names = services.flatMap((service) => Object.values(service.deployments))
      await Promise.all(names.map((name) => stampEpoch(api, { resource: deployments, name }, epoch)))
    },
  }
}

function imageOf({ workload: { source } }: Revision): ImageSource {
  invariant(source.kind === 'image', 'only images run on a cluster')
  return source
}

function runsAlready(deployment: KubernetesObject, service: ClusterService, revision: Revision): boolean {
  const { template } = deploymentSpec(deployment)
  const image = mainContainer(template.spec, service.name)?.image ?? ''
  return revisionOf(template.metadata?.annotations, image) === revision.id
}

function setReplicas(deployment: KubernetesObject, replicas: number): PatchOperation {
  const op = deploymentSpec(deployment).replicas === undefined ? 'add' : 'replace'
  return { op, path: '/spec/replicas', value: replicas }
}

function annotation(name: string): string {
  return `/metadata/annotations/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}
