// Canaries on a real cluster, behind a real gateway that follows an HTTPRoute. The canary is a visitor: it gets a growing
// share in its own slot, then the same revision moves to the idle colour.
import { beforeAll, describe, expect, test } from 'vitest'
import { onCluster } from './support/namespace.ts'
import { GATEWAY_API_PORT, isInsideCluster, planesUp } from './support/planes.ts'
import { expectCode, expectNothingDropped, type Shipped, shipped } from './support/releases.ts'

const ROLLED_BACK = 3
const isInside = await isInsideCluster()
const routes = { apiVersion: 'gateway.networking.k8s.io/v1', plural: 'httproutes' }

/** v1.2.2 is live, and everybody comes by the gateway. */
async function behindRoute(prefix: string): Promise<Shipped & { readonly host: string }> {
  const fronts = `traffic: { by: httproute, fronts: ["http://127.0.0.1:${GATEWAY_API_PORT}"] }`
  const app = await shipped(prefix, { kubernetes: fronts })
  const host = `${app.namespace}.example`
  const to = (name: string, weight: number) => ({ name, port: 8000, weight })
  await app.api.create(
    { ...routes, namespace: app.namespace },
    {
      apiVersion: routes.apiVersion,
      kind: 'HTTPRoute',
      metadata: { name: 'backend-route' },
      spec: {
        hostnames: [host],
        parentRefs: [{ name: 'gateway-api', namespace: 'istio-ingress' }],
        rules: [{ backendRefs: [to('backend-service', 100), to('backend-canary-service', 0)] }],
      },
    },
  )
  expectCode(await app.moodify('deploy', '-v', 'v1.2.2', '--yes'), 0)
  return { ...app, host, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() }
}

async function weightsOf(app: Shipped): Promise<Record<string, number>> {
  const route = await app.api.get({ ...routes, namespace: app.namespace }, 'backend-route')
  const { rules } = route!['spec'] as { rules: { backendRefs: { name: string; weight: number }[] }[] }
  return Object.fromEntries(rules[0]!.backendRefs.map(({ name, weight }) => [name, weight]))
}

async function replicasOf(app: Shipped, deployment: string): Promise<number> {
  return ((await app.object('deployments', deployment))['spec'] as { replicas: number }).replicas
}

onCluster(() => {
  describe.skipIf(!isInside)('inside its network', () => {
    beforeAll(planesUp, 600_000)

    test('a canary grows, moves to the idle colour, and is undone by one change of traffic; no request is dropped', async () => {
      await using app = await behindRoute('kp-canary')
      const load = await app.load(30, { port: GATEWAY_API_PORT, host: app.host })
      const released = expectCode(await app.moodify('deploy', '-v', 'v1.2.3', '--strategy', 'canary', '--yes'), 0)
      const shares = [...released.matchAll(/Z {2}send backend traffic: (.*)/g)].map(([, share]) => share)
      expect(shares).toEqual([
        '90 % blue, 10 % canary',
        '75 % blue, 25 % canary',
        '50 % blue, 50 % canary',
        '100 % canary',
        '100 % green',
      ])
      expect(await weightsOf(app)).toEqual({ 'backend-service': 100, 'backend-canary-service': 0 })
      expect(await replicasOf(app, 'backend-canary')).toBe(0)
      const undone = expectCode(await app.moodify('rollback', '-t', 'undo', '--yes'), 0)
      expect(undone).toContain('v1.2.2 is still warm in blue')
      expectNothingDropped(await load.stop(), released + undone)
    })

    test('an abort while it visits sends everybody back to the old version; no request is dropped', async () => {
      await using app = await behindRoute('kp-canary-abort')
      const load = await app.load(30, { port: GATEWAY_API_PORT, host: app.host })
      const release = app.start('deploy', '-v', 'v1.2.3', '--strategy', 'canary', '--yes')
      await release.said('Z  judge backend at 25 %')
      const aborted = expectCode(await app.moodify('abort', '--yes'), 0)
      expectNothingDropped(await load.stop(), aborted)
      expect(await weightsOf(app)).toEqual({ 'backend-service': 100, 'backend-canary-service': 0 })
      expect(await replicasOf(app, 'backend-canary')).toBe(0)
      await release.ended
    })

    test('one that fails 5 % is taken back while most users are on the old version', async () => {
      await using app = await behindRoute('kp-canary-bad')
      const load = await app.load(60, { port: GATEWAY_API_PORT, host: app.host })
      const argv = [
        'deploy',
        '-v',
        'v1.3.0-errors',
        '--strategy',
        'canary',
        '--weights',
        '25,100',
        '--monitor',
        '90',
        '--yes',
      ]
      const text = expectCode(await app.moodify(...argv), ROLLED_BACK)
      const tally = await load.stop()
      expectNothingDropped(tally, text)
      expect(text).toMatch(/going back: backend: .*failed/)
      expect(tally.failed).toBeLessThan(tally.answered * 0.02)
    })
  })
})
