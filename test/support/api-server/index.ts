// An API server in process: the part of Kubernetes that releases meet, small enough to be killed, emptied and driven
// by a clock of the test's own. `test/conformance/api-server.ts` holds it to a real one.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Api } from '../../../src/effects/kubernetes/api.ts'
import { directApi, type Wire } from './direct.ts'
import { type Listening, listen } from './http.ts'
import { kindOf } from './kinds.ts'
import { createObjects, type Objects } from './objects.ts'
import type { Backend, Pods } from './requests.ts'

export interface ApiServer {
  readonly backend: Backend
  readonly objects: Objects
  /** The client's interface without a wire. */
  readonly api: Api
  /** `GET /api/v1/…` of every request, in order. */
  readonly requests: string[]
  /** Nothing is answered any more, watches end; what is stored stays. */
  stop(): void
  start(): void
  /** Watches from versions until now are too old. */
  compact(): void
  bookmark(): void
  endWatches(): void
  /** On a port, with a kubeconfig that leads to it. */
  listen(): Promise<{ readonly url: string; readonly kubeconfig: string }>
  [Symbol.asyncDispose](): Promise<void>
}

export interface ApiServerOptions {
  readonly wall?: () => string
  readonly namespaces?: readonly string[]
  readonly pods?: Partial<Pods>
}

export function apiServer(options: ApiServerOptions = {}): ApiServer {
  const wall = options.wall ?? (() => new Date().toISOString())
  const objects = createObjects({ wall })
  const silent: Pods = { answer: () => ({ status: 200, body: 'ok' }), log: () => '' }
  const backend: Backend = { objects, wall, admission: [], pods: { ...silent, ...options.pods } }
  const requests: string[] = []
  let isDown = false
  const wire: Wire = {
    isDown: () => isDown,
    onRequest: (method, path) => requests.push(`${method} ${path}`),
    watches: new Set(),
  }
  const endWatches = () => {
    for (const watch of wire.watches) watch.close()
  }
  for (const name of ['default', ...(options.namespaces ?? [])]) {
    const metadata = { name, labels: { 'kubernetes.io/metadata.name': name } }
    objects.create(kindOf('Namespace'), { metadata, status: { phase: 'Active' } } as never)
  }
  let listening: Listening | null = null
  const folder = mkdtempSync(join(tmpdir(), 'moodify-api-server-'))

  return {
    backend,
    objects,
    api: directApi(backend, wire),
    requests,
    stop() {
      isDown = true
      endWatches()
    },
    start() {
      isDown = false
    },
    compact: () => objects.compact(),
    bookmark() {
      for (const watch of wire.watches) watch.bookmark()
    },
    endWatches,
    async listen() {
      listening ??= await listen(backend, wire)
      const kubeconfig = join(folder, 'kubeconfig')
      writeFileSync(kubeconfig, kubeconfigText(listening.url), { mode: 0o600 })
      return { url: listening.url, kubeconfig }
    },
    async [Symbol.asyncDispose]() {
      endWatches()
      await listening?.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const kubeconfigText = (server: string) => `apiVersion: v1
kind: Config
clusters: [{ name: in-process, cluster: { server: "${server}", insecure-skip-tls-verify: true } }]
users: [{ name: tester, user: {} }]
contexts: [{ name: in-process, context: { cluster: in-process, user: tester } }]
current-context: in-process
`
