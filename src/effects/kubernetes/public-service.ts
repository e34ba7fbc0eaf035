// The Service that everybody uses, before the first version has passed its checks: it leads to nobody, so that pods
// which have just started get no request of users, and a first version that fails can be ended.
import type { Api, KubernetesObject } from './api.ts'
import { applyGuarded } from './guard.ts'
import { publicTarget } from './traffic/facts.ts'
import { readIfThere, writeGuarded } from './traffic/guarded.ts'
import type { RoutedService } from './traffic/plane.ts'
import { NOBODY, selectorFor, selectorOf, selectorOperations } from './traffic/selector.ts'
import { SHARES, stampOperations } from './traffic/stamp.ts'

const NOTHING = {}

/**
 * Makes the Service where it is missing. One that is there says which slot is live, and is only changed while nothing
 * of the service runs.
 *
 * @param manifest  reads it from the files; null when they have none
 * @throws OperatingError STALE_EPOCH, CLUSTER_REFUSED, CLUSTER_UNREACHABLE
 */
export async function withholdTraffic(
  api: Api,
  service: RoutedService,
  { runsNothing, manifest }: { readonly runsNothing: boolean; readonly manifest: () => KubernetesObject | null },
  epoch: number,
): Promise<void> {
  const target = publicTarget(service)
  if (await readIfThere(api, target)) {
    if (!runsNothing) return
    await writeGuarded(api, target, epoch, (object) => {
      const withheld = selectorOperations(object, service.slots, NOBODY)
      return withheld.length === 0 ? [] : [...stampOperations(object, { epoch, shares: NOTHING }), ...withheld]
    })
    return
  }
  const wanted = manifest()
  if (!wanted) return
  await applyGuarded(api, target.resource, target.name, epoch, (current) => (current ? null : nobodys(wanted, service)))
}

function nobodys(manifest: KubernetesObject, { slots }: RoutedService): KubernetesObject {
  const { metadata } = manifest
  const annotations = { ...metadata.annotations, [SHARES]: JSON.stringify(NOTHING) }
  const spec = { ...(manifest['spec'] as object), selector: selectorFor(selectorOf(manifest), slots, NOBODY) }
  return { ...manifest, metadata: { ...metadata, annotations }, spec }
}
