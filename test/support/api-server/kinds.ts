// The kinds that the server knows, and what of their shape it has to know.

export interface Kind {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly isNamespaced: boolean
  /** Its status is written by itself, and a write of the object leaves it as it is. */
  readonly hasStatus: boolean
  /** Served from a CRD: items of lists say what they are. */
  readonly isCustom: boolean
}

const rows = [
  // group, version, kind, plural, status
  ['', 'v1', 'Namespace', 'namespaces', true],
  ['', 'v1', 'ConfigMap', 'configmaps', false],
  ['', 'v1', 'Secret', 'secrets', false],
  ['', 'v1', 'Service', 'services', true],
  ['', 'v1', 'Pod', 'pods', true],
  ['', 'v1', 'Event', 'events', false],
  ['', 'v1', 'ServiceAccount', 'serviceaccounts', false],
  ['apps', 'v1', 'Deployment', 'deployments', true],
  ['apps', 'v1', 'ReplicaSet', 'replicasets', true],
  ['autoscaling', 'v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers', true],
  ['policy', 'v1', 'PodDisruptionBudget', 'poddisruptionbudgets', true],
  ['discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices', false],
  ['coordination.k8s.io', 'v1', 'Lease', 'leases', false],
  ['networking.k8s.io', 'v1', 'Ingress', 'ingresses', true],
  ['gateway.networking.k8s.io', 'v1', 'HTTPRoute', 'httproutes', true],
  ['networking.istio.io', 'v1', 'VirtualService', 'virtualservices', true],
] as const

const custom = ['gateway.networking.k8s.io', 'networking.istio.io']

export const kinds: readonly Kind[] = rows.map(([group, version, kind, plural, hasStatus]) => ({
  group,
  version,
  kind,
  plural,
  isNamespaced: kind !== 'Namespace',
  hasStatus,
  isCustom: custom.includes(group),
}))

export const apiVersionOf = ({ group, version }: Kind): string => (group ? `${group}/${version}` : version)

/** `deployments.apps`, as messages of the server say it. */
export const qualified = ({ group, plural }: Kind): string => (group ? `${plural}.${group}` : plural)

export function kindOf(name: string): Kind {
  const found = kinds.find(({ kind }) => kind === name)
  if (!found) throw new Error(`the API server of the tests has no kind ${name}`)
  return found
}

export function kindAt(apiVersion: string, plural: string): Kind | undefined {
  return kinds.find((kind) => apiVersionOf(kind) === apiVersion && kind.plural === plural)
}

/**
 * What tells the items of a list apart when two managers write it, by the name of the list and of what holds it.
 * A list that is not here is one value: whoever applies it owns all of it.
 */
const listKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  env: ['name'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  imagePullSecrets: ['name'],
  topologySpreadConstraints: ['topologyKey', 'whenUnsatisfiable'],
  conditions: ['type'],
}

export function listKeysOf(path: readonly string[]): readonly string[] | null {
  const name = path.at(-1)!
  if (name === 'f:ports') return path.includes('f:containers') ? ['containerPort', 'protocol'] : ['port', 'protocol']
  return listKeys[name.slice(2)] ?? null
}

/** Mappings that are one value too. */
export function isAtomic(path: readonly string[], kind: string): boolean {
  const text = path.join('/')
  if (text === 'f:spec/f:selector') return kind !== 'Pod'
  return text.endsWith('/f:nodeSelector') || text.endsWith('/f:labelSelector')
}
