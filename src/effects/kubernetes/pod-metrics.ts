// Counts of requests from the pods' own metrics, through the API server: nothing has to be installed for it.
//
// Names differ from program to program, so they are found by their shape: a counter `…http…requests_total` with a label
// for the status, and a histogram `…http…duration_seconds_bucket` (or `_milliseconds_`). Health checks and scrapes are
// no requests of users and are left out where a label names their path.
import { type Counts, LATENCY_BUCKETS } from '../../domain/counts.ts'
import type { ServiceName, SlotName } from '../../domain/names.ts'
import type { Clock } from '../ports/clock.ts'
import type { Api, KubernetesObject } from './api.ts'
import type { ClusterService } from './layout.ts'
import { mainContainer, type PodSpec, revisionOf } from './marks.ts'
import { type CellsReader, counterCells, type Reading } from './metrics/counter-cells.ts'
import { asLatencyCounts } from './metrics/histogram.ts'
import { parsePrometheusText, type Sample } from './metrics/prometheus-text.ts'
import { readyPods, type Watched } from './observer.ts'
import type { OwnRequests } from './own-requests.ts'

const TIMEOUT_MS = 2000
const REQUESTS = /(^|_)http(_server)?_requests?(_total|_count)$/
const DURATIONS = /(^|_)http(_server)?(_request)?_duration_(seconds|milliseconds)_bucket$/
const STATUS_LABELS = ['status', 'code', 'status_code', 'http_status_code', 'http_response_status_code']
const PATH_LABELS = ['route', 'path', 'handler', 'endpoint', 'uri', 'http_route']
const NOT_OF_USERS = /^\/(health|healthz|ready|readyz|live|livez|metrics|ping|status)\b/

/** What pods have counted, whoever asked them. */
export function podCounts({ api, services }: { readonly api: Api; readonly services: readonly ClusterService[] }) {
  return async (service: ServiceName, pod: string): Promise<Counts | null> => {
    const { namespace, config } = services.find(({ name }) => name === service)!
    const { port, metricsPath } = config.container
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}:${port}/proxy${metricsPath}`
    const answer = await api.request(path, { timeoutMs: TIMEOUT_MS, headers: { accept: 'text/plain' } })
    return answer.status === 200 ? countsIn(answer.body) : null
  }
}

export function podCells(options: {
  readonly clock: Clock
  readonly watched: Watched
  readonly services: readonly ClusterService[]
  readonly ownRequests: OwnRequests
}): CellsReader {
  const { clock, watched, services, ownRequests } = options

  async function readPod(
    service: ClusterService,
    slot: SlotName,
    pod: KubernetesObject,
  ): Promise<Reading | 'asked' | null> {
    const { name } = pod.metadata
    const users = await ownRequests.users(service.name, name).catch(() => null)
    if (users === null || users === 'asked') return users
    const image = mainContainer(pod['spec'] as PodSpec, service.name)?.image ?? ''
    const revision = revisionOf(pod.metadata.annotations, image)
    const { counts, lost } = users
    const series = lost === 0 ? { series: name } : { series: `${name} ${lost}`, isShared: true }
    return { ...series, slot, revision, replica: name, ...counts }
  }

  return counterCells({
    clock,
    source: 'pods',
    async read(serviceName) {
      const service = services.find(({ name }) => name === serviceName)
      if (!service) return []
      const pods = Object.keys(service.deployments).flatMap((slot) =>
        readyPods(watched, service, slot).map((pod) => ({ slot, pod })),
      )
      const readings = await Promise.all(pods.map(({ slot, pod }) => readPod(service, slot, pod)))
      const answered = readings.filter((reading) => reading !== null)
      // A pod that has just gone cannot be read any more; when none can, nothing is known.
      if (pods.length > 0 && answered.length === 0) {
        throw new Error(`no pod of ${serviceName} shows counts of requests at ${service.config.container.metricsPath}`)
      }
      return answered.filter((reading) => reading !== 'asked')
    },
  })
}

/** What a page of metrics says of requests, since the program started; null where it says nothing. */
export function countsIn(page: string): Counts | null {
  const samples = parsePrometheusText(page, (name) => REQUESTS.test(name) || DURATIONS.test(name))
  const ofUsers = samples.filter((sample) => !NOT_OF_USERS.test(labelOf(sample, PATH_LABELS) ?? ''))
  const counted = ofUsers.filter(({ name }) => REQUESTS.test(name))
  const timed = ofUsers.filter(({ name }) => DURATIONS.test(name))
  // A program that has answered nothing yet has no series, and is no less measurable.
  if (samples.length === 0 && !/^# TYPE \S*http\S*requests?\S* counter/m.test(page)) return null
  const failed = counted.filter((sample) => (labelOf(sample, STATUS_LABELS) ?? '').startsWith('5'))
  const bucketsBySeries = Map.groupBy(timed, ({ labels }) => JSON.stringify({ ...labels, le: '' }))
  const latency: number[] = new Array(LATENCY_BUCKETS).fill(0)
  for (const series of bucketsBySeries.values()) {
    const counts = asLatencyCounts(series.map((sample) => ({ le: edgeMs(sample), count: sample.value })))
    for (const [bucket, count] of counts.entries()) latency[bucket]! += count
  }
  return { requests: sum(counted), failures: sum(failed), latency }
}

function edgeMs({ name, labels }: Sample): number {
  const le = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le'])
  return name.includes('_seconds_') ? le * 1000 : le
}

function labelOf({ labels }: Sample, names: readonly string[]): string | undefined {
  const name = names.find((candidate) => labels[candidate] !== undefined)
  return name === undefined ? undefined : labels[name]
}

function sum(samples: readonly Sample[]): number {
  return samples.reduce((total, { value }) => total + value, 0)
}
