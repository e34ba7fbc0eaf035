// The Deployment that makes a slot run a revision. Pure.
import type { Revision } from '../../domain/revision.ts'
import type { KubernetesObject } from './api.ts'
import {
  CHANGE_CAUSE,
  type Container,
  type DeploymentSpec,
  deploymentSpec,
  IMAGE,
  mainContainer,
  REVISION,
} from './marks.ts'

export interface SlotChange {
  readonly replicas?: number
  /** A new pod has to be ready for this long before the next old one goes. */
  readonly minReadyMs?: number | undefined
}

/** @param manifest  filled in with the revision's registry and tag */
export function slotObject(
  manifest: KubernetesObject,
  service: string,
  revision: Revision,
  { replicas, minReadyMs }: SlotChange,
): KubernetesObject {
  const spec = deploymentSpec(manifest)
  const { template } = spec
  const main = mainContainer(template.spec, service)
  const image = imageOf(revision, main)
  const marks = { [REVISION]: revision.id, [IMAGE]: image }
  const wanted: DeploymentSpec & { minReadySeconds?: number } = {
    ...spec,
    ...(replicas === undefined ? {} : { replicas }),
    ...(minReadyMs === undefined ? {} : { minReadySeconds: Math.ceil(minReadyMs / 1000) }),
    template: {
      ...template,
      metadata: { ...template.metadata, annotations: { ...template.metadata?.annotations, ...marks } },
      spec: {
        ...template.spec,
        containers: template.spec.containers.map((one) => (one.name === main?.name ? { ...one, image } : one)),
      },
    },
  }
  const annotations = {
    ...manifest.metadata.annotations,
    [REVISION]: revision.id,
    [CHANGE_CAUSE]: `${service} ${revision.version} by moodify (revision ${revision.id})`,
  }
  return { ...manifest, metadata: { ...manifest.metadata, annotations }, spec: wanted }
}

/** As the manifest names it, with the digest where it is known. */
function imageOf({ workload: { source } }: Revision, container: Container | undefined): string {
  const named = container?.image ?? ''
  return source.kind === 'image' && source.digest && !named.includes('@') ? `${named}@${source.digest}` : named
}
