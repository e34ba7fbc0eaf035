// A whole platform in memory, on virtual time: slots whose replicas become ready after a while, a load balancer
// that follows after a while, and users whose requests are answered as the version in each slot answers them.
// It passes the same conformance suites as the real ones, and it counts what a real user would have lost.
import { type Cell, LATENCY_BUCKETS, latencyBucket } from '../../domain/counts.ts'
import { SETTLE_MS } from '../../domain/drain.ts'
import type { Shares } from '../../domain/names.ts'
import type { Revision } from '../../domain/revision.ts'
import type { ReplicaFacts, ServiceFacts, SlotFacts } from '../../domain/snapshot.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import type { CellCursor, Platform } from '../ports/platform.ts'

/** How a version behaves; what is left out is good. */
export interface Behaviour {
  readonly failureShare?: number
  readonly latencyMs?: number
  /** It exits again and again and never becomes ready. */
  readonly crashes?: boolean
  /** It runs and never becomes ready. */
  readonly neverReady?: boolean
  readonly buildFails?: boolean
  readonly smokeFails?: boolean
}

export interface FakePlatformOptions {
  readonly clock: Clock
  readonly behaviours?: Readonly<Record<string, Behaviour>>
  readonly requestsPerSecond?: number
  /** For how long cells are kept; for ever when left out. */
  readonly keptSeconds?: number
  readonly startMs?: number
  readonly followMs?: number
}

interface FakeReplica {
  readonly id: string
  readonly revision: Revision
  readonly readyAtMs: number
}

interface FakeSlot {
  desired: Revision | null
  replicas: FakeReplica[]
  desiredReplicas: number
  roll: { revision: Revision; minReadyMs: number } | null
  outSinceMs: number | null
}

interface FakeService {
  readonly slots: Map<string, FakeSlot>
  shares: Shares
  generation: number
  asked: { shares: Shares; generation: number; atMs: number } | null
}

export interface FakePlatform extends Platform {
  /** Requests that had nowhere to go, or whose replica was ended under them. */
  dropped(): number
  /** Requests that a bad version failed. */
  hurt(): number
  sharesOf(service: string): Shares
  versionsIn(service: string, slot: string): readonly string[]
  /** While set, the observer reports that nothing answers. */
  blind: boolean
  /** While set, cells cannot be read. */
  silent: boolean
  /** The load balancer takes changes and does not follow them. */
  deaf: boolean
}

export function fakePlatform(options: FakePlatformOptions): FakePlatform {
  const { clock, behaviours = {}, requestsPerSecond = 100, startMs = 1000, followMs = 50 } = options
  const { keptSeconds = Number.POSITIVE_INFINITY } = options
  const services = new Map<string, FakeService>()
  const cells = new Map<string, Cell[]>()
  let epoch = 0
  let replicaCount = 0
  let dropped = 0
  let hurt = 0
  let servedUntil = Math.floor(clock.monotonicMs() / 1000)

  const behaviourOf = (revision: Revision): Behaviour => behaviours[revision.version] ?? {}
  const isReady = (replica: FakeReplica) => {
    const { crashes, neverReady } = behaviourOf(replica.revision)
    return !crashes && !neverReady && clock.monotonicMs() >= replica.readyAtMs
  }

  function serviceOf(name: string): FakeService {
    const known = services.get(name)
    if (known) return known
    const made: FakeService = { slots: new Map(), shares: {}, generation: 0, asked: null }
    services.set(name, made)
    return made
  }

  function slotOf(service: FakeService, name: string): FakeSlot {
    const known = service.slots.get(name)
    if (known) return known
    const made: FakeSlot = {
      desired: null,
      replicas: [],
      desiredReplicas: 0,
      roll: null,
      outSinceMs: (service.shares[name] ?? 0) > 0 ? null : clock.monotonicMs(),
    }
    service.slots.set(name, made)
    return made
  }

  function guard(writerEpoch: number): void {
    if (writerEpoch < epoch) throw new OperatingError('STALE_EPOCH', `epoch ${writerEpoch} is older than ${epoch}`)
    epoch = writerEpoch
    progress()
  }

  function newReplica(revision: Revision): FakeReplica {
    return { id: `replica-${++replicaCount}`, revision, readyAtMs: clock.monotonicMs() + startMs }
  }

  function now<T>(read: () => T): T {
    progress()
    return read()
  }

  /** Lets everything happen that is due by now: the load balancer follows, rollouts move on, users send requests. */
  function progress(): void {
    for (const service of services.values()) {
      follow(service)
      for (const slot of service.slots.values()) rollOn(slot)
    }
    const second = Math.floor(clock.monotonicMs() / 1000)
    for (; servedUntil < second; servedUntil++)
      for (const [name, service] of services) serve(name, service, servedUntil)
  }

  function follow(service: FakeService): void {
    const { asked } = service
    if (!asked || platform.deaf || clock.monotonicMs() < asked.atMs + followMs) return
    service.shares = asked.shares
    service.generation = asked.generation
    service.asked = null
    for (const [name, slot] of service.slots) {
      if ((asked.shares[name] ?? 0) > 0) slot.outSinceMs = null
      else slot.outSinceMs ??= clock.monotonicMs()
    }
  }

  function rollOn(slot: FakeSlot): void {
    const { roll } = slot
    if (!roll) return
    const fresh = slot.replicas.filter((replica) => replica.revision.id === roll.revision.id)
    const old = slot.replicas.filter((replica) => replica.revision.id !== roll.revision.id)
    if (fresh.some((replica) => !isReady(replica) || clock.monotonicMs() < replica.readyAtMs + roll.minReadyMs)) return
    if (fresh.length > slot.desiredReplicas - old.length && old.length > 0) old.shift()
    if (fresh.length < slot.desiredReplicas) fresh.push(newReplica(roll.revision))
    else if (old.length === 0) slot.roll = null
    slot.replicas = [...fresh, ...old]
  }

  function serve(name: string, service: FakeService, second: number): void {
    for (const [slotName, share] of Object.entries(service.shares)) {
      const amount = Math.round((requestsPerSecond * share) / 100)
      const ready = (service.slots.get(slotName)?.replicas ?? []).filter(isReady)
      if (amount > 0 && ready.length === 0) dropped += amount
      ready.forEach((replica, index) => {
        const requests = Math.floor(amount / ready.length) + (index < amount % ready.length ? 1 : 0)
        const { failureShare = 0, latencyMs = 20 } = behaviourOf(replica.revision)
        const failures = Math.round(requests * failureShare)
        hurt += failures
        const latency = new Array(LATENCY_BUCKETS).fill(0)
        latency[latencyBucket(latencyMs)] = requests
        const cell = {
          slot: slotName,
          revision: replica.revision.id,
          replica: replica.id,
          second,
          requests,
          failures,
          latency,
        }
        cells.set(name, [...(cells.get(name) ?? []).filter((old) => old.second > second - keptSeconds), cell])
      })
    }
  }

  function factsOf(service: FakeService): ServiceFacts {
    const slots: Record<string, SlotFacts> = {}
    const traffic: Record<string, { inFlight: number; outOfRotationMs: number | null; endpoints: number }> = {}
    for (const [name, slot] of service.slots) {
      slots[name] = {
        desiredRevision: slot.desired?.id ?? null,
        desiredReplicas: slot.desiredReplicas,
        replicas: slot.replicas.map(replicaFacts),
      }
      const outOfRotationMs = slot.outSinceMs === null ? null : clock.monotonicMs() - slot.outSinceMs
      traffic[name] = {
        inFlight: outOfRotationMs === null ? 3 : 0,
        outOfRotationMs,
        endpoints: slot.replicas.filter(isReady).length,
      }
    }
    return { slots, route: { generation: service.generation, shares: service.shares, slots: traffic } }
  }

  function replicaFacts(replica: FakeReplica): ReplicaFacts {
    const { crashes = false } = behaviourOf(replica.revision)
    return {
      id: replica.id,
      revision: replica.revision.id,
      running: !crashes,
      ready: isReady(replica),
      restarts: crashes ? 5 : 0,
      crashLooping: crashes,
      failingHealth: false,
      ending: false,
      startedAgoMs: clock.monotonicMs() - replica.readyAtMs + startMs,
    }
  }

  const platform: FakePlatform = {
    name: 'fake',
    blind: false,
    silent: false,
    deaf: false,
    workloads: {
      capabilities: { slots: ['blue', 'green'] },
      async prepare(revision, signal) {
        signal.throwIfAborted()
        if (behaviourOf(revision).buildFails)
          throw new OperatingError('BUILD_FAILED', `${revision.version} does not build`)
      },
      async applyRevision({ service, slot, revision, replicas }, writer) {
        guard(writer)
        const target = slotOf(serviceOf(service), slot)
        const kept = target.replicas.filter((replica) => replica.revision.id === revision.id).slice(0, replicas)
        target.replicas = [...kept, ...Array.from({ length: replicas - kept.length }, () => newReplica(revision))]
        Object.assign(target, { desired: revision, desiredReplicas: replicas, roll: null })
      },
      async rollInPlace({ service, slot, revision, minReadyMs, replicas }, writer) {
        guard(writer)
        const target = slotOf(serviceOf(service), slot)
        const desiredReplicas = replicas ?? target.desiredReplicas
        Object.assign(target, { desired: revision, desiredReplicas, roll: { revision, minReadyMs } })
        rollOn(target)
      },
      async ensureFloor({ service, slot, replicas }, writer) {
        guard(writer)
        const target = slotOf(serviceOf(service), slot)
        if (!target.desired) return
        target.desiredReplicas = Math.max(target.desiredReplicas, replicas)
        while (target.replicas.length < target.desiredReplicas) target.replicas.push(newReplica(target.desired))
      },
      async retire({ service, slot }, writer) {
        guard(writer)
        const target = slotOf(serviceOf(service), slot)
        const out = target.outSinceMs === null ? 0 : clock.monotonicMs() - target.outSinceMs
        if (target.replicas.length > 0 && out < SETTLE_MS) dropped += 1
        Object.assign(target, { desired: null, replicas: [], desiredReplicas: 0, roll: null })
      },
      async takeEpoch(taken) {
        guard(taken)
      },
    },
    traffic: {
      capabilities: { split: 'request', granularityPercent: 1, headerPin: null, proof: 'reported' },
      async setShares({ service, shares, generation }, writer) {
        guard(writer)
        const target = serviceOf(service)
        const highest = Math.max(target.generation, target.asked?.generation ?? 0)
        const repeated = generation === highest && sameShares(target.asked?.shares ?? target.shares, shares)
        if (generation < highest || (generation === highest && !repeated)) {
          throw new OperatingError('STALE_GENERATION', `generation ${generation} is not above ${highest}`)
        }
        if (!repeated) target.asked = { shares, generation, atMs: clock.monotonicMs() }
        return shares
      },
      async takeEpoch(taken) {
        guard(taken)
      },
    },
    observer: {
      async snapshot() {
        progress()
        if (platform.blind) return { observedAgoMs: 0, complete: false, missing: ['the fake'], services: {} }
        const facts = [...services].map(([name, service]) => [name, factsOf(service)] as const)
        return { observedAgoMs: 0, complete: true, missing: [], services: Object.fromEntries(facts) }
      },
      async cells(service, after: CellCursor | null) {
        progress()
        if (platform.silent) throw new OperatingError('PLATFORM_FAILED', 'no metrics')
        const from = after?.second ?? -1
        const found = (cells.get(service) ?? []).filter((cell) => cell.second > from && cell.second < servedUntil)
        return { cells: found, next: { source: 'fake', second: servedUntil - 1 } }
      },
    },
    checks: {
      async smoke({ service, slot, tests }, signal) {
        signal.throwIfAborted()
        const replica = slotOf(serviceOf(service), slot).replicas.find(isReady)
        if (!replica) return tests.map(({ name }) => ({ name, passed: false, saw: `no replica of ${slot} is ready` }))
        const passed = !behaviourOf(replica.revision).smokeFails
        return tests.map(({ name }) => ({ name, passed, saw: passed ? '200' : '500, expected 200' }))
      },
    },
    dropped: () => now(() => dropped),
    hurt: () => now(() => hurt),
    sharesOf: (service) => now(() => serviceOf(service).shares),
    versionsIn: (service, slot) =>
      now(() => slotOf(serviceOf(service), slot).replicas.map(({ revision }) => revision.version)),
  }
  return platform
}

/** A slot that is not named has no share. */
function sameShares(a: Shares, b: Shares): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((slot) => (a[slot] ?? 0) === (b[slot] ?? 0))
}
