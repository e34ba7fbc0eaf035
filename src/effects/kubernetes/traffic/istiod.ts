// Why gateways of Istio may not follow: what istiod says of them. A gateway takes a whole set of routes or none of it, so
// one broken object of anybody, not only ours, stops all further changes.
import type { Api, KubernetesObject } from '../api.ts'

const SYNC_PAGE = '/debug/syncz'
const METRICS_PAGE = '/metrics'
const PORT = 15014
const TIMEOUT_MS = 2000

const LOOK = 'look at istiod’s rejects: kubectl -n istio-system logs deploy/istiod'

/** Reads a page of one istiod; null where that is not allowed or nobody answers. */
export type ReadIstiod = (path: string) => Promise<string | null>

/**
 * @param istiodUrl  an istiod that is no pod of this cluster, such as `http://istiod.example:15014`
 * @returns          words on why, as far as istiod says; at least where to look
 */
export async function istiodComplaints(api: Api, istiodUrl?: string): Promise<string> {
  if (istiodUrl !== undefined) return complaintsOf([(path) => readUrl(`${istiodUrl}${path}`)])
  const pods = await api.list({ apiVersion: 'v1', plural: 'pods' }, { labelSelector: 'app=istiod' }).then(
    ({ items }) => items,
    () => null,
  )
  if (pods?.length === 0) return 'the cluster has no pod of istiod (label app=istiod)'
  return complaintsOf((pods ?? []).map((pod) => (path) => readPod(api, pod, path)))
}

async function complaintsOf(istiods: readonly ReadIstiod[]): Promise<string> {
  const found = await Promise.all(istiods.map(complaintOf))
  return found.find((complaint) => complaint !== null) ?? LOOK
}

async function complaintOf(read: ReadIstiod): Promise<string | null> {
  const [sync, metrics] = await Promise.all([read(SYNC_PAGE), read(METRICS_PAGE)])
  if (sync === null && metrics === null) return `istiod does not answer; ${LOOK}`
  const rejected = sync === null ? null : rejectedBy(sync)
  if (rejected) return `${rejected.proxy} has rejected what istiod sent: ${rejected.error}`
  const rejects = metrics === null ? 0 : rejectsIn(metrics)
  return rejects > 0 ? `gateways have rejected ${rejects} updates of routes (pilot_total_xds_rejects); ${LOOK}` : null
}

/** The first proxy whose newest set of routes or listeners was refused, in Envoy’s own words. */
export function rejectedBy(syncPage: string): { proxy: string; error: string } | null {
  try {
    const proxies = JSON.parse(syncPage) as readonly ProxyStatus[]
    for (const { proxy = 'a gateway', resources = {} } of proxies) {
      const error = Object.values(resources).find(({ lastError }) => lastError)?.lastError
      if (error) return { proxy, error: error.trim() }
    }
  } catch {
    // Another version may write another page; the counter below is older than both.
  }
  return null
}

interface ProxyStatus {
  readonly proxy?: string
  readonly resources?: Readonly<Record<string, { readonly lastError?: string }>>
}

export function rejectsIn(metricsPage: string): number {
  const lines = metricsPage.matchAll(/^pilot_total_xds_rejects\{[^}]*type="(?:rds|lds)"[^}]*\} (\S+)$/gm)
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0)
}

async function readPod(api: Api, { metadata }: KubernetesObject, path: string): Promise<string | null> {
  const proxied = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}:${PORT}/proxy${path}`
  const answer = await api.request(proxied, { timeoutMs: TIMEOUT_MS }).catch(() => null)
  return answer?.status === 200 ? answer.body : null
}

async function readUrl(url: string): Promise<string | null> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => null)
  return answer?.ok ? answer.text().catch(() => null) : null
}
