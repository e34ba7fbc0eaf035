// Another process that serves the same environment and follows this one: the front before it, which still answers what
// is on its kept connections, or a worker, which shares the listening socket for good.
import type { SavedState } from './schemas.ts'
import { type Channel, type FromOld, type Report, say } from './succession.ts'

/** After that a change counts as made, and the status says that it is not known to be followed. */
const CONFIRM_MS = 1000
/** It reports ten times a second; one that is silent for this long hangs, and what it has in flight is lost anyway. */
const SILENT_MS = 30_000

export class Peer {
  /** Called with each report; the last one comes just before `gone` resolves. */
  onReport: (report: Report) => void = () => {}
  readonly gone: Promise<void>
  protected readonly channel: Channel
  readonly #gone = Promise.withResolvers<void>()
  #report: Report
  #told = 0
  readonly #unconfirmed = new Map<number, () => void>()
  #silence: NodeJS.Timeout | null = null

  constructor(channel: Channel, report: Report) {
    this.channel = channel
    this.#report = report
    this.gone = this.#gone.promise
  }

  get report(): Report {
    return this.#report
  }

  /** It follows all that it was told. */
  get isUpToDate(): boolean {
    return this.#report.applied >= this.#told
  }

  /** Resolves when it follows the change, has ended, or does not confirm in time. */
  tell(state: SavedState): Promise<void> {
    const number = ++this.#told
    void say(this.channel, { kind: 'change', number, state })
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CONFIRM_MS)
      this.#unconfirmed.set(number, () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** @param idleMs  how much longer connections without a request may stay */
  stop(deadlineMs: number, idleMs = 0): void {
    void say(this.channel, { kind: 'stop', deadlineMs, idleMs })
  }

  /** From here on it is listened to. */
  follow(): void {
    this.channel.on('message', (message: FromOld) => {
      if (message.kind !== 'report' && message.kind !== 'ended') return
      this.#take(message.report)
      if (message.kind === 'ended') this.#end()
    })
    this.channel.once('disconnect', () => this.#end())
    if (!this.channel.connected) this.#end()
    else this.#expectReport()
  }

  #take(report: Report): void {
    // Totals are long, and come less often.
    this.#report = { ...report, totals: report.totals ?? this.#report.totals }
    this.#expectReport()
    for (const [number, confirm] of this.#unconfirmed) {
      if (number > report.applied) continue
      this.#unconfirmed.delete(number)
      confirm()
    }
    this.onReport(this.#report)
  }

  /** Its channel is open, so it is its own process that is killed. */
  #expectReport(): void {
    if (this.#silence) clearTimeout(this.#silence)
    this.#silence = setTimeout(() => {
      const [pid] = this.#report.draining
      console.error(`Process ${pid}, which serves too, has not said anything for ${SILENT_MS} ms; it is killed.`)
      if (this.channel.connected && pid !== undefined) process.kill(pid, 'SIGKILL')
    }, SILENT_MS)
  }

  #end(): void {
    if (this.#silence) clearTimeout(this.#silence)
    for (const confirm of this.#unconfirmed.values()) confirm()
    this.#unconfirmed.clear()
    this.#gone.resolve()
  }
}
