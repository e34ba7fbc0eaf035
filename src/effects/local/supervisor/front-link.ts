import { setTimeout as sleep } from 'node:timers/promises'
import { drainRule, type OutOfRotation } from '../../../domain/drain.ts'
import type { OperatingError } from '../../../errors/catalogue.ts'
import type {
  FrontEndpoints,
  FrontHandover,
  FrontReplica,
  FrontStatus,
  FrontSupervisor,
  FrontTable,
} from '../protocol.ts'
import type { SocketClient } from '../socket-client.ts'

// What the supervisor says to a front and asks it. The front is told the whole table and the endpoints of each
// slot, on every change and again whenever it has been started anew.

export interface DrainTarget {
  readonly service: string
  readonly slot: string
  readonly replica: string
  readonly drainMs: number
}

const ANSWER_MS = 2000
/** Longer than a front waits for the one that it starts. */
const HANDOVER_MS = 25_000
const TABLE = 'table'
const SUPERVISOR = 'supervisor'

export class FrontLink {
  readonly #client: SocketClient
  readonly #say: (line: string) => void
  #table: FrontTable
  readonly #endpoints = new Map<string, FrontEndpoints>()
  /** How we are started again; null when nobody shall do that. */
  readonly #supervisor: FrontSupervisor | null
  /** What the front is still to be told; `table`, `supervisor` or the key of a slot. */
  readonly #untold = new Set<string>()
  #source: string | null = null
  #telling: Promise<void> | null = null

  constructor(
    client: SocketClient,
    { table, supervisor, say }: { table: FrontTable; supervisor: FrontSupervisor | null; say(line: string): void },
  ) {
    this.#client = client
    this.#table = table
    this.#supervisor = supervisor
    this.#say = say
  }

  setTable(table: FrontTable): void {
    this.#table = table
    this.#forgetTold()
  }

  setEndpoints(wanted: FrontEndpoints): void {
    const key = slotKey(wanted.service, wanted.slot)
    const known = this.#endpoints.get(key)
    if (known && JSON.stringify(known) === JSON.stringify(wanted)) return
    this.#endpoints.set(key, wanted)
    this.#untold.add(key)
    void this.tell()
  }

  /** @returns null when the front does not answer */
  async status(): Promise<FrontStatus | null> {
    try {
      const status = await this.#client.request<FrontStatus>('GET', '/status', undefined, { timeoutMs: ANSWER_MS })
      if (status.source !== this.#source) this.#startAnew(status.source)
      return status
    } catch {
      return null
    }
  }

  /** Prometheus text; null when the front does not answer. */
  async metrics(): Promise<string | null> {
    return this.#client.request<string>('GET', '/metrics', undefined, { timeoutMs: ANSWER_MS }).catch(() => null)
  }

  /** Tells the front what it does not know yet, the table first. Resolves when that is done or has failed. */
  tell(): Promise<void> {
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = null
    })
    return this.#telling
  }

  /**
   * Waits until a replica that has been taken out of the endpoints may be ended, by the drain rule.
   *
   * @returns why it may be ended, in words
   * @throws AbortError when the signal ends the wait
   */
  async drained(target: DrainTarget, signal: AbortSignal, pollMs: number): Promise<string> {
    const since = performance.now()
    for (;;) {
      const status = await this.status()
      const told = !this.#untold.has(slotKey(target.service, target.slot))
      const answer = drainRule(drainFacts(status, target, told, performance.now() - since), target.drainMs)
      if (answer.mayEnd) return answer.reason
      await sleep(Math.min(answer.waitMs ?? pollMs, pollMs), undefined, { signal })
    }
  }

  /** Asks the front to let another one take over. @throws OperatingError when it has not: then it goes on serving */
  async handOver(request: FrontHandover): Promise<void> {
    await this.#client.request('POST', '/handover', request, { timeoutMs: HANDOVER_MS })
  }

  /** Asks the front to end when it has answered what is in flight, or the time is over. */
  async stopFront(deadlineMs: number): Promise<void> {
    await this.#client.request('POST', '/stop', { deadlineMs }, { timeoutMs: ANSWER_MS }).catch(() => {})
  }

  close(): void {
    this.#client.close()
  }

  #startAnew(source: string): void {
    this.#source = source
    this.#forgetTold()
  }

  #forgetTold(): void {
    for (const key of [TABLE, ...this.#endpoints.keys(), SUPERVISOR]) this.#untold.add(key)
    void this.tell()
  }

  async #tellAll(): Promise<void> {
    const refused = new Set<string>()
    const nextUntold = () => [TABLE, ...this.#untold].find((key) => this.#untold.has(key) && !refused.has(key))
    for (let key = nextUntold(); key !== undefined; key = nextUntold()) {
      try {
        await this.#tellOne(key)
      } catch (error) {
        // The next tick tries again; a front that is down is reported by its keeper.
        const { code, message } = error as { code?: string; message: string }
        if (code === 'PLATFORM_DOWN') return
        this.#say(`the front was not told of a change: ${message}`)
        refused.add(key)
      }
    }
  }

  async #tellOne(key: string): Promise<void> {
    if (key === SUPERVISOR) return this.#tellOfSupervisor()
    const wanted = () => (key === TABLE ? this.#table : this.#endpoints.get(key))
    const told = wanted()
    if (key === TABLE) await this.#client.request('PUT', '/table', told, { timeoutMs: ANSWER_MS })
    else if (this.#isInTable(key)) await this.#client.request('PUT', '/endpoints', told, { timeoutMs: ANSWER_MS })
    // What was changed in the meantime is still untold.
    if (wanted() === told) this.#untold.delete(key)
  }

  /** A front of an older build may not understand it. */
  async #tellOfSupervisor(): Promise<void> {
    this.#untold.delete(SUPERVISOR)
    if (!this.#supervisor) return
    await this.#client
      .request('PUT', '/supervisor', this.#supervisor, { timeoutMs: ANSWER_MS })
      .catch(({ code }: OperatingError) => {
        if (code === 'PLATFORM_DOWN') this.#untold.add(SUPERVISOR)
      })
  }

  /** A front sends nothing to a service that is not in its table. */
  #isInTable(key: string): boolean {
    return this.#table.services.some(({ name }) => name === this.#endpoints.get(key)?.service)
  }
}

/**
 * The facts for the drain rule about a replica that has been taken out of the endpoints.
 *
 * @param status   null when the front does not answer: then it sends nothing either, but what it sent before may
 *                 still be in flight
 * @param told     the front has accepted endpoints without this replica
 * @param sinceMs  time since it was to be told
 */
export function drainFacts(
  status: FrontStatus | null,
  target: DrainTarget,
  told: boolean,
  sinceMs: number,
): OutOfRotation {
  if (!status) return { inFlight: 1, outOfRotationMs: sinceMs }
  if (!told) return { inFlight: 0, outOfRotationMs: null }
  return replicaIn(status, target) ?? { inFlight: 0, outOfRotationMs: sinceMs }
}

function replicaIn(status: FrontStatus, { service, slot, replica }: DrainTarget): FrontReplica | undefined {
  return status.services[service]?.slots[slot]?.replicas.find((known) => known.replica === replica)
}

const slotKey = (service: string, slot: string): string => `${service}/${slot}`
