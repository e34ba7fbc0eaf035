// Who gets the next request, who is still answering one, and since when somebody gets nothing new.
//
// All of it changes within one turn of the event loop and nothing here waits: once a change of shares or
// endpoints has returned, no request is assigned by the old ones, and the in-flight counts are exact. That is
// what makes the drain rule (domain/drain.ts) safe to apply to these facts.
import type { ServiceName, Shares, SlotName } from '../../../domain/names.ts'
import type { Endpoint, FrontReplica, FrontStatus, FrontTable } from '../protocol.ts'
import { placeOf, rankFor } from './affinity.ts'
import { CellLog, KEEP_SECONDS, lastWholeSecond, ReplicaCounts } from './counters.ts'
import { InFlight } from './in-flight.ts'

export interface Replica {
  readonly id: string
  readonly revision: string
  readonly port: number
  readonly slot: Slot
  readonly active: InFlight
  readonly counts: ReplicaCounts
  /** False once it has left the endpoints. */
  listed: boolean
  /** Since when it gets nothing new; null while it may. */
  outSinceMs: number | null
  /** It refused a connection a moment ago: others are asked first until then. */
  restsUntilMs: number
}

export interface Slot {
  readonly name: SlotName
  readonly service: Service
  /** Those that may be sent to. */
  listed: Replica[]
  /** Those that have left, still known for their requests in flight and for who asks. */
  left: Replica[]
  share: number
  outSinceMs: number | null
}

export interface Service {
  readonly name: ServiceName
  /** Null once the table does not have it any more. */
  route: FrontTable['services'][number] | null
  drainMs: number
  generation: number
  shares: Shares
  readonly slots: Map<SlotName, Slot>
  readonly cells: CellLog
  /** Slots that can take a request now, with the running sum of their shares. */
  choices: readonly { readonly slot: Slot; readonly upTo: number }[]
}

type ServiceStatus = FrontStatus['services'][string]

const KEEP_LEFT_MS = KEEP_SECONDS * 1000
const REST_MS = 1000
/** More than can be in flight: a replica that rests is taken only when all do. */
const RESTING = 1e9
/** More than any rank. */
const RESTING_RANK = 2 ** 33

export class Rotation {
  readonly services = new Map<ServiceName, Service>()
  private readonly now: () => number
  private readonly random: () => number
  /** Longest path first. */
  private routed: readonly Service[] = []

  /** @param clock `now` in monotonic milliseconds, `random` in [0, 1) */
  constructor({
    now = () => performance.now(),
    random = Math.random,
  }: { now?: () => number; random?: () => number } = {}) {
    this.now = now
    this.random = random
  }

  setTable(table: FrontTable): void {
    for (const service of this.services.values()) service.route = null
    for (const route of table.services) {
      const service = this.services.get(route.name) ?? this.addService(route.name)
      service.route = route
      service.drainMs = route.drainMs
    }
    for (const service of this.services.values()) {
      if (service.route === null) for (const slot of service.slots.values()) this.list(slot, [])
      this.refresh(service)
    }
    this.routed = [...this.services.values()]
      .filter((service) => service.route !== null)
      .sort((a, b) => b.route!.path.length - a.route!.path.length)
  }

  setShares(service: Service, shares: Shares, generation: number): void {
    service.shares = shares
    service.generation = generation
    for (const slot of service.slots.values()) slot.share = 0
    for (const [name, share] of Object.entries(shares)) this.slot(service, name).share = share
    this.refresh(service)
  }

  setEndpoints(service: Service, slotName: SlotName, endpoints: readonly Endpoint[]): void {
    this.list(this.slot(service, slotName), endpoints)
    this.refresh(service)
  }

  /** The service with the longest path that the request's path is, or lies below. */
  serviceFor(path: string): Service | null {
    for (const service of this.routed) if (isBelow(path, service.route!.path)) return service
    return null
  }

  /**
   * A slot at random by share, and in it one of the replicas with the fewest in flight.
   *
   * @param ticket  that of a session: it says both, for as long as shares and replicas stay
   */
  pick(service: Service, ticket: string | null = null): Replica | null {
    const { choices } = service
    const last = choices.at(-1)
    if (!last) return null
    if (choices.length === 1 && ticket === null) return this.pickIn(last.slot)
    const point = (ticket === null ? this.random() : placeOf(ticket)) * last.upTo
    const choice = choices.find(({ upTo }) => point < upTo) ?? last
    return ticket === null ? this.pickIn(choice.slot) : this.pickFor(ticket, choice.slot)
  }

  private pickFor(ticket: string, slot: Slot): Replica | null {
    const nowMs = this.now()
    let best: Replica | null = null
    let highest = Number.NEGATIVE_INFINITY
    for (const replica of slot.listed) {
      const rank = rankFor(ticket, replica.id) - (replica.restsUntilMs > nowMs ? RESTING_RANK : 0)
      if (rank <= highest) continue
      best = replica
      highest = rank
    }
    return best
  }

  pickIn(slot: Slot, except?: Replica): Replica | null {
    const nowMs = this.now()
    let best: Replica | null = null
    let fewest = Number.POSITIVE_INFINITY
    let ties = 0
    for (const replica of slot.listed) {
      if (replica === except) continue
      const load = replica.active.size + (replica.restsUntilMs > nowMs ? RESTING : 0)
      if (load < fewest) {
        best = replica
        fewest = load
        ties = 1
      } else if (load === fewest && this.random() * ++ties < 1) {
        best = replica
      }
    }
    return best
  }

  /** It refused a connection. */
  rest(replica: Replica): void {
    replica.restsUntilMs = this.now() + REST_MS
  }

  /** Counts a request that has just ended. */
  record(replica: Replica, failed: boolean, tookMs: number): void {
    replica.slot.service.cells.record(replica, { failed, tookMs, nowMs: this.now() })
  }

  *replicas(): Generator<Replica> {
    for (const service of this.services.values()) {
      for (const slot of service.slots.values()) {
        yield* slot.listed
        yield* slot.left
      }
    }
  }

  /** Ends what is still in flight to replicas whose drain time has passed. */
  cutOverdue(): void {
    const nowMs = this.now()
    for (const replica of this.replicas()) {
      const { drainMs } = replica.slot.service
      if (replica.active.size === 0 || replica.outSinceMs === null || nowMs - replica.outSinceMs < drainMs) continue
      // A pinned request may well go to a slot without share; it only has to end with its replica.
      for (const exchange of replica.active) if (!replica.listed || !exchange.pinned) exchange.cut()
    }
  }

  /** Drops what nobody asks for any more. */
  forget(): void {
    const nowMs = this.now()
    for (const service of this.services.values()) {
      service.cells.forget(lastWholeSecond(nowMs) - KEEP_SECONDS)
      for (const slot of service.slots.values()) {
        slot.left = slot.left.filter(({ active, outSinceMs }) => active.size > 0 || nowMs - outSinceMs! < KEEP_LEFT_MS)
        if (slot.share === 0 && slot.listed.length + slot.left.length === 0) service.slots.delete(slot.name)
      }
      if (service.route === null && service.slots.size === 0) this.services.delete(service.name)
    }
  }

  status(): Record<ServiceName, ServiceStatus> {
    return Object.fromEntries([...this.services.values()].map((service) => [service.name, this.serviceStatus(service)]))
  }

  private serviceStatus({ generation, shares, slots }: Service): ServiceStatus {
    const ofSlots = [...slots.values()].map((slot) => {
      const replicas = [...slot.listed, ...slot.left]
      const seen = new Set<string>()
      return [
        slot.name,
        {
          inFlight: replicas.reduce((sum, { active }) => sum + active.size, 0),
          outOfRotationMs: this.sinceMs(slot.outSinceMs),
          endpoints: slot.listed.length,
          // An id that is used again means its newest bearer.
          replicas: replicas
            .filter(({ id }) => !seen.has(id) && seen.add(id))
            .map((replica) => this.replicaStatus(replica)),
        },
      ] as const
    })
    return { generation, shares, slots: Object.fromEntries(ofSlots) }
  }

  private replicaStatus({ id, revision, active, outSinceMs }: Replica): FrontReplica {
    return { replica: id, revision, inFlight: active.size, outOfRotationMs: this.sinceMs(outSinceMs) }
  }

  private sinceMs(ms: number | null): number | null {
    return ms === null ? null : this.now() - ms
  }

  private addService(name: ServiceName): Service {
    const service: Service = {
      name,
      route: null,
      drainMs: 0,
      generation: 0,
      shares: {},
      slots: new Map(),
      cells: new CellLog(),
      choices: [],
    }
    this.services.set(name, service)
    return service
  }

  private slot(service: Service, name: SlotName): Slot {
    let slot = service.slots.get(name)
    if (!slot) {
      slot = { name, service, listed: [], left: [], share: 0, outSinceMs: this.now() }
      service.slots.set(name, slot)
    }
    return slot
  }

  private list(slot: Slot, endpoints: readonly Endpoint[]): void {
    const known = [...slot.listed, ...slot.left]
    slot.listed = endpoints.map(
      (endpoint) => known.find((replica) => isSame(replica, endpoint)) ?? this.newReplica(slot, endpoint, known),
    )
    const listed = new Set(slot.listed)
    slot.left = known.filter((replica) => !listed.has(replica))
    for (const replica of slot.listed) replica.listed = true
    for (const replica of slot.left) this.leave(replica)
  }

  private newReplica(slot: Slot, { replica, revision, port }: Endpoint, known: readonly Replica[]): Replica {
    // Started again on another port, it goes on counting.
    const before = known.find((other) => other.id === replica && other.revision === revision)
    return {
      id: replica,
      revision,
      port,
      slot,
      active: new InFlight(),
      counts: before?.counts ?? new ReplicaCounts(),
      listed: true,
      outSinceMs: this.now(),
      restsUntilMs: 0,
    }
  }

  private leave(replica: Replica): void {
    if (!replica.listed) return
    replica.listed = false
    // In a slot that had no share, only pinned requests can be in flight: until now it did get those.
    if (replica.outSinceMs === null || replica.active.size > 0) replica.outSinceMs = this.now()
  }

  /** Brings what follows from shares and endpoints up to date. */
  private refresh(service: Service): void {
    const nowMs = this.now()
    let upTo = 0
    const choices: { slot: Slot; upTo: number }[] = []
    // In the same order everywhere: a place among all users means the same version in each front.
    for (const slot of [...service.slots.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inRotation = slot.share > 0 && service.route !== null
      slot.outSinceMs = inRotation ? null : (slot.outSinceMs ?? nowMs)
      for (const replica of slot.listed) replica.outSinceMs = inRotation ? null : (replica.outSinceMs ?? nowMs)
      if (!inRotation || slot.listed.length === 0) continue
      upTo += slot.share
      choices.push({ slot, upTo })
    }
    service.choices = choices
  }
}

function isSame(replica: Replica, endpoint: Endpoint): boolean {
  return replica.id === endpoint.replica && replica.revision === endpoint.revision && replica.port === endpoint.port
}

function isBelow(path: string, prefix: string): boolean {
  if (prefix === '/') return true
  if (!path.startsWith(prefix)) return false
  const next = path[prefix.length]
  return next === undefined || next === '/' || next === '?' || prefix.endsWith('/')
}
