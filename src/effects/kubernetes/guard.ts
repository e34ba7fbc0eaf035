// Writes of our own objects. Each says whose it is; one by a runner that was taken over is refused.
import { OperatingError } from '../../errors/catalogue.ts'
import { type Api, ApiError, type KubernetesObject, type Resource } from './api.ts'
import { FIELD_MANAGER } from './marks.ts'
import { asOperating, guardEpoch, readIfThere } from './traffic/guarded.ts'
import { EPOCH, stampOf } from './traffic/stamp.ts'

const ATTEMPTS = 10

/** Stands for objects that are not there yet: it says which epoch the namespace is in. */
const ANCHOR = 'moodify-epoch'

const configMaps = (namespace: string): Resource => ({ apiVersion: 'v1', plural: 'configmaps', namespace })

/**
 * Before any write of ours: a writer with a lower epoch is refused from now on, also where there is no object yet.
 *
 * @throws OperatingError STALE_EPOCH
 */
export async function stampNamespace(api: Api, namespace: string, epoch: number): Promise<void> {
  const resource = configMaps(namespace)
  const wanted: KubernetesObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: ANCHOR, namespace } }
  await applyGuarded(api, resource, ANCHOR, epoch, (current) =>
    current && stampOf(current).epoch === epoch ? null : wanted,
  )
}

/**
 * Server-side apply on top of exactly what was looked at: the version of the object goes with it, so that nothing
 * written in between is lost, and the epoch is tested by it.
 *
 * @param plan  the wanted object, or null when nothing is to be done
 * @returns     the object as it is afterwards
 * @throws      OperatingError STALE_EPOCH, CLUSTER_REFUSED, CLUSTER_UNREACHABLE
 */
export async function applyGuarded(
  api: Api,
  resource: Resource,
  name: string,
  epoch: number,
  plan: (current: KubernetesObject | null) => KubernetesObject | null,
): Promise<KubernetesObject | null> {
  const target = { resource, name }
  for (let attempt = 1; ; attempt++) {
    const current = await readIfThere(api, target)
    if (current) guardEpoch(stampOf(current), epoch, target)
    const wanted = plan(current)
    if (!wanted) return current
    const { annotations } = wanted.metadata
    const version = current?.metadata.resourceVersion
    const metadata = {
      ...wanted.metadata,
      namespace: resource.namespace!,
      annotations: { ...annotations, [EPOCH]: String(epoch) },
      ...(version === undefined ? {} : { resourceVersion: version }),
    }
    try {
      return await api.apply(resource, { ...wanted, metadata }, { fieldManager: FIELD_MANAGER, force: true })
    } catch (error) {
      const isRace = error instanceof ApiError && error.status === 409
      if (!isRace || attempt === ATTEMPTS) throw refused(error, resource, name)
    }
  }
}

function refused(error: unknown, resource: Resource, name: string): unknown {
  const operating = asOperating(error, `apply ${resource.plural}/${name} in ${resource.namespace}`)
  const isNamespaceMissing = error instanceof ApiError && /namespaces? "?.*"? not found/.test(error.message)
  if (!isNamespaceMissing) return operating
  return new OperatingError(
    'CLUSTER_REFUSED',
    `There is no namespace ${resource.namespace}; nothing was applied.`,
    `kubectl create namespace ${resource.namespace}`,
  )
}
