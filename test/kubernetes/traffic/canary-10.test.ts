// The same change on every plane, one under the other: 10 % to the canary, generation 5, by the runner of epoch 7.
import { expect, test } from 'vitest'
import type { KubernetesObject, PatchOperation } from '../../../src/effects/kubernetes/api.ts'
import { httpRoute } from '../../../src/effects/kubernetes/traffic/http-route.ts'
import { nginxIngress } from '../../../src/effects/kubernetes/traffic/nginx-ingress.ts'
import type { TrafficPlane } from '../../../src/effects/kubernetes/traffic/plane.ts'
import type { RouteKind } from '../../../src/effects/kubernetes/traffic/route-kind.ts'
import { routedPlane } from '../../../src/effects/kubernetes/traffic/routed.ts'
import { selectorPlane } from '../../../src/effects/kubernetes/traffic/service-selector.ts'
import { virtualService } from '../../../src/effects/kubernetes/traffic/virtual-service.ts'
import { canaryIngressObject, httpRouteObject, pods, shop, virtualServiceObject } from './objects.ts'

type Shop = ReturnType<typeof shop>

const line = (operation: PatchOperation) =>
  `${operation.op.padEnd(7)} ${operation.path}${operation.op === 'remove' ? '' : ` ${JSON.stringify(operation.value)}`}`

async function patchesOf(make: (options: Shop) => TrafficPlane, objects: Record<string, KubernetesObject> = {}) {
  const options = shop()
  pods(options.api, 'green', [])
  for (const [plural, object] of Object.entries(objects)) options.api.put(plural, object)
  try {
    const effective = await make(options).setShares(
      { service: 'backend', shares: { blue: 90, canary: 10 }, generation: 5 },
      7,
    )
    const patches = options.api.patches.map(({ name, operations }) => [name, ...operations.map(line)].join('\n  '))
    return [...patches, `effective: ${JSON.stringify(effective)}`].join('\n')
  } catch (error) {
    return `not supported: ${(error as Error).message}`
  }
}

const routed = (kind: RouteKind) => (options: Shop) =>
  routedPlane(kind, { ...options, proof: 'waited', headerPin: null, frontsOf: async () => [] })

test('canary at 10 % on every plane', async () => {
  expect({
    'Service selector': await patchesOf((options) => selectorPlane(options)),
    'share of replicas': await patchesOf((options) => selectorPlane(options, { mix: true })),
    'Gateway API': await patchesOf(routed(httpRoute), { httproutes: httpRouteObject() }),
    Istio: await patchesOf(routed(virtualService), { virtualservices: virtualServiceObject() }),
    'NGINX annotations': await patchesOf(routed(nginxIngress), { ingresses: canaryIngressObject() }),
  }).toMatchInlineSnapshot(`
    {
      "Gateway API": "backend-route
      test    /metadata/resourceVersion "7"
      add     /metadata/annotations {"moodify.dev/epoch":"7","moodify.dev/generation":"5","moodify.dev/shares":"{\\"blue\\":90,\\"canary\\":10}"}
      test    /spec/rules/1/backendRefs/0/name "backend-service"
      test    /spec/rules/1/backendRefs/0/weight 100
      test    /spec/rules/1/backendRefs/1/name "backend-canary-service"
      test    /spec/rules/1/backendRefs/1/weight 0
      replace /spec/rules/1/backendRefs/0/weight 90
      replace /spec/rules/1/backendRefs/1/weight 10
      add     /spec/rules/1/filters [{"type":"ResponseHeaderModifier","responseHeaderModifier":{"set":[{"name":"x-moodify-generation","value":"5"}]}}]
    effective: {"blue":90,"canary":10}",
      "Istio": "backend-vs
      test    /metadata/annotations/moodify.dev~1epoch "7"
      add     /metadata/annotations/moodify.dev~1generation "5"
      add     /metadata/annotations/moodify.dev~1shares "{\\"blue\\":90,\\"canary\\":10}"
      test    /spec/http/1/route/0/destination/host "backend-service.shop.svc.cluster.local"
      test    /spec/http/1/route/0/weight 100
      test    /spec/http/1/route/1/destination/host "backend-canary-service"
      test    /spec/http/1/route/1/weight 0
      replace /spec/http/1/route/0/weight 90
      replace /spec/http/1/route/1/weight 10
      replace /spec/http/1/headers/response/set/x-moodify-generation "5"
    effective: {"blue":90,"canary":10}",
      "NGINX annotations": "backend-ingress-canary
      test    /metadata/resourceVersion "7"
      add     /metadata/annotations/moodify.dev~1epoch "7"
      add     /metadata/annotations/moodify.dev~1generation "5"
      add     /metadata/annotations/moodify.dev~1shares "{\\"blue\\":90,\\"canary\\":10}"
      test    /metadata/annotations/nginx.ingress.kubernetes.io~1canary "true"
      test    /spec/rules/0/http/paths/0/backend/service/name "backend-canary-service"
      test    /metadata/annotations/nginx.ingress.kubernetes.io~1canary-weight "0"
      replace /metadata/annotations/nginx.ingress.kubernetes.io~1canary-weight "10"
    effective: {"blue":90,"canary":10}",
      "Service selector": "not supported: The selector of backend-service sends all requests to one of blue, green, canary; nothing was changed.",
      "share of replicas": "backend-service
      test    /metadata/resourceVersion "1"
      add     /metadata/annotations {"moodify.dev/epoch":"7","moodify.dev/generation":"5","moodify.dev/shares":"{\\"blue\\":90,\\"canary\\":10}"}
      test    /spec/selector/environment "blue"
      remove  /spec/selector/environment
    effective: {"blue":75,"canary":25}",
    }
  `)
})
