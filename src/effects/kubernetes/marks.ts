// What we write on a Deployment and on its pods, so that anybody can tell what runs there.
import type { KubernetesObject } from './api.ts'

/** Id of the revision. */
export const REVISION = 'moodify.dev/revision'
/** Image of that revision: a pod with the mark and another image was changed by hand. */
export const IMAGE = 'moodify.dev/image'
export const CHANGE_CAUSE = 'kubernetes.io/change-cause'
/** `minReplicas` of an autoscaler before it was raised for a release. */
export const MIN_REPLICAS = 'moodify.dev/min-replicas'

export const FIELD_MANAGER = 'moodify'

export interface Container {
  readonly name: string
  readonly image?: string
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[]
  readonly startupProbe?: { readonly failureThreshold?: number; readonly periodSeconds?: number }
}

export interface PodSpec {
  readonly containers: readonly Container[]
}

export interface DeploymentSpec {
  readonly replicas?: number
  readonly template: {
    readonly metadata?: {
      readonly labels?: Record<string, string>
      readonly annotations?: Readonly<Record<string, string>>
    }
    readonly spec: PodSpec
  }
}

export function deploymentSpec(deployment: KubernetesObject): DeploymentSpec {
  return deployment['spec'] as DeploymentSpec
}

/** The container that serves: the one with the service's name, else the first. */
export function mainContainer({ containers }: PodSpec, service: string): Container | undefined {
  return containers.find(({ name }) => name === service) ?? containers[0]
}

/** What a template or a pod runs: the id of one of our revisions, or words that are no id. */
export function revisionOf(annotations: Readonly<Record<string, string>> | undefined, image: string): string {
  const revision = annotations?.[REVISION]
  if (revision === undefined) return `unknown (${image})`
  return annotations?.[IMAGE] === image ? revision : `changed by hand (${image})`
}
