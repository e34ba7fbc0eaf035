import type { Server } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Core } from './core.ts'

/** After the deadline, time for WebSockets to say goodbye. */
const LAST_MS = 500

/** The end of a front: it accepts nothing new, answers what is in flight, and closes each connection after its answer. */
export class Drain {
  /** Resolves when no connection is left. */
  readonly done: Promise<void>
  readonly #core: Core
  readonly #server: Server
  readonly #sockets: ReadonlySet<Socket>
  readonly #closed = Promise.withResolvers<void>()
  #deadlineAt = Number.POSITIVE_INFINITY
  #timers: NodeJS.Timeout[] = []

  constructor(core: Core, server: Server, sockets: ReadonlySet<Socket>) {
    this.#core = core
    this.#server = server
    this.#sockets = sockets
    this.done = this.#closed.promise.then(() => this.#clearTimers())
  }

  /**
   * Starts it, or shortens one that has been started.
   *
   * @param deadlineMs  what is in flight then is cut
   * @param idleMs      how much longer connections without a request may stay, to come to their announced end
   */
  within(deadlineMs: number, { idleMs = 0 }: { idleMs?: number } = {}): void {
    const deadlineAt = performance.now() + deadlineMs
    if (deadlineAt >= this.#deadlineAt) return
    this.#deadlineAt = deadlineAt
    if (!this.#core.stopping) this.#close()
    this.#clearTimers()
    this.#timers = [
      setTimeout(() => this.#cutExchanges(), deadlineMs),
      setTimeout(() => this.#cutConnections(), deadlineMs + LAST_MS + idleMs),
    ]
  }

  #close(): void {
    this.#core.stopping = true
    // http.Server's own close() would reset kept connections, also those with a request on its way.
    NetServer.prototype.close.call(this.#server, () => this.#closed.resolve())
  }

  #cutExchanges(): void {
    for (const { active } of this.#core.rotation.replicas()) for (const exchange of [...active]) exchange.cut()
  }

  #cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }
}

/** Of all services. */
export function longestDrainMs({ rotation }: Core): number {
  return Math.max(0, ...[...rotation.services.values()].map(({ drainMs }) => drainMs))
}
