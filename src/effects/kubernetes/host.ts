// A cluster needs nothing of ours to run: what a host does elsewhere is here looking and reading.
import type { KubernetesConfig } from '../../config/config.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import type { Finding, Host, LogLine, OwnRunner } from '../ports/host.ts'
import { accessFindings } from './access.ts'
import type { KubernetesObject } from './api.ts'
import type { Connection } from './client.ts'
import { podsOf } from './facts.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { ClusterService } from './layout.ts'
import { mainContainer, type PodSpec } from './marks.ts'
import type { Watched } from './observer.ts'

const LOG_LINES = 20
const FOLLOW_MS = 1000

export interface ClusterHostOptions {
  readonly api: Connection
  readonly clock: Clock
  readonly kubernetes: KubernetesConfig
  readonly services: readonly ClusterService[]
  readonly watched: Watched
  /** Opens the traffic side and says by what each service's traffic goes. */
  readonly traffic: () => Promise<readonly string[]>
  /** Runners of other processes show themselves by it. */
  readonly heartbeat: Heartbeat
  readonly runner: { ensure(options: { readonly replace: boolean }): Promise<void>; start?(): Promise<void> }
  /** Set when the runner lives in this process. */
  readonly ownRunner?: OwnRunner
}

export function clusterHost(options: ClusterHostOptions): Host {
  const { api, kubernetes, services, watched, runner, ownRunner } = options
  const { namespace } = kubernetes

  async function address(): Promise<string> {
    const { context } = await api.target()
    return `namespace ${namespace}, context ${context}`
  }

  return {
    async up() {
      return []
    },
    async applyConfig() {},
    async down() {
      const message = `A cluster is not ended by moodify; namespace ${namespace} stays as it is.`
      throw new OperatingError('REFUSED', message, `kubectl get deployments -n ${namespace}`)
    },
    ensureRunner: (_, { replace } = { replace: false }) => runner.ensure({ replace }),
    ...(runner.start ? { startRunner: runner.start } : {}),
    async facts() {
      const answer = await api.request('/version', { timeoutMs: 10_000 }).catch(() => null)
      if (answer?.status !== 200) return null
      if (ownRunner?.isRunning()) return { url: await address(), runnerPid: process.pid }
      const last = await options.heartbeat.last().catch(() => null)
      const pid = /^pid (\d+) /.exec(last?.holder ?? '')?.[1]
      return { url: await address(), runnerPid: last && !last.isStale && pid ? Number(pid) : null }
    },
    async *logs({ slot, follow }, signal) {
      const seen = new Map<string, string>()
      do {
        await watched.synced()
        for (const service of services) yield* newLines(options, service, slot, seen)
        if (follow) await options.clock.sleep(FOLLOW_MS, signal)
      } while (follow && !signal.aborted)
    },
    async examine() {
      const found: Finding[] = []
      try {
        const { server } = await api.target()
        const { body } = await api.request('/version')
        const { gitVersion } = JSON.parse(body) as { gitVersion?: string }
        found.push({ level: 'ok', what: `${server} answers, Kubernetes ${gitVersion}; ${await address()}` })
        found.push(...(await accessFindings(api, namespace)))
        found.push(...(await options.traffic()).map((what) => ({ level: 'ok' as const, what })))
      } catch (error) {
        const { message, hint } = error as OperatingError
        found.push({ level: 'failure', what: message, next: hint ?? 'kubectl cluster-info' })
      }
      return found
    },
    ...(ownRunner ? { ownRunner } : {}),
  }
}

async function* newLines(
  { api, watched, kubernetes }: ClusterHostOptions,
  service: ClusterService,
  wanted: string | null,
  seen: Map<string, string>,
): AsyncGenerator<LogLine> {
  for (const [slot, name] of Object.entries(service.deployments)) {
    if (wanted !== null && slot !== wanted) continue
    const deployment = watched.find('deployments', name)
    const pods = podsOf({ deployment, replicaSets: watched.items('replicasets'), pods: watched.items('pods') })
    for (const pod of pods) {
      const container = mainContainer(pod['spec'] as PodSpec, service.name)?.name
      for (const { at, text } of await readLog(api, kubernetes.namespace, pod, container)) {
        if (at <= (seen.get(pod.metadata.name) ?? '')) continue
        seen.set(pod.metadata.name, at)
        yield { service: service.name, slot, replica: pod.metadata.name, text }
      }
    }
  }
}

/** Lines of a container that runs or has ended, each with the time at which it was written. */
async function readLog(
  api: Connection,
  namespace: string,
  { metadata: { name } }: KubernetesObject,
  container: string | undefined,
): Promise<readonly { at: string; text: string }[]> {
  const query = new URLSearchParams({ timestamps: 'true', tailLines: String(LOG_LINES), container: container ?? '' })
  const answer = await api.request(`/api/v1/namespaces/${namespace}/pods/${name}/log?${query}`)
  if (answer.status !== 200) return []
  return answer.body.split('\n').flatMap((line) => {
    const space = line.indexOf(' ')
    return space > 0 ? [{ at: line.slice(0, space), text: line.slice(space + 1) }] : []
  })
}
