// A client that sends requests at a steady rate, whatever comes back (an open loop: a slow service does not get fewer
// of them), over kept and short connections, and counts what came of each. It never sends a request twice: a retry
// would hide exactly what is to be seen.
import { Agent, type ClientRequest, type IncomingMessage, request as sendRequest } from 'node:http'
import type { Socket } from 'node:net'
import { moodifyMix, pickFrom, type RequestKind, type RequestToSend, seededRandom } from './traffic-mix.ts'
import { type SocketOptions, SocketSessions } from './traffic-sockets.ts'
import { type Phase, Tally, type TrafficReport } from './traffic-tally.ts'

export { type TrafficReport, upperBound95 } from './traffic-tally.ts'

export interface TrafficOptions {
  /** Where the front is, such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly requestsPerSecond?: number
  /** Share of the requests that open a connection of their own, 0 to 1. */
  readonly shortShare?: number
  readonly kinds?: readonly RequestKind[]
  /** An answer that takes longer has hurt. */
  readonly slowMs?: number
  /** A request without an answer for this long is dropped. */
  readonly timeoutMs?: number
  /** More requests than this are never in flight; those due are counted as `notSent`. */
  readonly maxInFlight?: number
  /** Header of an answer that names the version. */
  readonly versionHeader?: string
  readonly seed?: number
  /** Also keeps web sockets open and sends messages to be echoed. */
  readonly sockets?: SocketOptions
}

/** Header of answers that the platform made itself, because no service did. */
const PLATFORM_ERROR_HEADER = 'x-moodify-error'
const TICK_MS = 20
const CHUNK_PAUSE_MS = 4
/** The server's clock for an idle connection starts a little before ours, so ours ends well before. */
const IDLE_MARGIN_MS = 1000
/** Errors of this machine and not of what is tested. */
const ownErrors = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'])

export class TrafficClient {
  readonly #options: Required<Omit<TrafficOptions, 'sockets'>>
  readonly #target: { readonly host: string; readonly port: number }
  readonly #tally: Tally
  readonly #random: () => number
  readonly #kept = new Agent({ keepAlive: true, maxFreeSockets: 64 })
  readonly #short = new Agent({ keepAlive: false })
  readonly #usableUntil = new WeakMap<Socket, number>()
  readonly #sockets: SocketSessions | null
  #timer: NodeJS.Timeout | null = null
  #startedAt = 0
  #due = 0

  constructor(options: TrafficOptions) {
    this.#options = {
      requestsPerSecond: 300,
      shortShare: 0.2,
      kinds: moodifyMix,
      slowMs: 600,
      timeoutMs: 30_000,
      maxInFlight: 2000,
      versionHeader: 'x-app-version',
      seed: 1,
      ...options,
    }
    const url = new URL(options.url)
    this.#target = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) }
    this.#tally = new Tally(this.#options.slowMs)
    this.#random = seededRandom(this.#options.seed)
    this.#sockets = options.sockets ? new SocketSessions(options.sockets, this.#tally) : null
  }

  start(): void {
    this.#startedAt = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#sockets?.start()
  }

  snapshot(): TrafficReport {
    return this.#tally.report()
  }

  /** Sends nothing new, waits for what is in flight (at most the timeout), and closes everything. */
  async stop(): Promise<TrafficReport> {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
    await this.#sockets?.stop()
    while (this.#tally.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, TICK_MS))
    this.#kept.destroy()
    return this.snapshot()
  }

  #tick(): void {
    this.#closeOldConnections()
    const dueNow = Math.floor(((performance.now() - this.#startedAt) * this.#options.requestsPerSecond) / 1000)
    for (; this.#due < dueNow; this.#due += 1) {
      if (this.#tally.inFlight >= this.#options.maxInFlight) this.#tally.notSent += 1
      else this.#send(pickFrom(this.#options.kinds, this.#random).make(this.#random))
    }
  }

  /** An idle connection is used only while the server has promised to keep it: closing it later is its right. */
  #closeOldConnections(): void {
    const now = performance.now()
    for (const idle of Object.values(this.#kept.freeSockets)) {
      for (const socket of [...(idle ?? [])]) {
        if (now >= (this.#usableUntil.get(socket) ?? 0)) socket.destroy()
      }
    }
  }

  #send({ method, path, headers, chunks = [] }: RequestToSend): void {
    const startedAt = performance.now()
    const isShort = this.#random() < this.#options.shortShare
    const request = sendRequest({ ...this.#target, method, path, headers, agent: isShort ? this.#short : this.#kept })
    let phase: Phase = 'connecting'
    this.#tally.inFlight += 1
    const settle = once((count: () => void) => {
      this.#tally.inFlight -= 1
      count()
    })
    const drop = (error: NodeJS.ErrnoException) =>
      settle(() => {
        if (ownErrors.has(error.code ?? '')) this.#tally.ownFailures += 1
        else this.#tally.dropped({ phase, request: `${method} ${path}`, ...describe(request, error) })
      })

    request.setTimeout(this.#options.timeoutMs, () => request.destroy(new Error('no answer in time')))
    request.on('error', drop)
    request.on('socket', (socket) => {
      const connected = () => {
        phase = 'waiting for the answer'
      }
      if (socket.connecting) socket.once('connect', connected)
      else connected()
    })
    request.on('response', (response) => {
      phase = 'reading the answer'
      response.on('error', drop)
      response.on('end', () => {
        this.#notePromise(request, response)
        const platformError = response.headers[PLATFORM_ERROR_HEADER]
        if (platformError === undefined) {
          return settle(() => this.#tally.answered(this.#answerOf(response, performance.now() - startedAt)))
        }
        phase = 'answered by the platform'
        drop(new Error(`${response.statusCode} ${platformError}`))
      })
      response.resume()
    })
    stream(request, chunks)
  }

  #answerOf(response: IncomingMessage, ms: number) {
    const version = response.headers[this.#options.versionHeader]
    return { status: response.statusCode ?? 0, ms, version: typeof version === 'string' ? version : null }
  }

  /** How long the server will keep the connection, from `Keep-Alive: timeout=5`; without a promise it is not used again. */
  #notePromise(request: ClientRequest, response: IncomingMessage): void {
    const seconds = /(?:^|[\s,])timeout=(\d+)/.exec(String(response.headers['keep-alive'] ?? ''))?.[1]
    const promisedMs = Number(seconds ?? 0) * 1000
    const usableMs = Math.max(promisedMs - IDLE_MARGIN_MS, promisedMs / 2)
    if (request.socket) this.#usableUntil.set(request.socket, performance.now() + usableMs)
  }
}

function stream(request: ClientRequest, chunks: readonly string[]): void {
  const [first, ...rest] = chunks
  if (rest.length === 0) return void request.end(first)
  request.write(first)
  setTimeout(() => !request.destroyed && stream(request, rest), CHUNK_PAUSE_MS)
}

const describe = (request: ClientRequest, error: NodeJS.ErrnoException) => ({
  reusedConnection: request.reusedSocket,
  error: [error.code, error.message].filter(Boolean).join(': '),
})

function once(act: (count: () => void) => void): (count: () => void) => void {
  let isDone = false
  return (count) => {
    if (isDone) return
    isDone = true
    act(count)
  }
}
