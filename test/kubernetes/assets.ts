// The shipped manifests, filled in, for tests.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { KubernetesObject } from '../../src/effects/kubernetes/api.ts'
import { renderManifests } from '../../src/effects/kubernetes/manifests.ts'

export const kubernetesFolder = join(import.meta.dirname, '../../kubernetes')

export const variables = {
  IMAGE_REGISTRY: 'your-registry.azurecr.io',
  IMAGE_TAG: 'v1.2.3',
  NAMESPACE: 'moodify-production',
}

/** Folders whose files have variables in them. */
export const templateFolders = ['blue-green', 'canary', 'common', 'custom-metrics', 'frontend', 'single'] as const

export const templateFiles = templateFolders.flatMap((folder) =>
  readdirSync(join(kubernetesFolder, folder)).map((name) => `${folder}/${name}`),
)

/** @param paths  such as `blue-green` or `canary/httproute.yaml` */
export function objectsOf(...paths: readonly string[]): KubernetesObject[] {
  return renderManifests(
    paths.map((path) => join(kubernetesFolder, path)),
    variables,
  )
}

export function find(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name)
  if (found.length !== 1) throw new Error(`${found.length} objects are ${kind}/${name}`)
  return found[0] as KubernetesObject
}

/** What stands at a path such as `spec.template.spec`; undefined when nothing does. */
// biome-ignore lint/suspicious/noExplicitAny: manifests of every kind are looked into here
export function at(object: unknown, path: string): any {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object)
}
