// Cells from a Prometheus server. Counters are asked for as they are, newest value of each series, and what came in
// between is reckoned here: a rate over a range would mix what was served before and after a change of weights.

import type { MetricFamily } from '../../../config/config.ts'
import { LATENCY_BUCKETS } from '../../../domain/counts.ts'
import type { ServiceName } from '../../../domain/names.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import type { Clock } from '../../ports/clock.ts'
import { type CellsReader, counterCells, type Reading } from './counter-cells.ts'
import { asLatencyCounts } from './histogram.ts'
import { parseNumber, type Sample } from './prometheus-text.ts'

/** Where a slot's requests are counted: by its pods' names, or by the Service that leads to it. */
export interface QueriedSlot {
  readonly slot: string
  readonly revision: string
  readonly namespace: string
  readonly service: string
  readonly canaryOf?: string
  readonly pods: readonly string[]
}

export interface Queries {
  readonly requests: string
  readonly durations: string
  /** Milliseconds of one unit of `le`. */
  readonly unitMs: number
  /** Label with the status. */
  readonly status: string
  /** Label that tells replicas apart, or null where the family counts at the edge. */
  readonly replica: string | null
}

/** The queries of one slot, as text for Prometheus. Null when the slot has nothing that could be counted. */
export function queriesOf(family: MetricFamily, slot: QueriedSlot): Queries | null {
  const { namespace, service, canaryOf, pods } = slot
  const matching = (labels: Readonly<Record<string, string>>, exact = '=') =>
    Object.entries(labels).map(([key, value]) => `${key}${exact}${JSON.stringify(value)}`)
  switch (family) {
    case 'application': {
      if (pods.length === 0) return null
      const only = [...matching({ namespace }), ...matching({ pod: pods.map(literally).join('|') }, '=~')].join(',')
      return queries('http_requests_total', 'http_request_duration_seconds_bucket', only, 1000, 'status', 'pod')
    }
    case 'istio': {
      const destination = { destination_service_namespace: namespace, destination_service_name: service }
      const only = [...matching(destination), ...matching({ reporter: 'source' })].join(',')
      return queries(
        'istio_requests_total',
        'istio_request_duration_milliseconds_bucket',
        only,
        1,
        'response_code',
        null,
      )
    }
    case 'envoy': {
      const cluster = `outbound[|][0-9]+[|][|]${literally(`${service}.${namespace}.svc`)}[.;].*`
      const byClass = [
        ...matching({ cluster_name: cluster }, '=~'),
        ...matching({ response_code_class: '' }, '!='),
      ].join(',')
      const only = matching({ cluster_name: cluster }, '=~').join(',')
      const { requests } = queries('envoy_cluster_upstream_rq', '', byClass, 1, '', null)
      const { durations } = queries('', 'envoy_cluster_upstream_rq_time_bucket', only, 1, '', null)
      return { requests, durations, unitMs: 1, status: 'response_code_class', replica: null }
    }
    case 'nginx': {
      const canary = canaryOf === undefined ? matching({ canary: '' }) : matching({ canary: '' }, '!=')
      const only = [...matching({ namespace, service: canaryOf ?? service }), ...canary].join(',')
      const prefix = 'nginx_ingress_controller'
      return queries(`${prefix}_requests`, `${prefix}_request_duration_seconds_bucket`, only, 1000, 'status', null)
    }
  }
}

function queries(
  requests: string,
  durations: string,
  only: string,
  unitMs: number,
  status: string,
  replica: string | null,
): Queries {
  return { requests: `${requests}{${only}}`, durations: `${durations}{${only}}`, unitMs, status, replica }
}

/** As a part of a regular expression of Prometheus (RE2). */
function literally(text: string): string {
  return text.replace(/[.\\+*?()[\]{}|^$]/g, '\\$&')
}

/** The newest value of every series that the answer to an instant query holds. */
export function samplesIn(answer: string): Sample[] {
  const { status, error, data } = JSON.parse(answer) as PrometheusAnswer
  if (status !== 'success') throw new Error(error ?? 'the query failed')
  return (data?.result ?? []).map(({ metric, value }) => {
    const { __name__: name = '', ...labels } = metric
    return { name, labels, value: parseNumber(value[1]) }
  })
}

interface PrometheusAnswer {
  readonly status: string
  readonly error?: string
  readonly data?: { readonly result?: readonly { metric: Record<string, string>; value: [number, string] }[] }
}

/** Every series on its own: sums would hide which of them was started anew. */
export function readingsIn(
  slot: QueriedSlot,
  { status, replica, unitMs }: Queries,
  requests: readonly Sample[],
  durations: readonly Sample[],
): Reading[] {
  const { slot: name, revision } = slot
  const replicaOf = ({ labels }: Sample) => (replica === null ? `${name} at the edge` : (labels[replica] ?? name))
  const base = { slot: name, revision, isShared: replica === null }
  const noLatency = new Array<number>(LATENCY_BUCKETS).fill(0)
  const counted = requests.map((sample): Reading => {
    const isFailure = /^(5|0$)/.test(sample.labels[status] ?? '')
    const failures = isFailure ? sample.value : 0
    const series = `${name} requests ${JSON.stringify(sample.labels)}`
    return { ...base, series, replica: replicaOf(sample), requests: sample.value, failures, latency: noLatency }
  })
  const histograms = Map.groupBy(durations, ({ labels }) => JSON.stringify({ ...labels, le: '' }))
  const timed = [...histograms].map(([labels, buckets]): Reading => {
    const edges = buckets.map((sample) => ({
      le: parseNumber(sample.labels['le'] ?? '') * unitMs,
      count: sample.value,
    }))
    const series = `${name} durations ${labels}`
    return {
      ...base,
      series,
      replica: replicaOf(buckets[0]!),
      requests: 0,
      failures: 0,
      latency: asLatencyCounts(edges),
    }
  })
  return [...counted, ...timed]
}

export interface PrometheusCellsOptions {
  readonly clock: Clock
  readonly family: MetricFamily
  /** Sends an instant query and returns the body of the answer. */
  readonly query: (text: string) => Promise<string>
  readonly slots: (service: ServiceName) => Promise<readonly QueriedSlot[]>
}

/** @throws OperatingError PLATFORM_FAILED from `cells` when Prometheus does not answer or has none of a slot's series */
export function prometheusCells({ clock, family, query, slots }: PrometheusCellsOptions): CellsReader {
  const ask = async (text: string) => samplesIn(await query(text)).filter(({ value }) => Number.isFinite(value))
  return counterCells({
    clock,
    source: `prometheus ${family}`,
    async read(service) {
      const readings = (await slots(service)).map(async (slot) => {
        const own = queriesOf(family, slot)
        if (!own) return []
        try {
          const [requests, durations] = await Promise.all([ask(own.requests), ask(own.durations)])
          return readingsIn(slot, own, requests, durations)
        } catch (error) {
          throw new OperatingError(
            'PLATFORM_FAILED',
            `Prometheus did not answer ${own.requests}: ${(error as Error).message}`,
          )
        }
      })
      const found = (await Promise.all(readings)).flat()
      if (found.length > 0) return found
      throw new OperatingError(
        'PLATFORM_FAILED',
        `Prometheus has no ${family} metrics of ${service}: what its requests came to is not known.`,
      )
    },
  })
}
