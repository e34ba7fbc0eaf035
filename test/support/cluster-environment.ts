// One environment in a namespace of the in-process API server, with controllers, pods that answer, and users, all on
// virtual time. Each process is one command on a machine of its own: all it has is the way to the API server.
import { existsSync, rmSync } from 'node:fs'
import { judgeByMode } from '../../src/analysis/judges.ts'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/load.ts'
import type { SlotName } from '../../src/domain/names.ts'
import { fakeHooks, fakeNotifier } from '../../src/effects/fakes/messages.ts'
import type { Api } from '../../src/effects/kubernetes/api.ts'
import { configMapStore } from '../../src/effects/kubernetes/journal-store.ts'
import { clusterPlatform } from '../../src/effects/kubernetes/platform.ts'
import { clusterVersions } from '../../src/effects/kubernetes/versions.ts'
import { fold } from '../../src/engine/evolve.ts'
import type { Command, JournalRecord } from '../../src/engine/record.ts'
import type { EnvironmentState } from '../../src/engine/state.ts'
import { openObjectJournal } from '../../src/journal/object-journal.ts'
import { type RunnerEnd, runReleases } from '../../src/runner/run-release.ts'
import type { Context } from '../../src/verbs/context.ts'
import { type DeployOptions, deployCommand, planDeploy } from '../../src/verbs/deploy.ts'
import { type Behaviour, behaviourByTag, controllers } from './api-server/controllers.ts'
import { apiServer } from './api-server/index.ts'
import { kindOf } from './api-server/kinds.ts'
import type { Stored } from './api-server/objects.ts'
import { slimManifests } from './slim-manifests.ts'
import { virtualTime } from './virtual-time.ts'

const NAMESPACE = 'shop'
const REQUESTS_PER_SECOND = 60
/** Share of answers 5xx of a version whose tag says that it is failing. */
const FAILING = 0.4

/** How late a controller notices that time has passed. */
const CONTROLLERS_MS = 100

const configText = `
name: moodify
services:
  backend:
    replicas: 2
    drainSeconds: 1
    smoke: [{ request: GET /health, contains: ready }]
environments:
  production:
    kubernetes: { namespace: ${NAMESPACE}, manifests: MANIFESTS, registry: localhost, LAYOUT }
blueGreen: { monitorSeconds: 6 }
canary: { weights: [50, 100], stageSeconds: 6 }
rolling: { monitorSeconds: 6, minReadySeconds: 1 }
triggers: { minRequests: 20, minBad: 3, warmUpSeconds: 1, windowSeconds: 5 }
waits: { readySeconds: 60, proofSeconds: 30, unknownSeconds: 20 }
keepSeconds: 8
`

export class Killed extends Error {}

/** One of these commands is all that a process does. */
export interface Process {
  /** Walks releases until nothing is left to do. */
  run(): Promise<RunnerEnd>
  deploy(options: DeployOptions): Promise<void>
  post(command: Command): Promise<void>
  state(): Promise<EnvironmentState>
  records(after: number): Promise<readonly JournalRecord[]>
}

export function clusterEnvironment({
  layout = 'layout: blue-green',
  behaviourOf = behaviourByTag,
}: {
  readonly layout?: string
  readonly behaviourOf?: (image: string) => Behaviour
} = {}) {
  const time = virtualTime()
  const counts = new Map<string, { requests: number; failures: number }>()
  const server = apiServer({
    wall: time.wall,
    namespaces: [NAMESPACE],
    pods: {
      answer(pod, { path }) {
        if (path === '/metrics') return { status: 200, body: metricsOf(pod) }
        const isUnwell = pod['spec'].containers[0].image.includes('unwell')
        return isUnwell ? { status: 500, body: 'no database' } : { status: 200, body: 'ready' }
      },
    },
  })
  const cluster = controllers({ objects: server.objects, nowMs: time.nowMs, behaviourOf })
  const manifests = slimManifests()
  const config = readConfig(configText.replace('LAYOUT', layout).replace('MANIFESTS', manifests))
  let dropped = 0
  let sent = 0

  function metricsOf({ metadata }: Stored): string {
    const { requests, failures } = counts.get(metadata.uid) ?? { requests: 0, failures: 0 }
    return [
      '# TYPE http_requests_total counter',
      `http_requests_total{status="200"} ${requests - failures}`,
      `http_requests_total{status="500"} ${failures}`,
      '# TYPE http_request_duration_seconds histogram',
      `http_request_duration_seconds_bucket{le="0.05"} ${requests}`,
      `http_request_duration_seconds_bucket{le="+Inf"} ${requests}`,
    ].join('\n')
  }

  /** Whom the public Service sends to: nobody is a dropped request, unless nothing was ever shipped. */
  function users(elapsedMs: number): void {
    const slice = server.objects.find(kindOf('EndpointSlice'), NAMESPACE, 'backend-service-slice')
    const endpoints: { conditions: { ready: boolean }; targetRef: { name: string } }[] = slice?.['endpoints'] ?? []
    const ready = endpoints.filter(({ conditions }) => conditions.ready)
    const requests = Math.floor((time.nowMs() * REQUESTS_PER_SECOND) / 1000) - sent
    if (elapsedMs === 0 || requests === 0) return
    sent += requests
    if (ready.length === 0) {
      if (counts.size > 0) dropped += requests
      return
    }
    for (let index = 0; index < requests; index++) {
      const { name } = ready[(sent + index) % ready.length]!.targetRef
      const pod = server.objects.get(kindOf('Pod'), NAMESPACE, name)
      const before = counts.get(pod.metadata.uid) ?? { requests: 0, failures: 0 }
      const isFailing = pod['spec'].containers[0].image.includes('failing')
      // Spread evenly: two of five.
      const fails = isFailing && Math.floor((before.requests + 1) * FAILING) > Math.floor(before.requests * FAILING)
      counts.set(pod.metadata.uid, { requests: before.requests + 1, failures: before.failures + (fails ? 1 : 0) })
    }
  }

  let settledAtMs = 0
  let settledVersion = 0
  const passed = (elapsedMs: number) => {
    if (server.objects.version() !== settledVersion || time.nowMs() - settledAtMs >= CONTROLLERS_MS) {
      cluster.settle()
      settledAtMs = time.nowMs()
      settledVersion = server.objects.version()
    }
    users(elapsedMs)
  }

  /** @param probe  true kills it there */
  function process(probe: (point: string) => boolean = () => false): Process {
    const death = Promise.withResolvers<never>()
    death.promise.catch(() => {})
    let isDead = false
    const clock = time.clock(() => isDead)
    const api = mortal(server.api, () => isDead)
    const kubernetes = config.environments['production']!.kubernetes!
    const platform = clusterPlatform({ api, clock, config, kubernetes })
    const journal = openObjectJournal({
      store: configMapStore({ api, clock, namespace: NAMESPACE, environment: 'production', follow: true }),
      environment: 'production',
      wall: clock.wall,
      nowMs: clock.monotonicMs,
      sleep: (ms) => clock.sleep(ms),
    })
    const context = {
      config,
      environment: config.environments['production']!,
      journal,
      platform,
      versions: clusterVersions({
        api,
        kubernetes,
        services: platform.services,
        registry: undefined,
        digestOf: async () => null,
      }),
      clock,
      actor: { kind: 'person', name: 'ana' },
    } as unknown as Context
    /** Nothing of a process is left when it has ended: no watch, and no sleep. */
    const inTime = async <T>(work: Promise<T>): Promise<T> => {
      try {
        const done = await time.run(Promise.race([work, death.promise]), passed)
        if (!existsSync(manifests)) throw new Error(`somebody else has removed ${manifests}: this run says nothing`)
        return done
      } finally {
        isDead = true
        platform.close()
        journal.close()
      }
    }
    const probed = (point: string) => {
      if (isDead || !probe(point)) return
      isDead = true
      death.reject(new Killed(point))
      throw new Killed(point)
    }
    const post = (command: Command) => journal.post(command, context.actor)
    return {
      run: () =>
        inTime(
          runReleases({
            journal,
            platform,
            clock,
            hooks: fakeHooks(),
            notifierFor: () => fakeNotifier(),
            judge: judgeByMode,
            name: 'test',
            version: '0',
            idleMs: 0,
            report: () => {},
            signal: new AbortController().signal,
            probe: probed,
          }),
        ),
      async deploy(options) {
        const planned = planDeploy(context, options).then((plan) => post(deployCommand(plan!, options)))
        await inTime(planned)
      },
      async post(command) {
        await inTime(post(command))
      },
      state: () => inTime(journal.newest().then(({ base, records }) => fold(records, base.state))),
      records: (after) => inTime(journal.read(after)),
    }
  }

  return {
    server,
    time,
    process,
    dropped: () => dropped,
    async replicas(): Promise<Record<SlotName, number>> {
      const found = server.objects.list(kindOf('Deployment'), NAMESPACE)
      return Object.fromEntries(found.map(({ metadata, spec }) => [metadata.name, spec.replicas]))
    },
    async [Symbol.asyncDispose]() {
      rmSync(manifests, { recursive: true, force: true })
      await server[Symbol.asyncDispose]()
    },
    selector: () => server.objects.find(kindOf('Service'), NAMESPACE, 'backend-service')?.['spec'].selector,
  }
}

export type ClusterEnvironment = ReturnType<typeof clusterEnvironment>

/** Nothing is answered to a dead process, and nothing of its is heard. */
function mortal(api: Api, isDead: () => boolean): Api {
  const never = new Promise<never>(() => {})
  const calls = Object.entries(api).map(([name, call]) => {
    if (name === 'watch') return [name, call]
    const answered = async (...parameters: unknown[]) => {
      if (isDead()) return never
      const answer = await (call as (...all: unknown[]) => Promise<unknown>)(...parameters)
      return isDead() ? never : answer
    }
    return [name, answered]
  })
  return Object.fromEntries(calls)
}

function readConfig(text: string): Config {
  const parsed = parseConfig(text, { file: '/project/moodify.yaml', root: '/project' })
  if ('problems' in parsed) throw new Error(parsed.problems.map((problem) => problem.message).join('\n'))
  return parsed.config
}
