// What a release would apply, and what that would change.
import { stringify } from 'yaml'
import type { KubernetesConfig } from '../../config/config.ts'
import type { SlotName } from '../../domain/names.ts'
import type { Revision } from '../../domain/revision.ts'
import { invariant, OperatingError } from '../../errors/catalogue.ts'
import type { Preview } from '../ports/preview.ts'
import type { Api, KubernetesObject } from './api.ts'
import { differences } from './differences.ts'
import { resourceOf } from './kinds.ts'
import type { ClusterService } from './layout.ts'
import { FIELD_MANAGER } from './marks.ts'
import { filesOf, renderFiles, slotManifests } from './slot-manifests.ts'
import { slotObject } from './slot-object.ts'
import { asOperating } from './traffic/guarded.ts'

export interface PreviewOptions {
  readonly api: Api
  readonly kubernetes: KubernetesConfig
  readonly services: readonly ClusterService[]
}

export function clusterPreview({ api, kubernetes, services }: PreviewOptions): Preview {
  const { namespace } = kubernetes

  function objectsOf(revision: Revision, only: SlotName | null): KubernetesObject[] {
    const service = services.find(({ name }) => name === revision.service)
    invariant(service, `no service ${revision.service}`)
    const { source } = revision.workload
    invariant(source.kind === 'image', 'only images run on a cluster')
    const variables = { IMAGE_REGISTRY: source.registry, IMAGE_TAG: source.tag, NAMESPACE: namespace }
    const files = renderFiles(filesOf(kubernetes, kubernetes.layouts[service.name]!, service.name), variables)
    const slots = Object.keys(service.deployments).filter((slot) => only === null || slot === only)
    const found = slots.flatMap((slot) => slotObjects(files, service, slot, revision))
    if (found.length > 0) return found
    throw new OperatingError(
      'PLATFORM_FAILED',
      `No file of ${kubernetes.manifests} has a Deployment for ${only ?? service.name}.`,
      'Put its manifest there, or name another folder in kubernetes.manifests of moodify.yaml.',
    )
  }

  async function difference(object: KubernetesObject) {
    const { kind } = object
    const { name } = object.metadata
    const resource = resourceOf({ ...object, metadata: { ...object.metadata, namespace } })
    try {
      const before = await api.get(resource, name)
      const after = await api.apply(resource, object, { fieldManager: FIELD_MANAGER, force: true, dryRun: true })
      return { kind, name, exists: before !== null, changes: before === null ? [] : differences(before, after) }
    } catch (error) {
      throw asOperating(error, `compare ${kind} ${name} in ${namespace}`)
    }
  }

  return {
    render: (revision, slot) =>
      objectsOf(revision, slot).map((object) => ({
        kind: object.kind,
        name: object.metadata.name,
        text: stringify(object, { lineWidth: 120, version: '1.1' }),
      })),
    diff: (revision, slot) => Promise.all(objectsOf(revision, slot).map(difference)),
  }
}

function slotObjects(
  files: readonly KubernetesObject[],
  service: ClusterService,
  slot: SlotName,
  revision: Revision,
): KubernetesObject[] {
  const found = slotManifests(files, service.deployments[slot]!, service.slots[slot]?.service ?? null)
  return found ? [slotObject(found.deployment, service.name, revision, {}), ...found.companions] : []
}
