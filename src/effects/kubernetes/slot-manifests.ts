// The objects of one slot, from the manifest files of a project.
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterLayout, KubernetesConfig } from '../../config/config.ts'
import type { KubernetesObject } from './api.ts'
import { type ManifestVariables, manifestFiles, renderManifests } from './manifests.ts'

export interface SlotManifests {
  readonly deployment: KubernetesObject
  /** What goes with it: an autoscaler of this Deployment, a disruption budget of its pods, its own Service. */
  readonly companions: readonly KubernetesObject[]
}

/** Files in which the objects of a service may stand: the folder itself, that of its layout, the canary's, its own. */
export function filesOf({ manifests }: KubernetesConfig, layout: ClusterLayout, service: string): string[] {
  return [manifests, ...[layout, VISITORS, service].map((folder) => join(manifests, folder))].flatMap(yamlFilesIn)
}

const VISITORS = 'canary'

function yamlFilesIn(folder: string): string[] {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return []
  try {
    return manifestFiles(folder)
  } catch {
    return []
  }
}

export function renderFiles(files: readonly string[], variables: ManifestVariables): KubernetesObject[] {
  return files.length === 0 ? [] : renderManifests(files, variables)
}

/** Null when no file has the Deployment. */
export function slotManifests(
  objects: readonly KubernetesObject[],
  deploymentName: string,
  ownService: string | null,
): SlotManifests | null {
  const deployment = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === deploymentName)
  if (!deployment) return null
  const labels = podLabels(deployment)
  const companions = objects.filter((object) => {
    if (object.kind === 'HorizontalPodAutoscaler') return scaledBy(object) === deploymentName
    if (object.kind === 'PodDisruptionBudget') return selects(object, labels)
    return object.kind === 'Service' && object.metadata.name === ownService
  })
  return { deployment, companions }
}

export function scaledBy(autoscaler: KubernetesObject): string | null {
  const { scaleTargetRef } = (autoscaler['spec'] ?? {}) as { scaleTargetRef?: { kind?: string; name?: string } }
  return scaleTargetRef?.kind === 'Deployment' ? (scaleTargetRef.name ?? null) : null
}

function podLabels(deployment: KubernetesObject): Readonly<Record<string, string>> {
  const spec = deployment['spec'] as { template?: { metadata?: { labels?: Record<string, string> } } } | undefined
  return spec?.template?.metadata?.labels ?? {}
}

function selects(object: KubernetesObject, labels: Readonly<Record<string, string>>): boolean {
  const { selector } = (object['spec'] ?? {}) as { selector?: { matchLabels?: Record<string, string> } }
  const wanted = Object.entries(selector?.matchLabels ?? {})
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value)
}
