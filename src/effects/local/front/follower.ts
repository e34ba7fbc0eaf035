// The side that follows: an old front or a worker does what it is told, and reports ten times a second what it has in
// flight and what it has counted.
import type { Cell } from '../../../domain/counts.ts'
import { KEEP_SECONDS } from './counters.ts'
import { stateSchema } from './schemas.ts'
import { lastCompleteSecond, restore, type Serving, servicesStatus, totalsOf } from './serving.ts'
import { type Channel, type FromNew, type Report, say } from './succession.ts'

const REPORT_EVERY_MS = 100
const TOTALS_EVERY = 10
/** Cells of more seconds are sent in several reports. */
const REPORT_SECONDS = 30

export class Follower {
  readonly #front: Serving
  readonly #channel: Channel
  readonly #stop: (deadlineMs: number, idleMs: number) => void
  #applied = 0
  #reported = -1
  #reports = 0
  #reporting: NodeJS.Timeout | null = null

  constructor(front: Serving, channel: Channel, stop: (deadlineMs: number, idleMs: number) => void) {
    this.#front = front
    this.#channel = channel
    this.#stop = stop
  }

  start(): void {
    this.#channel.on('message', (message: FromNew) => {
      // What is not followed is not confirmed either, and so nothing is ended that may still be sent to.
      this.#onMessage(message).catch((error) => console.error('A change of the leading front failed:', error))
    })
    this.#reporting = setInterval(() => void this.#sendReport(), REPORT_EVERY_MS)
  }

  /** Tells what no report had. Resolves when that is on its way, or nobody is there. */
  async finish(): Promise<void> {
    if (this.#reporting) clearInterval(this.#reporting)
    const cells = this.#cells(Math.floor(this.#front.core.now() / 1000))
    await say(this.#channel, { kind: 'ended', report: this.report(cells, null) })
  }

  report(cells: Report['cells'], second: number | null): Report {
    const front = this.#front
    const peers = front.peers()
    return {
      applied: this.#applied,
      services: servicesStatus(front),
      streamsCut: front.core.events.streamsCut + peers.reduce((sum, { report }) => sum + report.streamsCut, 0),
      draining: [process.pid, ...peers.flatMap(({ report }) => report.draining)],
      cells,
      second,
      ...(second === null || this.#reports++ % TOTALS_EVERY === 0 ? { totals: totalsOf(front) } : {}),
    }
  }

  async #onMessage(message: FromNew): Promise<void> {
    if (message.kind === 'stop') this.#stop(message.deadlineMs, message.idleMs ?? 0)
    if (message.kind !== 'change') return
    const { core, peers } = this.#front
    const state = stateSchema.parse(message.state)
    restore(core, state)
    core.upstreams.closeIdle()
    await Promise.all(peers().map((peer) => peer.tell(state)))
    this.#applied = Math.max(this.#applied, message.number)
    await this.#sendReport()
  }

  async #sendReport(): Promise<void> {
    const whole = lastCompleteSecond(this.#front)
    if (this.#reported < 0) this.#reported = Math.max(-1, whole - KEEP_SECONDS - 1)
    const second = Math.min(whole, this.#reported + REPORT_SECONDS)
    await say(this.#channel, { kind: 'report', report: this.report(this.#cells(second), second) })
  }

  #cells(second: number): Record<string, readonly Cell[]> {
    const from = this.#reported
    this.#reported = Math.max(from, second)
    const services = [...this.#front.core.rotation.services.values()]
    return Object.fromEntries(services.map(({ name, cells }) => [name, cells.between(from, second)]))
  }
}
