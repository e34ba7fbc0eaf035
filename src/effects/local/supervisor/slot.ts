import type { FrontEndpoints, SupervisorSlot } from '../protocol.ts'
import { planSlot } from './plan-slot.ts'
import { Replica, type ReplicaContext } from './replica.ts'
import { newRecord, pruneEnded, type ReplicaRecord } from './replica-record.ts'
import type { SlotState } from './state.ts'

/** Makes one slot what is desired of it, again whenever something about it changes. */
export class Slot {
  readonly #service: string
  readonly #name: string
  readonly #desired: () => SlotState
  readonly #context: ReplicaContext
  readonly #replicas = new Map<string, Replica>()
  #woken = false
  #stopped = false
  #timer: NodeJS.Timeout | null = null

  /** @param records  replicas that an earlier supervisor left behind */
  constructor(
    { service, slot }: { service: string; slot: string },
    desired: () => SlotState,
    context: ReplicaContext,
    records: readonly ReplicaRecord[],
  ) {
    this.#service = service
    this.#name = slot
    this.#desired = desired
    this.#context = context
    for (const record of records) this.#add(record)
    this.wake()
  }

  get replicas(): readonly Replica[] {
    return [...this.#replicas.values()]
  }

  /** Compares again, soon; many calls at once are one comparison. */
  wake(): void {
    if (this.#woken) return
    this.#woken = true
    queueMicrotask(() => {
      this.#woken = false
      if (!this.#stopped) this.#reconcile()
    })
  }

  async down(): Promise<void> {
    this.#stopped = true
    if (this.#timer) clearTimeout(this.#timer)
    await Promise.all(this.replicas.map((replica) => replica.down()))
  }

  snapshot(): SupervisorSlot {
    const { run, replicas } = this.#desired()
    const addresses = this.replicas.map(({ id, record, pid, log }) => [id, { port: record.port ?? 0, pid, log }])
    return {
      desiredRevision: run?.revision ?? null,
      desiredReplicas: replicas,
      replicas: this.replicas.map((replica) => replica.facts()),
      addresses: Object.fromEntries(addresses),
    }
  }

  #reconcile(): void {
    const { run, replicas, minReadyMs } = this.#desired()
    const wish = { revision: run?.revision ?? null, replicas, minReadyMs }
    const plan = planSlot(
      wish,
      this.replicas.map((replica) => replica.view()),
    )
    for (const id of plan.end) this.#replicas.get(id)!.end()
    if (run) for (let started = 0; started < plan.start; started++) this.#add(newRecord(this.#service, this.#name, run))
    this.#context.front.setEndpoints(this.#endpoints())
    this.#wakeIn(plan.wakeInMs)
  }

  #endpoints(): FrontEndpoints {
    const ready = this.replicas.map(({ record }) => record).filter((record) => record.ready && !record.ending)
    return {
      service: this.#service,
      slot: this.#name,
      endpoints: ready.map(({ id, run, port }) => ({ replica: id, revision: run.revision, port: port! })),
    }
  }

  #wakeIn(ms: number | null): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = ms === null ? null : setTimeout(() => this.wake(), Math.ceil(ms))
  }

  #add(record: ReplicaRecord): void {
    const replica = new Replica(record, this.#context, () => this.wake())
    this.#replicas.set(record.id, replica)
    void replica.gone.then(() => {
      if (this.#stopped) return
      this.#replicas.delete(record.id)
      pruneEnded(this.#context.folder, this.#service, this.#name, this.#context.tuning.endedKeep)
      this.wake()
    })
  }
}
