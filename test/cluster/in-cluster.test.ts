// A release whose runner is a Job in the namespace, under the shipped Role and no other right. Whoever started it may
// leave; anybody else sees it and steers it by the journal.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { resourceOf } from '../../src/effects/kubernetes/kinds.ts'
import { renderManifests } from '../../src/effects/kubernetes/manifests.ts'
import { kubernetesFolder } from '../kubernetes/assets.ts'
import { until } from '../support/until.ts'
import { packRunner, REGISTRY } from './images/pack.ts'
import { type ClusterNamespace, clusterNamespace, onCluster } from './support/namespace.ts'

const program = join(import.meta.dirname, '../../src/main.ts')
const IN_MS = 600_000

interface Typed {
  readonly child: ChildProcess
  /** Everything that was printed so far. */
  text(): string
  readonly ended: Promise<{ readonly code: number | null; readonly text: string }>
}

onCluster(() => {
  let cluster: ClusterNamespace
  const machines: string[] = []
  const typed = new Set<ChildProcess>()

  /** A folder with the project, and a state of its own: nothing is shared but the cluster. */
  function machine(): string {
    const folder = mkdtempSync(join(tmpdir(), 'moodify-in-cluster-'))
    machines.push(folder)
    const { namespace } = cluster
    const settings = {
      name: 'shop',
      services: { backend: { replicas: 2, drainSeconds: 2, smoke: [{ request: 'GET /health' }] } },
      environments: { production: { kubernetes: { namespace, registry: REGISTRY } } },
      blueGreen: { monitorSeconds: 15 },
      waits: { onNoTraffic: 'advance-on-health' },
      keepSeconds: 600,
    }
    writeFileSync(join(folder, 'moodify.yaml'), stringify(settings))
    for (const part of ['blue-green', 'canary']) {
      const target = join(folder, 'kubernetes', part)
      cpSync(join(kubernetesFolder, part), target, { recursive: true })
      for (const name of readdirSync(target)) {
        const text = readFileSync(join(target, name), 'utf8')
        writeFileSync(join(target, name), text.replaceAll('cpu: 100m', 'cpu: 40m').replaceAll('cpu: 10m', 'cpu: 1m'))
      }
    }
    return folder
  }

  function type(cwd: string, ...argv: string[]): Typed {
    const env = { ...process.env, XDG_STATE_HOME: join(cwd, 'state'), NO_COLOR: '1' }
    const child = spawn(process.execPath, [program, ...argv], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    typed.add(child)
    let text = ''
    const hear = (chunk: Buffer) => {
      text += chunk.toString()
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, text }))
    return { child, text: () => text, ended }
  }

  async function run(code: number, cwd: string, ...argv: string[]): Promise<string> {
    const ended = await type(cwd, ...argv).ended
    expect(ended.code, `${argv.join(' ')}\n${ended.text}`).toBe(code)
    return ended.text
  }

  const said = (command: Typed, words: string) =>
    until(`it says: ${words}`, async () => command.text().includes(words) || command.child.exitCode !== null).then(() =>
      expect(command.text()).toContain(words),
    )

  const stable = async (cwd: string) => {
    const { services } = JSON.parse(await run(0, cwd, 'status', '--json'))
    return services[0].slots.find(({ role }: { role: string }) => role === 'stable')?.version
  }

  const runnerPods = async () => {
    const { items } = await cluster.api.list(
      { apiVersion: 'v1', plural: 'pods', namespace: cluster.namespace },
      { labelSelector: 'app.kubernetes.io/name=moodify-runner' },
    )
    return items.filter(({ metadata, status }) => !metadata.deletionTimestamp && phaseOf(status) === 'Running')
  }

  beforeAll(async () => {
    await packRunner()
    cluster = await clusterNamespace('kb-in')
    const { api, namespace } = cluster
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
    await api.merge({ apiVersion: 'v1', plural: 'namespaces' }, namespace, { metadata: { labels } })
    const variables = { IMAGE_REGISTRY: REGISTRY, IMAGE_TAG: 'v1.2.2', NAMESPACE: namespace }
    for (const object of renderManifests(join(kubernetesFolder, 'common/rbac.yaml'), variables))
      await api.apply(resourceOf(object), object, { fieldManager: 'team' })
  }, IN_MS)
  afterAll(async () => {
    for (const child of typed) child.kill('SIGKILL')
    for (const folder of machines) rmSync(folder, { recursive: true, force: true })
    await cluster?.[Symbol.asyncDispose]()
  })

  test(
    'an image of the runner that nobody has is said with the words of the one who pulled it',
    async () => {
      const text = await run(
        6,
        machine(),
        'deploy',
        '-v',
        'v1.2.2',
        `--in-cluster=${REGISTRY}/moodify:nowhere`,
        '--yes',
      )
      expect(text).toMatch(/The runner of production does not start: .*moodify:nowhere.* Nothing was released/)
    },
    IN_MS,
  )

  test(
    'a first release is told where it was typed, and it is the Job that makes it',
    async () => {
      const here = machine()
      const text = await run(0, here, 'deploy', '-v', 'v1.2.2', '--in-cluster', '--yes')
      expect(text).toContain('r-1 released')
      const [pod] = await runnerPods()
      expect(pod!['spec']).toMatchObject({ serviceAccountName: 'moodify-runner' })
      const path = `/api/v1/namespaces/${cluster.namespace}/pods/${pod!.metadata.name}/log`
      await until('its own log says so too', async () => (await cluster.api.request(path)).body.includes('  released'))
    },
    IN_MS,
  )

  test(
    'Ctrl-C leaves it running and says so; from elsewhere it is seen and taken back',
    async () => {
      const here = machine()
      const command = type(here, 'deploy', '-v', 'v1.2.3', '-m', '300', '--in-cluster', '--yes')
      await said(command, 'Z  judge backend at 100 %')
      command.child.kill('SIGINT')
      const left = await command.ended
      expect(left.code, left.text).toBe(130)
      expect(left.text).toContain('the release goes on by itself')

      const elsewhere = machine()
      const report = JSON.parse(await run(0, elsewhere, 'status', '--json'))
      expect(report).toMatchObject({ unwatched: false, release: { version: 'v1.2.3', outcome: null } })
      await run(0, elsewhere, 'abort', '--yes')
      expect(await stable(elsewhere)).toBe('v1.2.2')
    },
    IN_MS,
  )

  test(
    'when its pod is deleted in the middle another one goes on; a rollback from elsewhere undoes it',
    async () => {
      const here = machine()
      const command = type(here, 'deploy', '-v', 'v1.2.3', '--again', '--in-cluster', '--yes')
      await said(command, 'Z  judge backend at 100 %')
      const [pod] = await runnerPods()
      const pods = { apiVersion: 'v1', plural: 'pods', namespace: cluster.namespace }
      await cluster.api.delete(pods, pod!.metadata.name)
      const { code, text } = await command.ended
      expect(code, text).toBe(0)
      expect(await run(0, here, 'explain')).toContain('took over')
      const [other] = await runnerPods()
      expect(other!.metadata.name).not.toBe(pod!.metadata.name)

      const elsewhere = machine()
      await run(0, elsewhere, 'rollback', '--yes')
      expect(await stable(elsewhere)).toBe('v1.2.2')
    },
    IN_MS,
  )
})

function phaseOf(status: unknown): string | undefined {
  return (status as { phase?: string } | undefined)?.phase
}
