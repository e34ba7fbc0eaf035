// The truth: replicas, a load balancer and users, on virtual time. It is harsher than a real platform: what is
// asked for happens at once, and whoever ends something too early has dropped requests.
import { type Cell, LATENCY_BUCKETS, latencyBucket } from '../../src/domain/counts.ts'
import type { Shares } from '../../src/domain/names.ts'
import type { Revision } from '../../src/domain/revision.ts'
import type { ReplicaFacts, ServiceFacts, SlotFacts, SlotTraffic } from '../../src/domain/snapshot.ts'
import { type Random, randomOf } from './random.ts'
import type { Behaviour, FaultKind } from './scenario.ts'
import type { BegunFault, Simulation } from './simulation.ts'

export interface WorldReplica {
  readonly id: string
  readonly revision: Revision
  phase: 'starting' | 'ready' | 'hung' | 'unready' | 'crashed' | 'ending'
  startedMs: number
  readySinceMs: number | null
  restarts: number
  failingHealth: boolean
  /** It has failed its health checks at some time. */
  hadTrouble: boolean
}

export interface WorldSlot {
  readonly name: string
  desired: Revision | null
  desiredReplicas: number
  roll: { readonly revision: Revision; readonly minReadyMs: number } | null
  replicas: WorldReplica[]
  /** Null while it gets traffic. */
  outSinceMs: number | null
  /** When the last request that was assigned to it is answered. */
  lastAnswerMs: number
}

export interface WorldService {
  readonly name: string
  readonly slots: Map<string, WorldSlot>
  shares: Shares
  generation: number
  asked: { readonly shares: Shares; readonly generation: number } | null
  readonly history: Moment[]
  /** Bad and all requests by revision in each whole second. */
  readonly served: Map<string, { requests: number; bad: number }>[]
  cells: Cell[]
  readonly owed: Map<string, number>
}

/** What was ready and what was routed from this time on. */
export interface Moment {
  readonly atMs: number
  readonly shares: Shares
  readonly generation: number
  readonly ready: Readonly<Record<string, number>>
  readonly desired: Readonly<Record<string, number>>
  /** Ready replicas by `slot/revision`. */
  readonly revisions: Readonly<Record<string, number>>
  /** Replicas of any kind by slot. */
  readonly present: Readonly<Record<string, number>>
}

export const DRAIN_MS = 2_000
const UNHEALTHY_MS = 10_000
export const FAILED_LATENCY_MS = 2_000

export function createWorld(simulation: Simulation) {
  const { scheduler, scenario } = simulation
  const random = randomOf(scenario.seed, 'world')
  const services = new Map<string, WorldService>()
  const firstReadyMs = new Map<string, number>()
  let replicaCount = 0
  let frontStartedSecond = 0
  let frontCount = 1

  const now = () => scheduler.nowMs()

  // --- versions -------------------------------------------------------------------------------------------

  function behaviourOf(revision: Revision): Behaviour & { readonly badNow: boolean } {
    const behaviour = simulation.behaviourOf(revision.service, revision.version)
    const since = firstReadyMs.get(revision.id)
    const badNow =
      behaviour.kind !== 'good' &&
      (behaviour.afterMs === 0 || (since !== undefined && now() >= since + behaviour.afterMs))
    return { ...behaviour, badNow }
  }

  // --- replicas -------------------------------------------------------------------------------------------

  function serviceOf(name: string): WorldService {
    const known = services.get(name)
    if (known) return known
    const made: WorldService = {
      name,
      slots: new Map(),
      shares: {},
      generation: 0,
      asked: null,
      history: [],
      served: [],
      cells: [],
      owed: new Map(),
    }
    services.set(name, made)
    return made
  }

  function slotOf(service: WorldService, name: string): WorldSlot {
    const known = service.slots.get(name)
    if (known) return known
    const made: WorldSlot = {
      name,
      desired: null,
      desiredReplicas: 0,
      roll: null,
      replicas: [],
      outSinceMs: now(),
      lastAnswerMs: 0,
    }
    service.slots.set(name, made)
    return made
  }

  const isReady = (replica: WorldReplica) => replica.phase === 'ready' || replica.phase === 'hung'

  function startReplica(service: WorldService, slot: WorldSlot, revision: Revision): WorldReplica {
    const replica: WorldReplica = {
      id: `replica-${++replicaCount}`,
      revision,
      phase: 'starting',
      startedMs: now(),
      readySinceMs: null,
      restarts: 0,
      failingHealth: false,
      hadTrouble: false,
    }
    boot(service, slot, replica)
    return replica
  }

  function boot(service: WorldService, slot: WorldSlot, replica: WorldReplica) {
    const started = now()
    replica.phase = 'starting'
    replica.startedMs = started
    const still = () => slot.replicas.includes(replica) && replica.startedMs === started && replica.phase !== 'crashed'
    scheduler.after(behaviourOf(replica.revision).startMs + random.whole(0, 200), () => {
      if (!still()) return
      const { kind, badNow, afterMs } = behaviourOf(replica.revision)
      if (kind === 'crashes' && badNow) return crash(service, slot, replica)
      if (kind === 'never-ready' && badNow) return
      becomeReady(service, slot, replica)
      if (kind === 'crashes' || kind === 'never-ready') {
        scheduler.after(afterMs + 1, () => {
          if (!still() || !behaviourOf(replica.revision).badNow) return
          if (kind === 'crashes') crash(service, slot, replica)
          else loseReadiness(service, replica)
        })
      }
    })
    scheduler.after(UNHEALTHY_MS, () => {
      if (still() && replica.phase === 'starting') Object.assign(replica, { failingHealth: true, hadTrouble: true })
    })
  }

  function becomeReady(service: WorldService, slot: WorldSlot, replica: WorldReplica) {
    replica.phase = 'ready'
    replica.readySinceMs = now()
    replica.failingHealth = false
    if (!firstReadyMs.has(replica.revision.id)) firstReadyMs.set(replica.revision.id, now())
    simulation.note(() => `${service.name} ${slot.name}: ${replica.id} (${replica.revision.version}) is ready`)
    changed(service)
    rollOn(service, slot)
  }

  function crash(service: WorldService, slot: WorldSlot, replica: WorldReplica) {
    replica.phase = 'crashed'
    replica.readySinceMs = null
    replica.restarts++
    simulation.note(() => `${service.name} ${slot.name}: ${replica.id} (${replica.revision.version}) exits by itself`)
    changed(service)
    const pauseMs = Math.min(8_000, 200 * 2 ** replica.restarts)
    scheduler.after(pauseMs, () => {
      if (slot.replicas.includes(replica) && replica.phase === 'crashed') boot(service, slot, replica)
    })
  }

  function loseReadiness(service: WorldService, replica: WorldReplica) {
    replica.phase = 'unready'
    replica.readySinceMs = null
    Object.assign(replica, { failingHealth: true, hadTrouble: true })
    simulation.note(() => `${service.name}: ${replica.id} (${replica.revision.version}) is not ready any more`)
    changed(service)
  }

  /** Ends a replica because somebody asked for it. */
  function end(service: WorldService, slot: WorldSlot, replica: WorldReplica, why: string) {
    if (replica.phase === 'ending') return
    if (isReady(replica)) {
      const inRotation = slot.outSinceMs === null
      const drainedMs = slot.outSinceMs === null ? 0 : now() - slot.outSinceMs
      const mustDrain =
        drainedMs < DRAIN_MS && (now() < slot.lastAnswerMs || (slot.lastAnswerMs > 0 && drainedMs < 150))
      if (inRotation || mustDrain) {
        const state = inRotation
          ? 'while it gets traffic'
          : `${drainedMs} ms after it left the rotation, with requests in flight`
        simulation.violate(
          'no dropped request',
          `${why} ends ${replica.id} of ${service.name} in ${slot.name} ${state}`,
        )
      }
    }
    simulation.note(() => `${service.name} ${slot.name}: ${replica.id} (${replica.revision.version}) ends: ${why}`)
    replica.phase = 'ending'
    replica.startedMs = -1
    scheduler.after(random.pick([5, 50, 400, 2_000]), () => {
      slot.replicas = slot.replicas.filter((other) => other !== replica)
      changed(service)
    })
  }

  function rollOn(service: WorldService, slot: WorldSlot) {
    const { roll } = slot
    if (!roll) return
    const ending = slot.replicas.filter(({ phase }) => phase === 'ending')
    const staying = slot.replicas.filter(({ phase }) => phase !== 'ending')
    const fresh = staying.filter((replica) => replica.revision.id === roll.revision.id)
    const old = staying.filter((replica) => replica.revision.id !== roll.revision.id)
    const waits = fresh.map((replica) => (replica.readySinceMs ?? Number.POSITIVE_INFINITY) + roll.minReadyMs - now())
    const longest = Math.max(0, ...waits)
    if (longest > 0) {
      if (Number.isFinite(longest)) scheduler.after(longest, () => rollOn(service, slot))
      return
    }
    // The platform takes it out of rotation and drains it by itself; that is not what is tested here.
    if (fresh.length + old.length > slot.desiredReplicas && old.length > 0) old.shift()
    slot.replicas = [...fresh, ...old, ...ending]
    if (fresh.length < slot.desiredReplicas) slot.replicas.push(startReplica(service, slot, roll.revision))
    else if (old.length > 0) scheduler.after(1, () => rollOn(service, slot))
    else slot.roll = null
    changed(service)
  }

  // --- what the platform is asked to do -------------------------------------------------------------------

  const writes = {
    apply(name: string, slotName: string, revision: Revision, replicas: number) {
      const service = serviceOf(name)
      const slot = slotOf(service, slotName)
      const staying = slot.replicas.filter(({ phase }) => phase !== 'ending')
      const kept = staying.filter((replica) => replica.revision.id === revision.id).slice(0, replicas)
      for (const replica of staying) if (!kept.includes(replica)) end(service, slot, replica, 'applying a revision')
      for (let count = kept.length; count < replicas; count++) slot.replicas.push(startReplica(service, slot, revision))
      Object.assign(slot, { desired: revision, desiredReplicas: replicas, roll: null })
      changed(service)
    },
    roll(
      name: string,
      slotName: string,
      revision: Revision,
      { minReadyMs, replicas }: { readonly minReadyMs: number; readonly replicas: number | undefined },
    ) {
      const service = serviceOf(name)
      const slot = slotOf(service, slotName)
      const desiredReplicas = replicas ?? slot.desiredReplicas
      Object.assign(slot, { desired: revision, desiredReplicas, roll: { revision, minReadyMs } })
      rollOn(service, slot)
      changed(service)
    },
    floor(name: string, slotName: string, replicas: number) {
      const service = serviceOf(name)
      const slot = slotOf(service, slotName)
      slot.desiredReplicas = Math.max(slot.desiredReplicas, replicas)
      const { desired, roll } = slot
      if (!desired || roll) return
      const staying = slot.replicas.filter(({ phase }) => phase !== 'ending')
      for (let count = staying.length; count < slot.desiredReplicas; count++)
        slot.replicas.push(startReplica(service, slot, desired))
      changed(service)
    },
    retire(name: string, slotName: string) {
      const service = serviceOf(name)
      const slot = slotOf(service, slotName)
      for (const replica of slot.replicas) end(service, slot, replica, 'retiring the slot')
      Object.assign(slot, { desired: null, desiredReplicas: 0, roll: null })
      changed(service)
    },
    /** @returns false when a newer generation is known */
    setShares(name: string, shares: Shares, generation: number): boolean {
      const service = serviceOf(name)
      const highest = Math.max(service.generation, service.asked?.generation ?? 0)
      const isRepeat = generation === highest && sameShares(service.asked?.shares ?? service.shares, shares)
      if (generation < highest || (generation === highest && !isRepeat)) return false
      if (isRepeat) return true
      service.asked = { shares, generation }
      const late = simulation.fault('balancer-late')
      scheduler.after(late ? late.size % 9_000 : random.whole(10, 120), () => follow(service, generation))
      return true
    },
  }

  // --- load balancer --------------------------------------------------------------------------------------

  function follow(service: WorldService, generation: number) {
    const { asked } = service
    if (asked?.generation !== generation) return
    const deaf = simulation.fault('balancer-deaf')
    if (deaf) return scheduler.at(deaf.toMs + 1, () => follow(service, generation))
    simulation.checks.beforeFollow(service, asked)
    service.shares = asked.shares
    service.generation = generation
    service.asked = null
    for (const slot of service.slots.values()) {
      if ((service.shares[slot.name] ?? 0) > 0) slot.outSinceMs = null
      else if (slot.outSinceMs === null) leaveRotation(slot)
    }
    simulation.note(
      () => `${service.name}: the load balancer follows ${inWords(service.shares)} (generation ${generation})`,
    )
    changed(service)
  }

  function leaveRotation(slot: WorldSlot) {
    slot.outSinceMs = now()
    const slow = slot.replicas.some((replica) => behaviourOf(replica.revision).kind === 'slow')
    slot.lastAnswerMs = now() + (slow ? FAILED_LATENCY_MS : random.pick([20, 100, 600, 1_500, 3_500]))
  }

  /** One whole second of users. */
  function serve() {
    const second = Math.round(now() / 1000) - 1
    for (const service of services.values()) {
      const served = new Map<string, { requests: number; bad: number }>()
      service.served[second] = served
      for (const [name, share] of Object.entries(service.shares)) {
        if (share > 0) serveSlot(service, name, share, second, served)
      }
    }
    simulation.checks.everySecond(second)
    scheduler.after(1000, serve)
  }

  function serveSlot(
    service: WorldService,
    name: string,
    share: number,
    second: number,
    served: Map<string, { requests: number; bad: number }>,
  ) {
    const owed = (service.owed.get(name) ?? 0) + (scenario.requestsPerSecond * share) / 100
    const amount = Math.floor(owed)
    service.owed.set(name, owed - amount)
    const targets = (service.slots.get(name)?.replicas ?? []).filter(isReady)
    targets.forEach((replica, index) => {
      const requests = Math.floor(amount / targets.length) + (index < amount % targets.length ? 1 : 0)
      if (requests === 0) return
      const { kind, badNow, failureShare } = behaviourOf(replica.revision)
      const hung = replica.phase === 'hung'
      const failures = hung ? requests : kind === 'failing' && badNow ? Math.ceil(requests * failureShare) : 0
      const isSlow = hung || (kind === 'slow' && badNow)
      const latency = new Array(LATENCY_BUCKETS).fill(0)
      latency[latencyBucket(isSlow ? FAILED_LATENCY_MS : 20)] = requests
      const revision = replica.revision.id
      const sum = served.get(`${name}/${revision}`) ?? { requests: 0, bad: 0 }
      served.set(`${name}/${revision}`, {
        requests: sum.requests + requests,
        bad: sum.bad + (isSlow ? requests : failures),
      })
      service.cells.push({
        slot: name,
        revision,
        replica: replica.id,
        second: second - frontStartedSecond,
        requests,
        failures,
        latency,
      })
    })
  }

  // --- what can be seen -----------------------------------------------------------------------------------

  function facts(service: WorldService): ServiceFacts {
    const slots: Record<string, SlotFacts> = {}
    const traffic: Record<string, SlotTraffic> = {}
    for (const slot of service.slots.values()) {
      slots[slot.name] = {
        desiredRevision: slot.desired?.id ?? null,
        desiredReplicas: slot.desiredReplicas,
        replicas: slot.replicas.map(replicaFacts),
      }
      const outOfRotationMs = slot.outSinceMs === null ? null : now() - slot.outSinceMs
      const inFlight = slot.outSinceMs === null || now() < slot.lastAnswerMs ? 3 : 0
      traffic[slot.name] = { inFlight, outOfRotationMs, endpoints: slot.replicas.filter(isReady).length }
    }
    return { slots, route: { generation: service.generation, shares: service.shares, slots: traffic } }
  }

  function replicaFacts(replica: WorldReplica): ReplicaFacts {
    return {
      id: replica.id,
      revision: replica.revision.id,
      running: replica.phase !== 'crashed',
      ready: isReady(replica),
      restarts: replica.restarts,
      crashLooping: replica.restarts >= 3,
      failingHealth: replica.failingHealth,
      ending: replica.phase === 'ending',
      startedAgoMs: now() - replica.startedMs,
    }
  }

  function changed(service: WorldService) {
    const ready: Record<string, number> = {}
    const desired: Record<string, number> = {}
    const present: Record<string, number> = {}
    const revisions: Record<string, number> = {}
    for (const slot of service.slots.values()) {
      present[slot.name] = slot.replicas.length
      desired[slot.name] = slot.desiredReplicas
      ready[slot.name] = slot.replicas.filter(isReady).length
      for (const replica of slot.replicas) {
        if (!isReady(replica)) continue
        const key = `${slot.name}/${replica.revision.id}`
        revisions[key] = (revisions[key] ?? 0) + 1
      }
    }
    const { shares, generation, history } = service
    history.push({ atMs: now(), shares, generation, ready, desired, revisions, present })
  }

  // --- faults that strike at a moment ---------------------------------------------------------------------

  const strikes: Partial<Record<FaultKind, (chance: Random, lastsMs: number) => void>> = {
    'replica-crashes': (chance) => onOne(chance, (service, slot, replica) => crash(service, slot, replica)),
    'slot-crashes': (chance) =>
      onOne(chance, (service, slot) => {
        for (const replica of slot.replicas) if (isReady(replica)) crash(service, slot, replica)
      }),
    'replica-hangs': (chance, lastsMs) =>
      onOne(chance, (service, slot, replica) => {
        replica.phase = 'hung'
        simulation.note(() => `${service.name} ${slot.name}: ${replica.id} hangs`)
        scheduler.after(3_000, () => replica.phase === 'hung' && loseReadiness(service, replica))
        scheduler.after(3_000 + lastsMs, () => {
          if (slot.replicas.includes(replica) && replica.phase === 'unready') becomeReady(service, slot, replica)
        })
      }),
    'replica-unready': (chance, lastsMs) =>
      onOne(chance, (service, slot, replica) => {
        loseReadiness(service, replica)
        scheduler.after(lastsMs, () => {
          if (slot.replicas.includes(replica) && replica.phase === 'unready') becomeReady(service, slot, replica)
        })
      }),
    'front-restarts': () => {
      frontStartedSecond = Math.floor(now() / 1000)
      frontCount++
      simulation.note(() => 'the front restarts: its counts begin anew')
      for (const service of services.values()) {
        service.cells = []
        for (const slot of service.slots.values()) {
          // What was in flight went with it, and is counted apart.
          if (slot.outSinceMs !== null) Object.assign(slot, { outSinceMs: now(), lastAnswerMs: 0 })
        }
      }
    },
  }

  function onOne(chance: Random, act: (service: WorldService, slot: WorldSlot, replica: WorldReplica) => void) {
    const all = [...services.values()].flatMap((service) =>
      [...service.slots.values()].flatMap((slot) =>
        slot.replicas
          .filter((replica) => replica.phase === 'ready')
          .map((replica) => [service, slot, replica] as const),
      ),
    )
    if (all.length > 0) act(...chance.pick(all))
  }

  scheduler.at(1000, serve)

  return {
    strike: ({ kind, size, fromMs, toMs }: BegunFault) => strikes[kind]?.(randomOf(size, 'strike'), toMs - fromMs),
    services,
    writes,
    behaviourOf,
    facts: () => Object.fromEntries([...services].map(([name, service]) => [name, facts(service)])),
    cellsAfter(name: string, source: string, second: number) {
      const mine = `front-${frontCount}`
      const after = source === mine ? second : -1
      const cells = serviceOf(name).cells
      let from = cells.length
      while (from > 0 && cells[from - 1]!.second > after) from--
      return {
        cells: cells.slice(from),
        next: { source: mine, second: Math.floor(now() / 1000) - frontStartedSecond - 1 },
      }
    },
  }
}

export type World = ReturnType<typeof createWorld>

/** Whether something was so at any moment from `fromMs` to now. */
export function everSince(
  service: WorldService | undefined,
  fromMs: number,
  isSo: (moment: Moment) => boolean,
): boolean {
  const history = service?.history ?? []
  for (let index = history.length - 1; index >= 0; index--) {
    if (isSo(history[index]!)) return true
    if (history[index]!.atMs <= fromMs) return false
  }
  return false
}

export function sameShares(a: Shares, b: Shares): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((slot) => (a[slot] ?? 0) === (b[slot] ?? 0))
}

export function inWords(shares: Shares): string {
  return Object.entries(shares)
    .map(([slot, share]) => `${share} % ${slot}`)
    .join(', ')
}
