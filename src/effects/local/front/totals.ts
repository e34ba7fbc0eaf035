// Everything that was counted since the start, of one process or of several together.
import type { Core } from './core.ts'
import type { Replica, Rotation } from './rotation.ts'

export interface Totals {
  readonly replicas: readonly ReplicaTotals[]
  readonly events: {
    readonly retries: number
    readonly streamsCut: number
    readonly connections: number
    readonly answered: Readonly<Record<string, number>>
  }
}

export interface ReplicaTotals {
  readonly service: string
  readonly slot: string
  readonly revision: string
  readonly replica: string
  readonly requests: number
  readonly failures: number
  readonly latencySumMs: number
  /** By bucket. */
  readonly latency: readonly number[]
  readonly inFlight: number
}

export const noTotals: Totals = { replicas: [], events: { retries: 0, streamsCut: 0, connections: 0, answered: {} } }

export function ownTotals({ rotation, events }: Core): Totals {
  // One that was started again on another port is one series with the one before.
  const bearers = Map.groupBy(rotation.replicas(), ({ counts }) => counts)
  const replicas = [...bearers].map(([{ requests, failures, latencySumMs, latency }, [newest, ...before]]) => {
    const inFlight = [newest!, ...before].reduce((sum, { active }) => sum + active.size, 0)
    return { ...namesOf(newest!), requests, failures, latencySumMs, latency: [...latency], inFlight }
  })
  const { retries, streamsCut, connections, answered } = events
  return { replicas, events: { retries, streamsCut, connections, answered: { ...answered } } }
}

/** The sum, of the replicas that are still known. */
export function mergedTotals(all: readonly Totals[], rotation: Rotation): Totals {
  const known = new Set([...rotation.replicas()].map((replica) => keyOf(namesOf(replica))))
  const sums = new Map<string, ReplicaTotals>()
  for (const replica of all.flatMap(({ replicas }) => replicas)) {
    const key = keyOf(replica)
    const sum = sums.get(key)
    if (known.has(key)) sums.set(key, sum ? added(sum, replica) : replica)
  }
  const events = all.map((one) => one.events)
  const sumOf = (number: (one: Totals['events']) => number) => events.reduce((sum, one) => sum + number(one), 0)
  const errors = new Set(events.flatMap(({ answered }) => Object.keys(answered)))
  return {
    replicas: [...sums.values()],
    events: {
      retries: sumOf(({ retries }) => retries),
      streamsCut: sumOf(({ streamsCut }) => streamsCut),
      connections: sumOf(({ connections }) => connections),
      answered: Object.fromEntries([...errors].map((name) => [name, sumOf(({ answered }) => answered[name] ?? 0)])),
    },
  }
}

function added(a: ReplicaTotals, b: ReplicaTotals): ReplicaTotals {
  return {
    ...a,
    requests: a.requests + b.requests,
    failures: a.failures + b.failures,
    latencySumMs: a.latencySumMs + b.latencySumMs,
    latency: a.latency.map((count, bucket) => count + (b.latency[bucket] ?? 0)),
    inFlight: a.inFlight + b.inFlight,
  }
}

function namesOf({ id, revision, slot }: Replica) {
  return { service: slot.service.name, slot: slot.name, revision, replica: id }
}

function keyOf({ service, slot, revision, replica }: ReturnType<typeof namesOf>): string {
  return JSON.stringify([service, slot, revision, replica])
}
