// `render` and `diff` against a real API server.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { resourceOf } from '../../src/effects/kubernetes/kinds.ts'
import { parseManifest } from '../../src/effects/kubernetes/manifests.ts'
import { kubernetesFolder } from '../kubernetes/assets.ts'
import { type ClusterNamespace, clusterNamespace, onCluster } from './support/namespace.ts'

const program = join(import.meta.dirname, '../../bin/moodify.mjs')

onCluster(() => {
  let cluster: ClusterNamespace
  let folder: string
  beforeAll(async () => {
    cluster = await clusterNamespace('ka-preview')
    folder = mkdtempSync(join(tmpdir(), 'moodify-preview-'))
    const kubernetes = `{ namespace: ${cluster.namespace}, manifests: ${kubernetesFolder} }`
    writeFileSync(
      join(folder, 'moodify.yaml'),
      `name: shop\nservices: { backend: {} }\nenvironments: { production: { kubernetes: ${kubernetes} } }\n`,
    )
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    await cluster?.[Symbol.asyncDispose]()
  })

  const moodify = (...args: string[]) =>
    execFileSync(process.execPath, [program, ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, IMAGE_REGISTRY: 'your-registry.azurecr.io', XDG_STATE_HOME: folder },
    })

  test('what render prints is what diff misses, until it is applied', async () => {
    expect(moodify('diff', '-v', 'v1.2.3')).toContain('Deployment backend-blue would be made')
    const objects = parseManifest(moodify('render', '-v', 'v1.2.3', '--slot', 'blue'), 'render')
    expect(objects.map(({ kind }) => kind)).toEqual([
      'Deployment',
      'HorizontalPodAutoscaler',
      'PodDisruptionBudget',
      'Service',
    ])
    for (const object of objects) await cluster.api.apply(resourceOf(object), object, { fieldManager: 'moodify' })
    const same = moodify('diff', '-v', 'v1.2.3', '--slot', 'blue')
    for (const { kind, metadata } of objects) expect(same).toContain(`${kind} ${metadata.name} stays as it is`)
    const other = moodify('diff', '-v', 'v1.2.2', '--slot', 'blue')
    expect(other).toMatch(/containers\[backend\]\.image: your-registry\.azurecr\.io\/backend:v1\.2\.3 → .*:v1\.2\.2/)
  })
})
