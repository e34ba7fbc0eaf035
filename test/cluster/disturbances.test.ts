// What happens to a release on a real cluster while something else happens to the cluster: it ends as it should, says why,
// and no request is dropped.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { onCluster } from './support/namespace.ts'
import { expectCode, expectNothingDropped, type Shipped, shipped } from './support/releases.ts'

const ROLLED_BACK = 3
const AWAY_MS = 30_000
const policies = { apiVersion: 'admissionregistration.k8s.io/v1', plural: 'validatingadmissionpolicies' }
const bindings = { apiVersion: 'admissionregistration.k8s.io/v1', plural: 'validatingadmissionpolicybindings' }
const MONITOR = ['--monitor', '20', '--yes']

/** v1.2.2 is live. */
async function live(prefix: string): Promise<Shipped> {
  const app = await shipped(prefix)
  expectCode(await app.moodify('deploy', '-v', 'v1.2.2', '--yes'), 0)
  return app
}

/** Users are there, and v1.2.3 has all of them and is judged. */
async function judged(app: Shipped, ...options: readonly string[]) {
  const load = await app.load(20)
  const release = app.start('deploy', '-v', 'v1.2.3', ...options)
  await release.said('Z  judge backend at 100 %')
  return { load, release }
}

async function servesOnly(app: Shipped, version: string): Promise<void> {
  const { services } = JSON.parse((await app.moodify('status', '--json')).text)
  const stable = services[0].slots.find(({ role }: { role: string }) => role === 'stable')
  expect(stable).toMatchObject({ version, sharePercent: 100 })
}

/** Of a cluster that runs on this machine; null of one that is elsewhere. */
function apiServerPid(): number | null {
  const isApiServer = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('kube-apiserver\0')
    } catch {
      return false
    }
  }
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isApiServer(name))
  return pid === undefined ? null : Number(pid)
}

onCluster(() => {
  test('a quota that leaves no room for the new version: it goes back with the words of the quota', async () => {
    await using app = await live('kd-quota')
    const load = await app.load(20)
    await app.api.create(
      { apiVersion: 'v1', plural: 'resourcequotas', namespace: app.namespace },
      { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'small' }, spec: { hard: { pods: '3' } } },
    )
    const text = expectCode(await app.moodify('deploy', '-v', 'v1.2.3', ...MONITOR), ROLLED_BACK)
    expect(text).toContain('exceeded quota: small')
    await servesOnly(app, 'v1.2.2')
    expectNothingDropped(await load.stop(), text)
  })

  test('an admission rule that refuses the version: nothing is started, and its words are the reason', async () => {
    await using app = await live('kd-admission')
    const load = await app.load(20)
    const name = app.namespace
    await app.api.create(policies, {
      apiVersion: policies.apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        matchConstraints: {
          resourceRules: [
            { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['deployments'] },
          ],
        },
        validations: [
          {
            expression: "!object.spec.template.spec.containers.exists(one, one.image.endsWith(':v1.2.3'))",
            message: 'nobody has signed v1.2.3',
          },
        ],
      },
    })
    try {
      await app.api.create(bindings, {
        apiVersion: bindings.apiVersion,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: {
          policyName: name,
          validationActions: ['Deny'],
          matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': app.namespace } } },
        },
      })
      // A rule is in force some time after it was made.
      await until('the rule is in force', async () => {
        const { code } = await app.moodify('deploy', '-v', 'v1.2.3', '--dry-run')
        return code !== 0
      }).catch(() => {})
      const { code, text } = await app.moodify('deploy', '-v', 'v1.2.3', ...MONITOR)
      expect(code, text).not.toBe(0)
      expect(text).toContain('nobody has signed v1.2.3')
      await servesOnly(app, 'v1.2.2')
      expectNothingDropped(await load.stop(), text)
    } finally {
      await app.api.delete(bindings, name)
      await app.api.delete(policies, name)
    }
  })

  test('pods of the new version that are evicted while it is judged: others take their place, and it is released', async () => {
    await using app = await live('kd-evicted')
    const { load, release } = await judged(app, ...MONITOR)
    const pods = { apiVersion: 'v1', plural: 'pods', namespace: app.namespace }
    const { items } = await app.api.list(pods, { labelSelector: 'environment=green' })
    const [first, second] = items.map(({ metadata }) => metadata.name)
    // The budget lets one go at a time.
    expect((await evict(app, first!)).status).toBe(201)
    const { status, body } = await evict(app, second!)
    expect([201, 429], body).toContain(status)
    const text = expectCode(await release.ended, 0)
    await servesOnly(app, 'v1.2.3')
    expectNothingDropped(await load.stop(), text)
  })

  test('an autoscaler that wants another replica while it is judged: it is released with that many', async () => {
    await using app = await live('kd-scaled')
    const { load, release } = await judged(app, ...MONITOR)
    const autoscalers = { apiVersion: 'autoscaling/v2', plural: 'horizontalpodautoscalers', namespace: app.namespace }
    await app.api.merge(autoscalers, 'backend-green', { spec: { minReplicas: 4 } })
    const text = expectCode(await release.ended, 0)
    await servesOnly(app, 'v1.2.3')
    await until('four run', async () => {
      const { spec } = await app.object('deployments', 'backend-green')
      return (spec as { replicas: number }).replicas === 4
    })
    expectNothingDropped(await load.stop(), text)
  })

  test.skipIf(apiServerPid() === null)(
    'the API server hangs for half a minute while it is judged: it holds, goes on, and is released',
    async () => {
      await using app = await live('kd-frozen')
      const { load, release } = await judged(app, ...MONITOR)
      const pid = apiServerPid()!
      process.kill(pid, 'SIGSTOP')
      try {
        await sleep(AWAY_MS)
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      const text = expectCode(await release.ended, 0)
      await servesOnly(app, 'v1.2.3')
      expectNothingDropped(await load.stop(), text)
    },
  )

  test('two runners, the first asleep past its lease: the second takes it back, and the first writes nothing any more', async () => {
    await using app = await live('kd-asleep')
    const { load, release: asleep } = await judged(app, '--monitor', '120', '--yes')
    asleep.signal('SIGSTOP')
    const other = await app.elsewhere()
    await until('it is seen that nobody watches', async () => {
      return JSON.parse((await other.moodify('status', '--json')).text).unwatched
    })
    const aborted = expectCode(await other.moodify('abort', '--yes'), 0)
    const before = JSON.parse((await other.moodify('status', '--json')).text).decisions
    asleep.signal('SIGCONT')
    const { code, text } = await asleep.ended
    expect(code, text).not.toBe(0)
    expect(JSON.parse((await other.moodify('status', '--json')).text).decisions).toEqual(before)
    await servesOnly(app, 'v1.2.2')
    expectNothingDropped(await load.stop(), aborted + text)
  })
})

function evict({ api, namespace }: Shipped, pod: string) {
  const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } }
  return api.request(`/api/v1/namespaces/${namespace}/pods/${pod}/eviction`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}
