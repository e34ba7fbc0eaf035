// The new front's side of a handover (succession.ts).
import type { Server } from 'node:http'
import type { Server as NetServer } from 'node:net'
import type { FrontSupervisor } from '../protocol.ts'
import type { AsideServer } from '../socket-server.ts'
import { type SavedState, stateSchema } from './schemas.ts'
import { type FromOld, type Report, say, systemMs } from './succession.ts'

/** After that a change counts as made, and the status says that it is not known to be followed. */
const CONFIRM_MS = 1000
/** It reports ten times a second; one that is silent for this long hangs, and what it has in flight is lost anyway. */
const SILENT_MS = 30_000

/** What a front that takes over knows before it serves. */
export interface Inheritance {
  readonly state: SavedState
  /** Goes on where the clock of the old front is, so that seconds mean the same in both. */
  readonly now: () => number
  readonly countsSource: string
  readonly supervisor: FrontSupervisor | null
  readonly predecessor: Predecessor
}

/** Waits for what the old front hands over. @throws Error when it goes away or says something else */
export async function inherit(): Promise<Inheritance> {
  const waiting = heard('state')
  void say(process, { kind: 'ready' })
  const { state, clock, countsSource, supervisor, report } = (await waiting) as Extract<FromOld, { kind: 'state' }>
  const ahead = systemMs() - performance.now() + clock.nowMs - clock.systemMs
  return {
    state: stateSchema.parse(state),
    now: () => performance.now() + ahead,
    countsSource,
    supervisor,
    predecessor: new Predecessor(report),
  }
}

/** The front before this one, which still answers what is on its kept connections. */
export class Predecessor {
  /** Called with each report; the last one comes just before `gone` resolves. */
  onReport: (report: Report) => void = () => {}
  readonly gone: Promise<void>
  readonly #gone = Promise.withResolvers<void>()
  #report: Report
  #told = 0
  readonly #unconfirmed = new Map<number, () => void>()
  #silence: NodeJS.Timeout | null = null

  constructor(report: Report) {
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

  /**
   * Takes the listening socket and the name of the control socket over. Nothing here can fail for want of something
   * once the socket has come, because what it accepts from then on would be lost.
   *
   * @throws Error when the old front goes away before it has let go
   */
  async takeOver(server: Server, backlog: number, control: AsideServer): Promise<void> {
    const committed = heard('committed').catch((error: Error) => {
      if (!control.serves()) throw error
    })
    const listening = heard('listen', (handle) => {
      server.listen(handle, backlog)
      void say(process, { kind: 'listening' })
    })
    void say(process, { kind: 'prepared', controlSocket: control.aside })
    await Promise.all([listening, committed])
    this.#follow()
  }

  /** Resolves when it follows the change, has ended, or does not confirm in time. */
  tell(state: SavedState): Promise<void> {
    const number = ++this.#told
    void say(process, { kind: 'change', number, state })
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CONFIRM_MS)
      this.#unconfirmed.set(number, () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  stop(deadlineMs: number): void {
    void say(process, { kind: 'stop', deadlineMs })
  }

  #follow(): void {
    process.on('message', (message: FromOld) => {
      if (message.kind !== 'report' && message.kind !== 'ended') return
      this.#take(message.report)
      if (message.kind === 'ended') this.#end()
    })
    process.once('disconnect', () => this.#end())
    if (!process.connected) this.#end()
    else this.#expectReport()
  }

  #take(report: Report): void {
    this.#report = report
    this.#expectReport()
    for (const [number, confirm] of this.#unconfirmed) {
      if (number > report.applied) continue
      this.#unconfirmed.delete(number)
      confirm()
    }
    this.onReport(report)
  }

  /** Its channel is open, so it is its own process that is killed. */
  #expectReport(): void {
    if (this.#silence) clearTimeout(this.#silence)
    this.#silence = setTimeout(() => {
      const [pid] = this.#report.draining
      console.error(`The front before this one (pid ${pid}) has not said anything for ${SILENT_MS} ms; it is killed.`)
      if (process.connected && pid !== undefined) process.kill(pid, 'SIGKILL')
    }, SILENT_MS)
  }

  #end(): void {
    if (this.#silence) clearTimeout(this.#silence)
    for (const confirm of this.#unconfirmed.values()) confirm()
    this.#unconfirmed.clear()
    this.#gone.resolve()
  }
}

/** The next message of a kind. What comes with it is taken at once: a socket without an owner would accept and not serve. */
function heard(kind: FromOld['kind'], take: (handle: NetServer) => void = () => {}): Promise<FromOld> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: FromOld, handle: unknown) => {
      if (message.kind !== kind) return
      stop()
      take(handle as NetServer)
      resolve(message)
    }
    const onDisconnect = () => {
      stop()
      reject(new Error(`the front before this one has gone without a word (${kind})`))
    }
    const stop = () => {
      process.off('message', onMessage)
      process.off('disconnect', onDisconnect)
    }
    process.on('message', onMessage)
    process.on('disconnect', onDisconnect)
    if (!process.connected) onDisconnect()
  })
}
