// Requests straight to the pods of a slot, through the API server: no address of the cluster has to be reachable.
import type { SlotName } from '../../domain/names.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import type { Checks, SmokeRequest, SmokeResult } from '../ports/platform.ts'
import { smokeResult } from '../ports/smoke.ts'
import type { Api } from './api.ts'
import type { ClusterService } from './layout.ts'
import { readyPods, seen, type Watched } from './observer.ts'
import type { OwnRequests } from './own-requests.ts'
import { asOperating } from './traffic/guarded.ts'

const SMOKE_MS = 10_000

export function clusterChecks(options: {
  readonly api: Api
  readonly clock: Clock
  readonly watched: Watched
  readonly services: readonly ClusterService[]
  readonly ownRequests: OwnRequests
  /** The pods' own counters are read: what is sent here must not look like users' requests there. */
  readonly areCounted: boolean
}): Checks {
  const { api, clock, watched, services, ownRequests, areCounted } = options

  async function ask(service: ClusterService, pod: string, test: SmokeRequest, signal: AbortSignal) {
    const { name, method, path, headers, body } = test
    const target = `/api/v1/namespaces/${service.namespace}/pods/${pod}:${service.config.container.port}/proxy${path}`
    const started = clock.monotonicMs()
    try {
      const request = { method, headers, timeoutMs: SMOKE_MS, signal, ...(body === null ? {} : { body }) }
      const answer = await api.request(target, request)
      const result = smokeResult(test, { ...answer, tookMs: clock.monotonicMs() - started })
      return result.passed ? result : { ...result, saw: `${result.saw} (pod ${pod})` }
    } catch (error) {
      signal.throwIfAborted()
      await answering(signal)
      return { name, passed: false, saw: `${(error as Error).message} (pod ${pod})` }
    }
  }

  /** What is sent away meanwhile, by an autoscaler or with its node, says nothing about the version. */
  function isLeaving(pod: string): boolean {
    const known = watched.find('pods', pod)
    return known === null || known.metadata.deletionTimestamp !== undefined
  }

  /** A server that does not answer says nothing about a pod. @throws OperatingError CLUSTER_UNREACHABLE */
  async function answering(signal: AbortSignal): Promise<void> {
    await api.request('/version', { timeoutMs: SMOKE_MS, signal }).catch((error: unknown) => {
      throw asOperating(error, 'say that it is there')
    })
  }

  const smoke: Checks['smoke'] = async ({ service: name, slot, tests }, signal) => {
    const service = services.find((candidate) => candidate.name === name)!
    await seen(watched)
    const ready = readyPods(watched, service, slot)
    const names = ready.map(({ metadata }) => metadata.name)
    const send = async () => {
      const results: SmokeResult[] = []
      for (const test of tests) {
        const found: SmokeResult[] = []
        for (const pod of names) {
          const result = await ask(service, pod, test, signal)
          if (result.passed || !isLeaving(pod)) found.push(result)
        }
        results.push(found.find(({ passed }) => !passed) ?? found[0] ?? nobody(test, slot, names))
      }
      return results
    }
    return areCounted ? ownRequests.aside(name, names, send) : send()
  }
  return { smoke, probe: smoke }
}

/** @throws OperatingError PLATFORM_FAILED when all who were to be asked have left */
function nobody({ name }: SmokeRequest, slot: SlotName, asked: readonly string[]): SmokeResult {
  if (asked.length === 0) return { name, passed: false, saw: `no pod of ${slot} is ready` }
  throw new OperatingError('PLATFORM_FAILED', `Every pod of ${slot} has ended while it was asked: ${asked.join(', ')}`)
}
