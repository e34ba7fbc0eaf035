// The objects of a service in both layouts of the runbook, as a cluster would hold them.
import type { KubernetesObject } from '../../../src/effects/kubernetes/api.ts'
import type { PlaneOptions, RoutedService } from '../../../src/effects/kubernetes/traffic/plane.ts'
import type { Clock } from '../../../src/effects/ports/clock.ts'
import { type MemoryApi, memoryApi } from './memory-api.ts'

export const colours: RoutedService = {
  name: 'backend',
  namespace: 'shop',
  publicService: 'backend-service',
  slots: {
    blue: { service: 'backend-blue-service', labels: { environment: 'blue' } },
    green: { service: 'backend-green-service', labels: { environment: 'green' } },
    canary: { service: 'backend-canary-service', labels: { version: 'canary' } },
  },
  objects: {
    httpRoute: 'backend-route',
    virtualService: 'backend-vs',
    ingress: 'backend-ingress',
    canaryIngress: 'backend-ingress-canary',
  },
}

export function service(name: string, selector: Record<string, string>): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec: { selector } }
}

export function slice(serviceName: string, pods: readonly string[]): KubernetesObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${serviceName}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': serviceName } },
    endpoints: pods.map((name, index) => ({
      addresses: [`10.0.0.${index + 1}`],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name },
    })),
  }
}

export interface TestClock extends Clock {
  advance(ms: number): void
}

export function testClock(): TestClock {
  let now = 0
  return {
    monotonicMs: () => now,
    wall: () => '2026-01-01T00:00:00.000Z',
    async sleep(ms) {
      now += ms
    },
    advance(ms) {
      now += ms
    },
  }
}

interface Shop extends PlaneOptions {
  readonly api: MemoryApi
  readonly clock: TestClock
  readonly services: readonly [RoutedService]
}

/** Blue runs three pods and carries the traffic, green and canary run pods too. */
export function shop(routed: RoutedService = colours): Shop {
  const api = memoryApi()
  const clock = testClock()
  api.put('services', service('backend-service', { app: 'backend', environment: 'blue' }))
  pods(api, 'blue', ['blue-1', 'blue-2', 'blue-3'])
  pods(api, 'green', ['green-1', 'green-2', 'green-3'])
  pods(api, 'canary', ['canary-1'])
  publicPods(api, ['blue-1', 'blue-2', 'blue-3'])
  return { api, clock, services: [routed] }
}

export function pods(api: MemoryApi, slot: string, names: readonly string[]): void {
  api.put('endpointslices', slice(`backend-${slot}-service`, names))
}

export function publicPods(api: MemoryApi, names: readonly string[]): void {
  api.put('endpointslices', slice('backend-service', names))
}

export function httpRouteObject(): KubernetesObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'backend-route', namespace: 'shop', generation: 3 },
    spec: {
      parentRefs: [{ name: 'gateway' }],
      hostnames: ['api.example'],
      rules: [
        {
          matches: [{ headers: [{ name: 'x-moodify-slot', value: 'canary' }] }],
          backendRefs: [{ name: 'backend-canary-service', port: 8000 }],
        },
        {
          backendRefs: [
            { name: 'backend-service', port: 8000, weight: 100 },
            { name: 'backend-canary-service', port: 8000, weight: 0 },
          ],
        },
      ],
    },
  }
}

export function virtualServiceObject(): KubernetesObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'backend-vs', namespace: 'shop', annotations: { 'moodify.dev/epoch': '7' } },
    spec: {
      hosts: ['api.example'],
      gateways: ['ingress/gateway'],
      http: [
        {
          name: 'pin',
          match: [{ headers: { 'x-moodify-slot': { exact: 'canary' } } }],
          route: [{ destination: { host: 'backend-canary-service' } }],
        },
        {
          name: 'main',
          headers: { response: { set: { 'x-moodify-generation': '4' } } },
          route: [
            { destination: { host: 'backend-service.shop.svc.cluster.local' }, weight: 100 },
            { destination: { host: 'backend-canary-service' }, weight: 0 },
          ],
        },
      ],
    },
  }
}

export function canaryIngressObject(): KubernetesObject {
  const backend = { service: { name: 'backend-canary-service', port: { number: 8000 } } }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name: 'backend-ingress-canary',
      namespace: 'shop',
      annotations: {
        'nginx.ingress.kubernetes.io/canary': 'true',
        'nginx.ingress.kubernetes.io/canary-by-header': 'x-moodify-slot',
        'nginx.ingress.kubernetes.io/canary-weight': '0',
      },
    },
    spec: {
      ingressClassName: 'nginx',
      rules: [{ host: 'api.example', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    },
  }
}
