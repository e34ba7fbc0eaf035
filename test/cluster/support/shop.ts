// A small application in the runbook's layout, with every kind of route that leads to it. Each version names itself in
// its answers.
import type { Api, KubernetesObject } from '../../../src/effects/kubernetes/api.ts'
import type { RoutedService } from '../../../src/effects/kubernetes/traffic/plane.ts'
import { until } from '../../support/until.ts'
import { type ClusterNamespace, clusterNamespace } from './namespace.ts'
import { ECHO_IMAGE } from './planes.ts'

export interface Shop extends ClusterNamespace {
  readonly service: RoutedService
  /** Host that users ask for; every shop has its own. */
  readonly host: string
  apply(plural: string, object: KubernetesObject): Promise<void>
  scale(slot: string, replicas: number): Promise<void>
}

const PORT = 8000
const replicas = { blue: 2, green: 2, canary: 1 } as const
type Slot = keyof typeof replicas
const labelsOf = (slot: Slot): Record<string, string> =>
  slot === 'canary' ? { version: 'canary' } : { environment: slot }

export async function openShop(prefix: string): Promise<Shop> {
  const home = await clusterNamespace(prefix)
  const { api, namespace } = home
  const host = `${namespace}.example`
  const service: RoutedService = {
    name: 'backend',
    namespace,
    publicService: 'backend-service',
    slots: {
      blue: { service: 'backend-blue-service', labels: labelsOf('blue') },
      green: { service: 'backend-green-service', labels: labelsOf('green') },
      canary: { service: 'backend-canary-service', labels: labelsOf('canary') },
    },
    objects: {
      httpRoute: 'backend-route',
      virtualService: 'backend-vs',
      ingress: 'backend-ingress',
      canaryIngress: 'backend-ingress-canary',
    },
  }
  const apply = async (plural: string, object: KubernetesObject) => {
    const resource = { apiVersion: object.apiVersion, plural, namespace }
    await api.apply(resource, object, { fieldManager: 'shop', force: true })
  }
  for (const slot of Object.keys(replicas) as Slot[]) {
    await apply('deployments', deployment(slot))
    await apply('services', serviceObject(`backend-${slot}-service`, labelsOf(slot)))
  }
  await apply('services', serviceObject('backend-service', labelsOf('blue')))
  await ready(api, namespace)
  const scale = async (slot: string, count: number) => {
    const resource = { apiVersion: 'apps/v1', plural: 'deployments', namespace }
    await api.merge(resource, `backend-${slot}`, { spec: { replicas: count } })
  }
  return { ...home, service, host, apply, scale, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() }
}

async function ready(api: Api, namespace: string): Promise<void> {
  const deployments = { apiVersion: 'apps/v1', plural: 'deployments', namespace }
  await until('all pods of the shop are available', async () => {
    const { items } = await api.list(deployments)
    const available = items.map(
      ({ status }) => (status as { availableReplicas?: number } | undefined)?.availableReplicas ?? 0,
    )
    return available.reduce((sum, count) => sum + count, 0) === 5
  })
}

function deployment(slot: Slot): KubernetesObject {
  const labels = { app: 'backend', ...labelsOf(slot) }
  const container = {
    name: 'backend',
    image: ECHO_IMAGE,
    args: ['-version', slot, '-listen', `0.0.0.0:${PORT}`],
    ports: [{ containerPort: PORT }],
    readinessProbe: { httpGet: { path: '/', port: PORT }, periodSeconds: 1 },
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: `backend-${slot}` },
    spec: {
      replicas: replicas[slot],
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 10, containers: [container] } },
    },
  }
}

function serviceObject(name: string, labels: Record<string, string>): KubernetesObject {
  const ports = [{ name: 'http', port: PORT, targetPort: PORT }]
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { app: 'backend', ...labels }, ports },
  }
}

export function virtualServiceOf({ host }: Shop): KubernetesObject {
  const to = (name: string, weight?: number) => ({
    destination: { host: name, port: { number: PORT } },
    ...(weight === undefined ? {} : { weight }),
  })
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'backend-vs' },
    spec: {
      hosts: [host],
      gateways: ['istio-ingress/gateway'],
      http: [
        { match: [{ headers: { 'x-moodify-slot': { exact: 'canary' } } }], route: [to('backend-canary-service')] },
        { route: [to('backend-service', 100), to('backend-canary-service', 0)] },
      ],
    },
  }
}

export function httpRouteOf({ host }: Shop, parentRef: object): KubernetesObject {
  const to = (name: string, weight?: number) => ({ name, port: PORT, ...(weight === undefined ? {} : { weight }) })
  const pin = [{ headers: [{ name: 'x-moodify-slot', value: 'canary' }] }]
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'backend-route' },
    spec: {
      parentRefs: [parentRef],
      hostnames: [host],
      rules: [
        { matches: pin, backendRefs: [to('backend-canary-service')] },
        { backendRefs: [to('backend-service', 100), to('backend-canary-service', 0)] },
      ],
    },
  }
}

export function ingressesOf({ host }: Shop): KubernetesObject[] {
  const ingress = (name: string, service: string, annotations: Record<string, string>): KubernetesObject => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, annotations },
    spec: {
      ingressClassName: 'nginx',
      rules: [
        {
          host,
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: service, port: { number: PORT } } } }],
          },
        },
      ],
    },
  })
  const annotation = (name: string) => `nginx.ingress.kubernetes.io/${name}`
  return [
    ingress('backend-ingress', 'backend-service', {}),
    ingress('backend-ingress-canary', 'backend-canary-service', {
      [annotation('canary')]: 'true',
      [annotation('canary-by-header')]: 'x-moodify-slot',
      [annotation('canary-by-header-value')]: 'canary',
      [annotation('canary-weight')]: '0',
    }),
  ]
}
