// The front's side of its workers: it starts them, gives each the listening socket, and starts again what dies.
//
// Node does not divide the work of one process over cores, and needs not: whoever waits for a connection on the shared
// socket may get the next one. What a worker has in flight counts in the status of the front, which tells it every
// change and waits until it is followed; so a replica is ended only when nobody sends to it any more.
import { type ChildProcess, spawn } from 'node:child_process'
import type { Server } from 'node:http'
import { lastWholeSecond } from './counters.ts'
import type { TlsFiles } from './encryption.ts'
import { Peer } from './peer.ts'
import type { SavedState } from './schemas.ts'
import { type Serving, takeCountsOf } from './serving.ts'
import { type FromNew, type FromOld, type Report, say, systemMs } from './succession.ts'

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000
/** One that has run this long has recovered. */
const STABLE_MS = 60_000

export interface WorkersOptions {
  readonly front: Serving
  readonly server: Server
  readonly count: number
  /** Program and arguments of a worker. */
  readonly command: readonly string[]
  readonly tls: TlsFiles | null
  /** What the front knows at this moment. */
  readonly state: () => SavedState
}

interface Worker {
  readonly child: ChildProcess
  readonly peer: Peer
}

export class Workers {
  readonly #options: WorkersOptions
  readonly #running = new Set<Worker>()
  readonly #lives: Promise<void>[] = []
  readonly #stopping = Promise.withResolvers<void>()
  #stopped = false

  constructor(options: WorkersOptions) {
    this.#options = options
    for (let number = 0; number < options.count; number++) this.#lives.push(this.#live())
  }

  get peers(): readonly Peer[] {
    return [...this.#running].map(({ peer }) => peer)
  }

  get pids(): readonly number[] {
    return [...this.#running].flatMap(({ child }) => child.pid ?? [])
  }

  /** Resolves when all have ended after `stop`. */
  get gone(): Promise<unknown> {
    return Promise.all(this.#lives)
  }

  /** No connection is accepted any more, and no worker is started again. */
  stop(deadlineMs: number, idleMs = 0): void {
    this.#stopped = true
    this.#stopping.resolve()
    for (const { peer } of this.#running) peer.stop(deadlineMs, idleMs)
  }

  async #live(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#stopped) {
      const startedAt = performance.now()
      await this.#runOnce()
      if (this.#stopped) return
      if (performance.now() - startedAt >= STABLE_MS) pauseMs = FIRST_PAUSE_MS
      console.error(`${new Date().toISOString()} a worker has ended; the next one starts in ${pauseMs} ms`)
      await Promise.race([this.#stopping.promise, new Promise((resolve) => setTimeout(resolve, pauseMs))])
      pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)
    }
  }

  async #runOnce(): Promise<void> {
    const [program, ...args] = this.#options.command
    const child = spawn(program!, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const { promise: exited, resolve } = Promise.withResolvers<void>()
    child.once('exit', () => resolve())
    child.once('error', (error) => {
      console.error(`A worker cannot be started: ${error.message}`)
      resolve()
    })
    child.on('message', (message: FromNew) => {
      if (this.#stopped) return
      if (message.kind === 'ready') void say(child, this.#everything())
      if (message.kind === 'prepared') this.#lead(child)
    })
    await Promise.race([exited, this.#stopping.promise])
    const worker = [...this.#running].find((one) => one.child === child)
    if (!worker) child.kill('SIGKILL')
    await exited
    await worker?.peer.gone
    if (worker) this.#running.delete(worker)
  }

  #everything(): FromOld {
    const { front, tls, state } = this.#options
    const clock = { nowMs: front.core.now(), systemMs: systemMs() }
    return { kind: 'state', state: state(), clock, countsSource: '', supervisor: null, report: emptyReport(front), tls }
  }

  /** From here on it is told every change, first of all what has changed while it was starting. */
  #lead(child: ChildProcess): void {
    const { front, server, state } = this.#options
    const peer = new Peer(child, { ...emptyReport(front), draining: [child.pid!] })
    takeCountsOf(peer, front)
    peer.follow()
    this.#running.add({ child, peer })
    void peer.tell(state())
    void say(child, { kind: 'listen' }, server)
  }
}

function emptyReport({ core }: Serving): Report {
  return { applied: 0, services: {}, streamsCut: 0, draining: [], cells: {}, second: lastWholeSecond(core.now()) }
}
