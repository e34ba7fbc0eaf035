// What moodify may do in a namespace, as the API server itself says. docs and the shipped Role name the same rights.
import type { Finding } from '../ports/host.ts'
import type { Api, KubernetesObject } from './api.ts'

interface Right {
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  readonly verbs: readonly string[]
}

const rights: readonly Right[] = [
  { group: 'apps', resource: 'deployments', verbs: ['get', 'list', 'watch', 'create', 'patch'] },
  { group: 'apps', resource: 'replicasets', verbs: ['list', 'watch'] },
  { group: '', resource: 'pods', verbs: ['list', 'watch'] },
  { group: '', resource: 'pods', subresource: 'log', verbs: ['get'] },
  { group: '', resource: 'pods', subresource: 'proxy', verbs: ['get', 'create'] },
  { group: '', resource: 'events', verbs: ['list', 'watch'] },
  { group: '', resource: 'services', verbs: ['get', 'create', 'patch'] },
  // Journal and heartbeat.
  { group: '', resource: 'configmaps', verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'] },
  { group: 'coordination.k8s.io', resource: 'leases', verbs: ['get', 'create', 'patch'] },
  { group: 'discovery.k8s.io', resource: 'endpointslices', verbs: ['list'] },
  { group: 'autoscaling', resource: 'horizontalpodautoscalers', verbs: ['get', 'list', 'create', 'patch'] },
  { group: 'policy', resource: 'poddisruptionbudgets', verbs: ['get', 'create', 'patch'] },
]

const REVIEWS = { apiVersion: 'authorization.k8s.io/v1', plural: 'selfsubjectaccessreviews' }

/** One finding when all is allowed, else one per right that is missing. */
export async function accessFindings(api: Api, namespace: string): Promise<Finding[]> {
  const asked = rights.flatMap(({ verbs, ...right }) => verbs.map((verb) => ({ ...right, verb, namespace })))
  const answers = await Promise.all(
    asked.map(async (attributes) => {
      const review = await api.create(REVIEWS, {
        apiVersion: REVIEWS.apiVersion,
        kind: 'SelfSubjectAccessReview',
        metadata: {} as KubernetesObject['metadata'],
        spec: { resourceAttributes: attributes },
      })
      return { ...attributes, allowed: (review['status'] as { allowed?: boolean }).allowed === true }
    }),
  )
  const missing = answers.filter(({ allowed }) => !allowed)
  if (missing.length === 0) return [{ level: 'ok', what: `all rights are there in ${namespace}` }]
  return missing.map(({ verb, group, resource, subresource }) => {
    const what = [group, subresource ? `${resource}/${subresource}` : resource].filter(Boolean).join('/')
    const next = 'kubectl apply -f kubernetes/common/rbac.yaml'
    return { level: 'failure', what: `no right to ${verb} ${what} in ${namespace}`, next }
  })
}
