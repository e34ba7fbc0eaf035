// The names that the runbook's commands type. Every one is a promise to whoever copies them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { at, find, kubernetesFolder, objectsOf, templateFiles, variables } from './assets.ts'

const colours = objectsOf('blue-green')
const canary = objectsOf('canary/backend-canary.yaml')
const istio = objectsOf('canary/istio-traffic-split.yaml')
const nginx = objectsOf('canary/nginx-ingress-canary.yaml')
const gatewayApi = objectsOf('canary/httproute.yaml')
const single = objectsOf('single')

test.each(['development', 'staging', 'production'])('there is a namespace moodify-%s', (environment) => {
  expect(find(objectsOf('common/namespaces.yaml'), 'Namespace', `moodify-${environment}`)).toBeDefined()
})

test.each(['configmap', 'secrets', 'namespaces', 'network-policies', 'rbac'])('kubernetes/common has %s.yaml', (name) =>
  expect(objectsOf(`common/${name}.yaml`).length).toBeGreaterThan(0),
)

describe.each([
  { name: 'backend-blue', objects: colours, label: { environment: 'blue' }, other: 'version', replicas: 3, least: 3 },
  { name: 'backend-green', objects: colours, label: { environment: 'green' }, other: 'version', replicas: 3, least: 3 },
  {
    name: 'backend-canary',
    objects: canary,
    label: { version: 'canary' },
    other: 'environment',
    replicas: 1,
    least: 1,
  },
])('$name', ({ name, objects, label, other, replicas, least }) => {
  const deployment = find(objects, 'Deployment', name)
  const template = at(deployment, 'spec.template')

  test('its first container is the backend, of the image that the runbook names', () => {
    expect(template.spec.containers[0].name).toBe('backend')
    expect(template.spec.containers[0].image).toBe('your-registry.azurecr.io/backend:v1.2.3')
  })

  test('its pods have the label that the commands select by, and not the other one', () => {
    expect(template.metadata.labels).toMatchObject(label)
    expect(template.metadata.labels).not.toHaveProperty(other)
    expect(at(deployment, 'spec.selector.matchLabels')).toMatchObject(label)
  })

  test('it listens on port 8000', () =>
    expect(template.spec.containers[0].ports).toEqual([{ name: 'http', containerPort: 8000 }]))

  test('the number of replicas is written out', () => expect(at(deployment, 'spec.replicas')).toBe(replicas))

  test('its autoscaler keeps it between its minimum and 15 at 70 % CPU and 80 % memory', () => {
    const { minReplicas, maxReplicas, scaleTargetRef, metrics } = at(
      find(objects, 'HorizontalPodAutoscaler', name),
      'spec',
    )
    expect({ minReplicas, maxReplicas }).toEqual({ minReplicas: least, maxReplicas: 15 })
    expect(scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name })
    const targets = metrics.map((metric: { containerResource: unknown }) => metric.containerResource)
    expect(targets).toEqual([
      { container: 'backend', name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } },
      { container: 'backend', name: 'memory', target: { type: 'Utilization', averageUtilization: 80 } },
    ])
  })

  test('it has a disruption budget', () =>
    expect(at(find(objects, 'PodDisruptionBudget', name), 'spec.selector.matchLabels')).toEqual({
      app: 'backend',
      ...label,
    }))
})

test.each([
  ['backend-service', { app: 'backend', environment: 'blue' }],
  ['backend-blue-service', { app: 'backend', environment: 'blue' }],
  ['backend-green-service', { app: 'backend', environment: 'green' }],
])('Service %s selects %o', (name, selector) => {
  expect(at(find(colours, 'Service', name), 'spec.selector')).toEqual(selector)
})

test('Service backend-canary-service selects the canary whatever colour is live', () => {
  expect(at(find(canary, 'Service', 'backend-canary-service'), 'spec.selector')).toEqual({
    app: 'backend',
    version: 'canary',
  })
})

test('the canary is never selected by backend-service', () => {
  const selector = at(find(colours, 'Service', 'backend-service'), 'spec.selector')
  const labels = at(find(canary, 'Deployment', 'backend-canary'), 'spec.template.metadata.labels')
  expect(Object.entries(selector).every(([key, value]) => labels[key] === value)).toBe(false)
})

describe('VirtualService backend-vs', () => {
  const http = at(find(istio, 'VirtualService', 'backend-vs'), 'spec.http')

  test('http[0] is the pin and http[1] the weights', () => {
    expect(http).toHaveLength(2)
    expect(http[0].match).toEqual([{ headers: { 'x-moodify-slot': { exact: 'canary' } } }])
    expect(http[1].match).toBeUndefined()
  })

  test('http[1] sends 100 % to backend-service, of no subset, and 0 % to the canary', () => {
    const { route } = http[1]
    expect(route.map((each: { weight: number }) => each.weight)).toEqual([100, 0])
    expect(route.map((each: { destination: unknown }) => each.destination)).toEqual([
      { host: 'backend-service', port: { number: 8000 } },
      { host: 'backend-canary-service', port: { number: 8000 } },
    ])
  })

  test.each([
    ['Gateway', 'moodify-gateway'],
    ['DestinationRule', 'backend-service'],
    ['DestinationRule', 'backend-canary-service'],
    ['ServiceEntry', 'external-dependencies'],
  ])('%s %s is beside it', (kind, name) => expect(find(istio, kind, name)).toBeDefined())

  test('both destinations have a circuit breaker that cannot eject the only pod', () => {
    for (const name of ['backend-service', 'backend-canary-service']) {
      const policy = at(find(istio, 'DestinationRule', name), 'spec.trafficPolicy')
      expect(policy.outlierDetection).toMatchObject({ maxEjectionPercent: 50, minHealthPercent: 50 })
      expect(policy.connectionPool.http.http1MaxPendingRequests).toBeGreaterThan(0)
    }
  })

  test('mTLS is strict but for the port that the API server asks', () => {
    expect(at(find(istio, 'PeerAuthentication', 'default'), 'spec')).toEqual({ mtls: { mode: 'STRICT' } })
    const exception = at(find(istio, 'PeerAuthentication', 'backend-through-api-server'), 'spec')
    expect(exception.mtls).toEqual({ mode: 'STRICT' })
    expect(Object.keys(exception.portLevelMtls)).toEqual(['8000'])
  })
})

describe('Ingresses', () => {
  const place = (name: string) => {
    const [rule] = at(find(nginx, 'Ingress', name), 'spec.rules')
    const [path] = rule.http.paths
    return { host: rule.host, path: path.path, pathType: path.pathType, service: path.backend.service }
  }

  test('main and canary stand at the same host and path', () => {
    const { service: main, ...mainPlace } = place('backend-ingress')
    const { service: other, ...canaryPlace } = place('backend-ingress-canary')
    expect(canaryPlace).toEqual(mainPlace)
    expect(main).toEqual({ name: 'backend-service', port: { number: 8000 } })
    expect(other).toEqual({ name: 'backend-canary-service', port: { number: 8000 } })
  })

  test('the canary has weight 0 at rest, and a header for testers', () => {
    expect(find(nginx, 'Ingress', 'backend-ingress-canary').metadata.annotations).toEqual({
      'nginx.ingress.kubernetes.io/canary': 'true',
      'nginx.ingress.kubernetes.io/canary-weight': '0',
      'nginx.ingress.kubernetes.io/canary-by-header': 'x-moodify-slot',
      'nginx.ingress.kubernetes.io/canary-by-header-value': 'canary',
    })
  })

  test.each(['blue', 'green', 'canary'])('backend-%s-test has a host of its own', (name) => {
    expect(place(`backend-${name}-test`).service.name).toBe(`backend-${name}-service`)
    expect(place(`backend-${name}-test`).host).not.toBe(place('backend-ingress').host)
  })
})

test('HTTPRoute backend-route: a pin, then the weights 100 and 0', () => {
  const { rules } = at(find(gatewayApi, 'HTTPRoute', 'backend-route'), 'spec')
  expect(rules[0].matches).toEqual([{ headers: [{ name: 'x-moodify-slot', value: 'canary' }] }])
  expect(rules[1].backendRefs).toEqual([
    { name: 'backend-service', port: 8000, weight: 100 },
    { name: 'backend-canary-service', port: 8000, weight: 0 },
  ])
})

describe('layout single', () => {
  test('backend-deployment holds the container backend', () =>
    expect(at(find(single, 'Deployment', 'backend-deployment'), 'spec.template.spec.containers.0.name')).toBe(
      'backend',
    ))

  test('backend-service selects stable and canary alike, and no colour', () =>
    expect(at(find(single, 'Service', 'backend-service'), 'spec.selector')).toEqual({ app: 'backend' }))

  test('a canary is no part of backend-deployment', () => {
    const { matchLabels } = at(find(single, 'Deployment', 'backend-deployment'), 'spec.selector')
    expect(matchLabels).toEqual({ app: 'backend', version: 'stable' })
  })
})

test('frontend-deployment holds the container frontend', () => {
  const [container] = at(
    find(objectsOf('frontend'), 'Deployment', 'frontend-deployment'),
    'spec.template.spec.containers',
  )
  expect(container).toMatchObject({ name: 'frontend', image: 'your-registry.azurecr.io/frontend:v1.2.3' })
})

test.each(templateFiles)('every namespaced object of %s says its namespace', (file) => {
  for (const object of objectsOf(file)) {
    if (object.kind !== 'Namespace') expect(object.metadata.namespace, object.kind).toBe(variables.NAMESPACE)
  }
})

test('the secret of the repository names no value', () => {
  const [secret] = objectsOf('common/secrets.yaml')
  expect(secret).not.toHaveProperty('data')
  expect(secret).not.toHaveProperty('stringData')
})

test('metrics that need an adapter are in a folder of their own', () => {
  for (const file of templateFiles.filter((each) => !each.startsWith('custom-metrics/')))
    expect(readFileSync(join(kubernetesFolder, file), 'utf8')).not.toMatch(/type: (Pods|Object|External)$/m)
})
