import { LATENCY_BUCKETS, LATENCY_EDGES_MS } from '../../../domain/counts.ts'
import type { Rotation } from './rotation.ts'
import type { ReplicaTotals, Totals } from './totals.ts'

/** Prometheus text format, version 0.0.4. Times in seconds. */
export function metricsText({ replicas, events }: Totals, rotation: Rotation): string {
  const slots = [...rotation.services.values()].flatMap((service) => [...service.slots.values()])
  const perReplica = (value: (replica: ReplicaTotals) => number) =>
    replicas.map((replica): Sample => [labelsOf(replica), value(replica)])
  return [
    metric(
      'requests_total',
      'counter',
      'Requests answered by a replica.',
      perReplica(({ requests }) => requests),
    ),
    metric(
      'failures_total',
      'counter',
      '5xx answers and connection failures.',
      perReplica(({ failures }) => failures),
    ),
    metric(
      'in_flight',
      'gauge',
      'Requests and streams being answered.',
      perReplica(({ inFlight }) => inFlight),
    ),
    histogram(replicas),
    metric(
      'share_percent',
      'gauge',
      'Share of the traffic of a service.',
      slots.map(({ name, service, share }): Sample => [{ service: service.name, slot: name }, share]),
    ),
    metric(
      'generation',
      'gauge',
      'Generation of the shares that are followed.',
      [...rotation.services.values()].map(({ name, generation }): Sample => [{ service: name }, generation]),
    ),
    metric(
      'errors_total',
      'counter',
      'Answers made by the front itself.',
      Object.entries(events.answered).map(([error, count]): Sample => [{ error }, count]),
    ),
    metric('retries_total', 'counter', 'Requests sent once more on another connection.', [[{}, events.retries]]),
    metric('streams_cut_total', 'counter', 'Streams and WebSockets cut at the drain time.', [[{}, events.streamsCut]]),
    metric('connections', 'gauge', 'Open connections of clients.', [[{}, events.connections]]),
  ].join('')
}

type Labels = Readonly<Record<string, string>>
type Sample = readonly [Labels, number]

function metric(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string {
  return head(name, type, help) + samples.map(([labels, value]) => line(name, labels, value)).join('')
}

function histogram(replicas: readonly ReplicaTotals[]): string {
  const name = 'request_duration_seconds'
  let text = head(name, 'histogram', 'Time from the head of a request to the end of its answer.')
  for (const replica of replicas) {
    const labels = labelsOf(replica)
    let sum = 0
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
      sum += replica.latency[bucket]!
      const edgeMs = LATENCY_EDGES_MS[bucket]
      text += line(`${name}_bucket`, { ...labels, le: edgeMs === undefined ? '+Inf' : String(edgeMs / 1000) }, sum)
    }
    text += line(`${name}_sum`, labels, replica.latencySumMs / 1000) + line(`${name}_count`, labels, sum)
  }
  return text
}

function labelsOf({ service, slot, revision, replica }: ReplicaTotals): Labels {
  return { service, slot, revision, replica }
}

function head(name: string, type: string, help: string): string {
  return `# HELP moodify_front_${name} ${help}\n# TYPE moodify_front_${name} ${type}\n`
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replace(/[\\"\n]/g, escapeCharacter)}"`)
  return `moodify_front_${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`
}

function escapeCharacter(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`
}
