// What every pod template of the repository keeps to.
import { describe, expect, test } from 'vitest'
import { at, objectsOf } from './assets.ts'

const deployments = objectsOf('blue-green', 'canary', 'frontend', 'single').filter(({ kind }) => kind === 'Deployment')
/** Endpoints and gateways have followed long before; measured: 0.1 s for Istio, 2 s for Traefik. */
const LEAST_PRE_STOP_SECONDS = 5
const KEEP_ALIVE_SECONDS = 5

test('there are five of them', () =>
  expect(deployments.map(({ metadata }) => metadata.name).sort()).toEqual([
    'backend-blue',
    'backend-canary',
    'backend-deployment',
    'backend-green',
    'frontend-deployment',
  ]))

describe.each(deployments.map((deployment) => [deployment.metadata.name, deployment] as const))(
  '%s',
  (_, deployment) => {
    const template = at(deployment, 'spec.template')
    const pod = template.spec
    const [main] = pod.containers
    const every = [...pod.containers, ...pod.initContainers]
    const environment = Object.fromEntries(
      main.env.map(({ name, value }: { name: string; value: string }) => [name, value]),
    )

    test('runs as user 1000 and never as root, with the default seccomp profile', () => {
      expect(pod.securityContext).toMatchObject({
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      })
      expect(pod.automountServiceAccountToken).toBe(false)
    })

    test('every container has a read-only root, no capability and no way to more privileges', () => {
      for (const container of every) {
        expect(container.securityContext, container.name).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
      }
    })

    test('every container has requests and limits', () => {
      for (const { name, resources } of every) {
        expect(Object.keys(resources.requests), name).toEqual(['cpu', 'memory'])
        expect(Object.keys(resources.limits), name).toEqual(['cpu', 'memory'])
      }
    })

    test('the three probes ask their three paths', () => {
      expect(main.startupProbe.httpGet).toEqual({ path: '/health/startup', port: 'http' })
      expect(main.readinessProbe.httpGet).toEqual({ path: '/health/ready', port: 'http' })
      expect(main.livenessProbe.httpGet).toEqual({ path: '/health/live', port: 'http' })
    })

    test('a pod that ends goes on serving until gateways have followed, and then has time for what is in flight', () => {
      const preStop = main.lifecycle.preStop.sleep.seconds
      expect(preStop).toBeGreaterThanOrEqual(LEAST_PRE_STOP_SECONDS)
      const shutdown = Number(environment['SHUTDOWN_SECONDS'])
      expect(shutdown).toBeGreaterThan(KEEP_ALIVE_SECONDS)
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(preStop + shutdown)
    })

    test('a rollout never takes a ready pod away first', () =>
      expect(at(deployment, 'spec.strategy.rollingUpdate')).toEqual({ maxSurge: 1, maxUnavailable: 0 }))

    test('pods spread over nodes and zones', () => {
      const keys = pod.topologySpreadConstraints.map((each: { topologyKey: string }) => each.topologyKey)
      expect(keys).toEqual(['kubernetes.io/hostname', 'topology.kubernetes.io/zone'])
      for (const { labelSelector } of pod.topologySpreadConstraints)
        expect(labelSelector.matchLabels).toEqual(at(deployment, 'spec.selector.matchLabels'))
    })

    test('Fluent Bit is a native sidecar, so that the first container is the service', () => {
      expect(pod.initContainers).toHaveLength(1)
      expect(pod.initContainers[0]).toMatchObject({ name: 'fluent-bit', restartPolicy: 'Always' })
      const written = main.volumeMounts.find(({ name }: { name: string }) => name === 'logs').mountPath
      expect(environment['LOG_FILE'].startsWith(`${written}/`)).toBe(true)
    })

    test('what is pinned is kept: images that are there are not pulled again', () => {
      for (const { imagePullPolicy } of every) expect(imagePullPolicy).toBe('IfNotPresent')
    })

    test('the history tells people what each revision was', () => {
      expect(deployment.metadata.annotations?.['kubernetes.io/change-cause']).toMatch(/^(back|front)end v1\.2\.3$/)
      expect(at(deployment, 'spec.revisionHistoryLimit')).toBeGreaterThanOrEqual(10)
    })

    test('its selector finds its own pods', () =>
      expect(template.metadata.labels).toMatchObject(at(deployment, 'spec.selector.matchLabels')))
  },
)

test('blue and green differ in their colour alone', () => {
  const [blue, green] = ['blue', 'green'].map((colour) =>
    JSON.stringify(objectsOf(`blue-green/backend-${colour}.yaml`)).replaceAll(colour, 'COLOUR'),
  )
  expect(blue).toBe(green)
})
