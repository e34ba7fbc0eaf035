// What moodify may do in a namespace, as the API server itself says: each right of the shipped Role, kubernetes/common/rbac.yaml.
import type { Finding } from '../ports/host.ts'
import type { Api, KubernetesObject } from './api.ts'

export interface Right {
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  readonly verbs: readonly string[]
  /** Only needed where traffic goes by it. */
  readonly isOfRoutes?: boolean
}

const look = ['get', 'list', 'watch']
const ship = [...look, 'create', 'patch']
const route = [...look, 'patch']

export const rights: readonly Right[] = [
  { group: 'apps', resource: 'deployments', verbs: ship },
  { group: 'autoscaling', resource: 'horizontalpodautoscalers', verbs: ship },
  { group: 'policy', resource: 'poddisruptionbudgets', verbs: ship },
  { group: '', resource: 'services', verbs: ship },
  { group: 'gateway.networking.k8s.io', resource: 'httproutes', verbs: route, isOfRoutes: true },
  { group: 'gateway.networking.k8s.io', resource: 'gateways', verbs: look, isOfRoutes: true },
  { group: 'networking.istio.io', resource: 'virtualservices', verbs: route, isOfRoutes: true },
  { group: 'networking.istio.io', resource: 'gateways', verbs: look, isOfRoutes: true },
  { group: 'networking.k8s.io', resource: 'ingresses', verbs: route, isOfRoutes: true },
  { group: 'apps', resource: 'replicasets', verbs: look },
  { group: '', resource: 'pods', verbs: look },
  { group: '', resource: 'events', verbs: look },
  { group: 'discovery.k8s.io', resource: 'endpointslices', verbs: look },
  { group: '', resource: 'pods', subresource: 'log', verbs: ['get'] },
  { group: '', resource: 'pods', subresource: 'proxy', verbs: ['get', 'create', 'update', 'patch', 'delete'] },
  { group: '', resource: 'configmaps', verbs: [...ship, 'update', 'delete'] },
  { group: 'coordination.k8s.io', resource: 'leases', verbs: ship },
]

const REVIEWS = { apiVersion: 'authorization.k8s.io/v1', plural: 'selfsubjectaccessreviews' }

/** One finding when all is allowed, else one per kind of object with the verbs that are missing. */
export async function accessFindings(api: Api, namespace: string): Promise<Finding[]> {
  const findings = await Promise.all(
    rights.map(async ({ verbs, isOfRoutes, ...target }): Promise<Finding[]> => {
      const allowed = await Promise.all(verbs.map((verb) => isAllowed(api, { ...target, verb, namespace })))
      const missing = verbs.filter((_, index) => !allowed[index])
      if (missing.length === 0) return []
      const { group, resource, subresource } = target
      const name = [group, subresource ? `${resource}/${subresource}` : resource].filter(Boolean).join('/')
      const what = `no right to ${missing.join(', ')} ${name} in ${namespace}`
      const next = `NAMESPACE=${namespace} envsubst < kubernetes/common/rbac.yaml | kubectl apply -f -`
      return isOfRoutes
        ? [{ level: 'warning', what: `${what}: traffic cannot go by them`, next }]
        : [{ level: 'failure', what, next }]
    }),
  )
  const missing = findings.flat()
  return missing.length > 0 ? missing : [{ level: 'ok', what: `all rights are there in ${namespace}` }]
}

async function isAllowed(api: Api, resourceAttributes: Readonly<Record<string, string>>): Promise<boolean> {
  const review = await api.create(REVIEWS, {
    apiVersion: REVIEWS.apiVersion,
    kind: 'SelfSubjectAccessReview',
    metadata: {} as KubernetesObject['metadata'],
    spec: { resourceAttributes },
  })
  return (review['status'] as { allowed?: boolean }).allowed === true
}
