// A version on a cluster is the tag of an image, pinned to its digest where the registry tells it.
import { createHash } from 'node:crypto'
import type { Config, KubernetesConfig, ServiceConfig } from '../../config/config.ts'
import type { ImageSource, Revision } from '../../domain/revision.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Versions } from '../ports/host.ts'
import type { Api, KubernetesObject } from './api.ts'
import { type ClusterService, workloadOf } from './layout.ts'
import { deploymentSpec, mainContainer } from './marks.ts'
import { filesOf, renderFiles, slotManifests } from './slot-manifests.ts'
import { asOperating } from './traffic/guarded.ts'

const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/

export interface ClusterVersionsOptions {
  readonly api: Api
  readonly kubernetes: KubernetesConfig
  readonly services: readonly ClusterService[]
  /** `IMAGE_REGISTRY` of the environment; wins over moodify.yaml. */
  readonly registry: string | undefined
  /** Digest of an image, or null where its registry does not tell. */
  readonly digestOf: (image: Omit<ImageSource, 'kind' | 'digest'>) => Promise<string | null>
}

export function clusterVersions(options: ClusterVersionsOptions): Versions {
  const { kubernetes, services, digestOf } = options

  async function revision(service: ClusterService, version: string): Promise<Revision> {
    const registry = options.registry ?? kubernetes.registry ?? (await runningRegistry(options, service))
    const image = { registry, name: service.config.container.image, tag: version }
    const source: ImageSource = { kind: 'image', ...image, digest: await digestOf(image) }
    const what = [service.name, source, manifestTexts(kubernetes, service, source)]
    const id = createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 12)
    return { id, service: service.name, version, workload: workloadOf(service, source) }
  }

  return {
    async revisions(config: Config, version: string) {
      if (!TAG.test(version)) {
        throw new OperatingError('UNKNOWN_VERSION', `${version} cannot be the tag of an image.`, 'moodify history')
      }
      const shipped = services.filter(({ name }) => config.services.some((one: ServiceConfig) => one.name === name))
      const found = shipped.map(async (service) => [service.name, await revision(service, version)] as const)
      return Object.fromEntries(await Promise.all(found))
    },
  }
}

/** What the slots would run: a change of a manifest alone is a revision too. */
function manifestTexts(kubernetes: KubernetesConfig, service: ClusterService, image: ImageSource): unknown {
  const variables = { IMAGE_REGISTRY: image.registry, IMAGE_TAG: image.tag, NAMESPACE: kubernetes.namespace }
  const objects = renderFiles(filesOf(kubernetes, kubernetes.layouts[service.name]!, service.name), variables)
  return Object.values(service.deployments).map((name) => {
    const deployment = slotManifests(objects, name, null)?.deployment
    return deployment ? deploymentSpec(deployment).template : null
  })
}

/** The registry of what runs in a slot that a version stays in. */
async function runningRegistry(
  { api, kubernetes: { namespace } }: ClusterVersionsOptions,
  service: ClusterService,
): Promise<string> {
  const resource = { apiVersion: 'apps/v1', plural: 'deployments', namespace }
  for (const slot of service.layout.slots) {
    const name = service.deployments[slot]!
    const deployment = await api.get(resource, name).catch((error: unknown) => {
      throw asOperating(error, `read deployments/${name} in ${namespace}`)
    })
    const registry = deployment && registryIn(deployment, service)
    if (registry) return registry
  }
  throw new OperatingError(
    'UNKNOWN_VERSION',
    `It is not known in which registry the image of ${service.name} is.`,
    'Set kubernetes.registry in moodify.yaml, or the variable IMAGE_REGISTRY.',
  )
}

function registryIn(deployment: KubernetesObject, { name, config }: ClusterService): string | null {
  const image = mainContainer(deploymentSpec(deployment).template.spec, name)?.image ?? ''
  const end = image.lastIndexOf(`/${config.container.image}:`)
  return end > 0 ? image.slice(0, end) : null
}
