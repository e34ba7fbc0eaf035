// A namespace of a real cluster as a platform, held to the same cases as the embedded one and the fake.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { beforeAll } from 'vitest'
import { parseConfig } from '../../src/config/load.ts'
import { systemClock } from '../../src/effects/clock/system.ts'
import { type Api, ApiUnreachable } from '../../src/effects/kubernetes/api.ts'
import { clusterPlatform } from '../../src/effects/kubernetes/platform.ts'
import { clusterVersions } from '../../src/effects/kubernetes/versions.ts'
import { describeChecks } from '../conformance/checks.ts'
import { describeObserver } from '../conformance/observer.ts'
import type { PlatformSubject } from '../conformance/platform-subject.ts'
import { describeWorkloads } from '../conformance/workloads.ts'
import { clusterNamespace, onCluster } from './support/namespace.ts'

const IMAGE = 'localhost/moodify-conformance:1'
const SERVICE = 'backend'
const USERS = 20
const DEADLINE_MS = 90_000
const here = import.meta.dirname

const labels = (slot: string) => `{ app: ${SERVICE}, environment: ${slot} }`
const deployment = (slot: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${SERVICE}-${slot}, namespace: "\${NAMESPACE}" }
spec:
  replicas: 1
  strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
  selector: { matchLabels: ${labels(slot)} }
  template:
    metadata: { labels: ${labels(slot)} }
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: ${SERVICE}
          image: ${IMAGE}
          env: [{ name: MOODIFY_VERSION, value: "\${IMAGE_TAG}" }]
          readinessProbe: { httpGet: { path: /ready, port: 8000 }, periodSeconds: 1, timeoutSeconds: 5 }
`
const service = `
apiVersion: v1
kind: Service
metadata: { name: ${SERVICE}-service, namespace: "\${NAMESPACE}" }
spec: { selector: { app: ${SERVICE} }, ports: [{ port: 8000 }] }
`

async function clusterSubject(): Promise<PlatformSubject> {
  const cluster = await clusterNamespace('kp-conformance')
  const { namespace } = cluster
  const folder = await mkdtemp(join(tmpdir(), 'moodify-conformance-'))
  await mkdir(join(folder, 'kubernetes'))
  const manifests = [...['blue', 'green'].map(deployment), service].join('---')
  await writeFile(join(folder, 'kubernetes/backend.yaml'), manifests)
  const text = `
name: moodify
services: { ${SERVICE}: { health: { ready: /ready } } }
environments: { production: { kubernetes: { namespace: ${namespace}, registry: localhost } } }
`
  const parsed = parseConfig(text, { file: join(folder, 'moodify.yaml'), root: folder })
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  const kubernetes = parsed.config.environments['production']!.kubernetes!
  let blind = false
  const api = failingWhen(() => blind, cluster.api)
  const platform = clusterPlatform({ api, clock: systemClock, config: parsed.config, kubernetes })
  const { services } = platform
  const versions = clusterVersions({ api, kubernetes, services, registry: undefined, digestOf: async () => null })
  await platform.open()
  await cluster.api.create({ apiVersion: 'v1', plural: 'services', namespace }, publicService(namespace))
  return {
    platform,
    service: SERVICE,
    builds: false,
    async revision(version, behaviour = 'good') {
      return (await versions.revisions(parsed.config, `${version}-${behaviour}`))[SERVICE]!
    },
    async until(what, look) {
      const deadline = Date.now() + DEADLINE_MS
      while (Date.now() < deadline) {
        const seen = await look()
        if (seen) return seen
        await sleep(100)
      }
      throw new Error(`not seen in time: ${what}`)
    },
    async serveUsers() {
      // Counters are read from the first look on; what was counted before belongs to nobody.
      await platform.observer.cells(SERVICE, null)
      const path = `/api/v1/namespaces/${namespace}/services/${SERVICE}-service:8000/proxy/`
      for (let sent = 0; sent < USERS; sent++) await cluster.api.request(path)
    },
    async blind() {
      blind = true
    },
    async [Symbol.asyncDispose]() {
      platform.close()
      await rm(folder, { recursive: true, force: true })
      await cluster[Symbol.asyncDispose]()
    },
  }
}

const publicService = (namespace: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `${SERVICE}-service`, namespace },
  spec: { selector: { app: SERVICE }, ports: [{ port: 8000 }] },
})

/** The same API, until it answers nothing any more. */
function failingWhen(isBlind: () => boolean, api: Api): Api {
  const gone = () => Promise.reject(new ApiUnreachable('it was cut off'))
  const guarded = <Call extends (...parts: never[]) => Promise<unknown>>(call: Call) =>
    ((...parts: Parameters<Call>) => (isBlind() ? gone() : call(...parts))) as Call
  return {
    ...api,
    get: guarded(api.get),
    list: guarded(api.list),
    patch: guarded(api.patch),
    apply: guarded(api.apply),
    request: guarded(api.request),
  }
}

onCluster(() => {
  beforeAll(async () => {
    const tool = process.env['MOODIFY_TEST_IMAGE_TOOL'] ?? join(here, 'image')
    const files = ['--program', process.execPath, '--add', `${here}/support/service.mjs=/service.mjs`]
    await promisify(execFile)(tool, [...files, IMAGE, '--', process.execPath, '/service.mjs'])
  })
  describeWorkloads('a cluster', clusterSubject)
  describeObserver('a cluster', clusterSubject)
  describeChecks('a cluster', clusterSubject)
})
