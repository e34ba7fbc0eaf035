// Every file of kubernetes/ as the API server sees it: strict about fields, and under the Pod Security level
// `restricted`. Nothing is kept: all of it is a dry run.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiError, type KubernetesObject } from '../../src/effects/kubernetes/api.ts'
import { resourceOf } from '../../src/effects/kubernetes/kinds.ts'
import { renderManifests } from '../../src/effects/kubernetes/manifests.ts'
import { at, kubernetesFolder, variables } from '../kubernetes/assets.ts'
import { type ClusterNamespace, clusterNamespace, onCluster } from './support/namespace.ts'

const dryRun = { fieldManager: 'moodify', force: true, dryRun: true }
const files = readdirSync(kubernetesFolder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.yaml'),
)

onCluster(() => {
  let cluster: ClusterNamespace
  beforeAll(async () => {
    cluster = await clusterNamespace('ka-manifests')
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
    await cluster.api.merge({ apiVersion: 'v1', plural: 'namespaces' }, cluster.namespace, { metadata: { labels } })
  })
  afterAll(async () => await cluster?.[Symbol.asyncDispose]())

  const objectsOf = (file: string) =>
    renderManifests(join(kubernetesFolder, file), { ...variables, NAMESPACE: cluster.namespace }).map(
      // Files that are rendered already name the real namespaces.
      (object) =>
        object.kind === 'Namespace'
          ? object
          : { ...object, metadata: { ...object.metadata, namespace: cluster.namespace } },
    )

  /** Kinds of Istio and of the Gateway API are only there where those are installed. */
  async function isServed({ apiVersion }: KubernetesObject): Promise<boolean> {
    const path = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
    return (await cluster.api.request(path)).status === 200
  }

  test.for(files)('%s passes strict validation', async (file, { skip }) => {
    for (const object of objectsOf(file)) {
      if (!(await isServed(object))) skip(`the cluster does not serve ${object.apiVersion}`)
      const answer = await cluster.api.apply(resourceOf(object), object, dryRun)
      expect(answer.kind).toBe(object.kind)
    }
  })

  test('strict validation refuses a key that is misspelt', async () => {
    const [deployment] = objectsOf('blue-green/backend-blue.yaml') as [KubernetesObject]
    const misspelt = { ...deployment, spec: { ...at(deployment, 'spec'), replica: 3 } }
    await expect(cluster.api.apply(resourceOf(deployment), misspelt, dryRun)).rejects.toThrow(/replica/)
  })

  describe('Pod Security `restricted`', () => {
    const podOf = (deployment: KubernetesObject): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: deployment.metadata.name, namespace: cluster.namespace },
      spec: at(deployment, 'spec.template.spec'),
    })

    test.each([
      'blue-green/backend-blue.yaml',
      'blue-green/backend-green.yaml',
      'canary/backend-canary.yaml',
      'frontend/frontend-deployment.yaml',
      'single/backend-deployment.yaml',
    ])('lets the pods of %s in', async (file) => {
      const [deployment] = objectsOf(file) as [KubernetesObject]
      const pod = podOf(deployment)
      expect((await cluster.api.apply(resourceOf(pod), pod, dryRun)).kind).toBe('Pod')
    })

    test('is in force: the same pod as root is refused', async () => {
      const [deployment] = objectsOf('blue-green/backend-blue.yaml') as [KubernetesObject]
      const pod = podOf(deployment)
      const asRoot = { ...pod, spec: { ...at(pod, 'spec'), securityContext: {} } }
      const refusal = await cluster.api.apply(resourceOf(pod), asRoot, dryRun).catch((error: unknown) => error)
      expect(refusal).toBeInstanceOf(ApiError)
      expect(refusal).toMatchObject({ status: 403, message: expect.stringContaining('runAsNonRoot') })
    })
  })
})
