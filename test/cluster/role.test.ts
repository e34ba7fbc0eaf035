// Everything that a release does, under the Role that kubernetes/common/rbac.yaml ships and no other right.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { resourceOf } from '../../src/effects/kubernetes/kinds.ts'
import { renderManifests } from '../../src/effects/kubernetes/manifests.ts'
import { kubernetesFolder } from '../kubernetes/assets.ts'
import { REGISTRY } from './images/pack.ts'
import { type ClusterNamespace, clusterNamespace, onCluster } from './support/namespace.ts'

const program = join(import.meta.dirname, '../../bin/moodify.mjs')

onCluster(() => {
  let cluster: ClusterNamespace
  let folder: string
  beforeAll(async () => {
    cluster = await clusterNamespace('ka-role')
    folder = mkdtempSync(join(tmpdir(), 'moodify-role-'))
    const { namespace, api } = cluster
    const variables = { IMAGE_REGISTRY: REGISTRY, IMAGE_TAG: 'v1.2.2', NAMESPACE: namespace }
    for (const object of renderManifests(join(kubernetesFolder, 'common/rbac.yaml'), variables))
      await api.apply(resourceOf(object), object, { fieldManager: 'team' })
    writeFileSync(join(folder, 'kubeconfig'), await kubeconfigOfRunner(cluster))
    const settings = {
      name: 'shop',
      services: { backend: { replicas: 2, smoke: [{ request: 'GET /health' }] } },
      environments: { production: { kubernetes: { namespace, manifests: kubernetesFolder, registry: REGISTRY } } },
      blueGreen: { monitorSeconds: 3 },
      waits: { onNoTraffic: 'advance-on-health' },
    }
    writeFileSync(join(folder, 'moodify.yaml'), stringify(settings))
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    await cluster?.[Symbol.asyncDispose]()
  })

  /** Not synchronous: this process' own connections to the API server would grow old meanwhile. */
  async function moodify(...args: string[]): Promise<{ status: number; output: string }> {
    const env = { PATH: process.env['PATH'], KUBECONFIG: join(folder, 'kubeconfig'), XDG_STATE_HOME: folder }
    return new Promise((resolve) => {
      execFile(process.execPath, [program, ...args], { cwd: folder, env }, (error, stdout, stderr) =>
        resolve({ status: Number(error?.code ?? 0), output: `${stdout}${stderr}` }),
      )
    })
  }

  test('doctor misses no right', async () => {
    const { output } = await moodify('doctor')
    expect(output).toContain(`all rights are there in ${cluster.namespace}`)
  })

  test('a first release, a switch, a look at it, and the way back', { timeout: 900_000 }, async () => {
    for (const args of [
      ['deploy', '-v', 'v1.2.2', '--yes'],
      ['deploy', '-v', 'v1.2.3', '-s', 'blue-green', '--yes'],
      ['status'],
      ['explain'],
      ['logs', '--slot', 'green'],
      ['diff', '-v', 'v1.2.2'],
      ['step', 'verify'],
      ['rollback', '-f'],
    ]) {
      const { status, output } = await moodify(...args)
      expect({ args, status, output: status === 0 ? '' : output }).toEqual({ args, status: 0, output: '' })
    }
    expect((await moodify('env')).output.trim()).toBe('blue')
  })

  test('and nothing more: secrets and other namespaces stay closed', async () => {
    const { namespace } = cluster
    for (const [resource, where] of [
      ['secrets', namespace],
      ['deployments', 'kube-system'],
    ] as const) {
      const review = { resourceAttributes: { verb: 'list', resource, namespace: where } }
      expect(await isAllowed(review), `list ${resource} in ${where}`).toBe(false)
    }
  })

  async function isAllowed(spec: object): Promise<boolean> {
    const answer = await cluster.api.create(
      { apiVersion: 'authorization.k8s.io/v1', plural: 'subjectaccessreviews' },
      {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        metadata: {} as never,
        spec: { ...spec, user: `system:serviceaccount:${cluster.namespace}:moodify-runner` },
      },
    )
    return (answer['status'] as { allowed: boolean }).allowed
  }
})

async function kubeconfigOfRunner({ api, namespace }: ClusterNamespace): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/moodify-runner/token`
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } }
  const headers = { 'content-type': 'application/json' }
  const answer = await api.request(path, { method: 'POST', headers, body: JSON.stringify(request) })
  const { status } = JSON.parse(answer.body) as { status: { token: string } }
  const own = parse(readFileSync(process.env['KUBECONFIG'] ?? '', 'utf8'))
  return stringify({
    ...own,
    users: own.users.map(({ name }: { name: string }) => ({ name, user: { token: status.token } })),
  })
}
