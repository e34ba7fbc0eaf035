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

/** Blue runs three pods and carries the traffic, green and canary run pods too. */
export function shop(routed: RoutedService = colours): PlaneOptions & { api: MemoryApi; clock: TestClock } {
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
