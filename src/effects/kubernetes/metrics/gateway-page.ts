// Counts of requests per Kubernetes Service from the metrics page of a gateway: Envoy's own, those of Istio's proxy, and
// Traefik's. Pure. A gateway knows destinations, not pods: what it counts is of everything behind a Service.

import type { Counts } from '../../../domain/counts.ts'
import { LATENCY_BUCKETS } from '../../../domain/counts.ts'
import { asLatencyCounts } from './histogram.ts'
import { parsePrometheusText, type Sample } from './prometheus-text.ts'

export interface GatewayService {
  readonly namespace: string
  /** Name of the Kubernetes Service. */
  readonly service: string
  /** For canaries by annotations of an ingress: the stable Service, under whose name the canary is counted. */
  readonly canaryOf?: string
}

/** How one gateway writes its counts. Labels and edges differ, the rest is the same. */
interface Dialect {
  readonly wanted: RegExp
  readonly isOf: (sample: Sample, target: GatewayService) => boolean
  /** Every request once, whatever came of it. */
  readonly isRequest: (sample: Sample) => boolean
  /** The 5xx among them. */
  readonly isFailure: (sample: Sample) => boolean
  readonly isBucket: (sample: Sample) => boolean
  readonly edgeUnitMs: number
}

/**
 * Envoy. Completed requests, not `…_rq_total`: that one counts what reached an endpoint and stands still while everything
 * fails. A status is counted under its class and again under its code: only the class is read. Answers that Envoy makes
 * itself are in no histogram. Requests are counted once more as external or internal, and retries apart.
 */
const envoy: Dialect = {
  wanted:
    /^envoy_cluster_(?:\w+_svc_\w+_)?(?<!(?:external|internal|canary|retry)_)(?:upstream_rq(?:_completed|_time_bucket)?|membership_healthy)$/,
  isOf({ name, labels }, { namespace, service }) {
    const host = labels['cluster_name']?.split('|')[3]?.replace(/;$/, '')
    const [first, second] = host?.split('.') ?? []
    // Without Istio's own rule for names Envoy cuts this label at its first dot; the rest is in the metric's name.
    return first === service && (second === undefined ? name.includes(`_${namespace}_svc_`) : second === namespace)
  },
  isRequest: ({ name }) => name.endsWith('upstream_rq_completed'),
  isFailure: ({ name, labels }) => name.endsWith('upstream_rq') && labels['response_code_class'] === '5xx',
  isBucket: ({ name }) => name.endsWith('upstream_rq_time_bucket'),
  edgeUnitMs: 1,
}

/** Istio's proxy, which counts by destination and keeps most of Envoy's own counters back. */
const istioProxy: Dialect = {
  wanted: /^istio_(requests_total|request_duration_milliseconds_bucket)$/,
  isOf: ({ labels }, { namespace, service }) =>
    labels['destination_service_name'] === service &&
    labels['destination_service_namespace'] === namespace &&
    labels['reporter'] !== 'destination',
  isRequest: ({ name }) => name === 'istio_requests_total',
  isFailure: ({ name, labels }) => name === 'istio_requests_total' && isServerError(labels['response_code']),
  isBucket: ({ name }) => name.endsWith('_bucket'),
  edgeUnitMs: 1,
}

const traefik: Dialect = {
  wanted: /^traefik_service_(requests_total|request_duration_seconds_bucket)$/,
  isOf({ labels }, { namespace, service, canaryOf }) {
    const name = labels['service'] ?? ''
    const [id = '', provider] = name.split('@')
    if (provider === 'kubernetesgateway') return new RegExp(`-svc-${namespace}-${service}-\\d+$`).test(id)
    const stable = canaryOf ?? service
    const isOfStable = id.startsWith(`${namespace}-`) && new RegExp(`-${stable}-[a-z0-9]+(-canary)?$`).test(id)
    return isOfStable && id.endsWith('-canary') === (canaryOf !== undefined)
  },
  isRequest: ({ name }) => name === 'traefik_service_requests_total',
  isFailure: ({ name, labels }) => name === 'traefik_service_requests_total' && isServerError(labels['code']),
  isBucket: ({ name }) => name.endsWith('_bucket'),
  edgeUnitMs: 1000,
}

const dialects: readonly Dialect[] = [istioProxy, envoy, traefik]

export type GatewayPage = (target: GatewayService) => Counts | null

const ENVOY_ACTIVE = /^envoy_cluster_(?:\w+_svc_\w+_)?upstream_rq_active$/

/**
 * Requests and streams that a gateway has sent to a Service and that are being answered now. Envoy tells; Istio's proxy
 * keeps it back, and Traefik does not count it.
 *
 * @returns null where the page does not say
 */
export function inFlightOn(text: string, target: GatewayService): number | null {
  const samples = parsePrometheusText(text, (name) => ENVOY_ACTIVE.test(name))
  const own = samples.filter((sample) => envoy.isOf(sample, target))
  return own.length === 0 ? null : total(own)
}

/** @returns what the gateway has counted since it started, or null where it does not know the Service */
export function readGatewayPage(text: string): GatewayPage {
  const samples = parsePrometheusText(text, (name) => dialects.some(({ wanted }) => wanted.test(name)))
  return (target) => {
    for (const dialect of dialects) {
      const own = samples.filter((sample) => dialect.wanted.test(sample.name) && dialect.isOf(sample, target))
      if (own.length > 0) return countsOf(own, dialect)
    }
    return null
  }
}

function countsOf(samples: readonly Sample[], { isRequest, isFailure, isBucket, edgeUnitMs }: Dialect): Counts {
  const series = Map.groupBy(samples.filter(isBucket), ({ labels }) => JSON.stringify({ ...labels, le: '' }))
  const latency: number[] = new Array(LATENCY_BUCKETS).fill(0)
  for (const buckets of series.values()) {
    const edges = buckets.map(({ labels, value }) => ({ le: edgeOf(labels['le']) * edgeUnitMs, count: value }))
    for (const [bucket, count] of asLatencyCounts(edges).entries()) latency[bucket]! += count
  }
  return { requests: total(samples.filter(isRequest)), failures: total(samples.filter(isFailure)), latency }
}

function edgeOf(le: string | undefined): number {
  return le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)
}

function isServerError(code: string | undefined): boolean {
  // Istio writes 0 where the client or the upstream broke the connection before any answer.
  return code !== undefined && (code.startsWith('5') || code === '0')
}

function total(samples: readonly Sample[]): number {
  return samples.reduce((sum, { value }) => sum + value, 0)
}
