import { LATENCY_BUCKETS, LATENCY_EDGES_MS } from '../../../domain/counts.ts'
import type { Core } from './core.ts'
import type { Replica } from './rotation.ts'

/** Prometheus text format, version 0.0.4. Times in seconds. */
export function metricsText({ rotation, events }: Core): string {
  // One that was started again on another port is one series with the one before.
  const bearers = Map.groupBy(rotation.replicas(), ({ counts }) => counts)
  const replicas = [...bearers.values()].map(([newest]) => newest!)
  const inFlight = ({ counts }: Replica) => bearers.get(counts)!.reduce((sum, { active }) => sum + active.size, 0)
  const slots = [...rotation.services.values()].flatMap((service) => [...service.slots.values()])
  const perReplica = (value: (replica: Replica) => number) =>
    replicas.map((replica): Sample => [labelsOf(replica), value(replica)])
  return [
    metric(
      'requests_total',
      'counter',
      'Requests answered by a replica.',
      perReplica(({ counts }) => counts.requests),
    ),
    metric(
      'failures_total',
      'counter',
      '5xx answers and connection failures.',
      perReplica(({ counts }) => counts.failures),
    ),
    metric('in_flight', 'gauge', 'Requests and streams being answered.', perReplica(inFlight)),
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

function histogram(replicas: readonly Replica[]): string {
  const name = 'request_duration_seconds'
  let text = head(name, 'histogram', 'Time from the head of a request to the end of its answer.')
  for (const replica of replicas) {
    const { counts } = replica
    const labels = labelsOf(replica)
    let sum = 0
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
      sum += counts.latency[bucket]!
      const edgeMs = LATENCY_EDGES_MS[bucket]
      text += line(`${name}_bucket`, { ...labels, le: edgeMs === undefined ? '+Inf' : String(edgeMs / 1000) }, sum)
    }
    text += line(`${name}_sum`, labels, counts.latencySumMs / 1000) + line(`${name}_count`, labels, sum)
  }
  return text
}

function labelsOf({ id, revision, slot }: Replica): Labels {
  return { service: slot.service.name, slot: slot.name, revision, replica: id }
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
