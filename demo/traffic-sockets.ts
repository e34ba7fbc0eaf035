// Web sockets that stay open and send small messages which the other side echoes.
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import type { Tally } from './traffic-tally.ts'

export interface SocketOptions {
  /** Such as `ws://127.0.0.1:8080/live`. */
  readonly url: string
  readonly sessions?: number
  readonly messageEveryMs?: number
}

const SERVICE_REFUSED = 'refused by the service'
const GOING_AWAY = 1001
const NORMAL = 1000
const REOPEN_AFTER_MS = 100

export class SocketSessions {
  readonly #options: Required<SocketOptions>
  readonly #tally: Tally
  readonly #open = new Set<WebSocket>()
  #isStopping = false

  constructor(options: SocketOptions, tally: Tally) {
    this.#options = { sessions: 10, messageEveryMs: 200, ...options }
    this.#tally = tally
  }

  start(): void {
    for (let session = 0; session < this.#options.sessions; session += 1) this.#connect()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    const closed = [...this.#open].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    for (const socket of this.#open) socket.close(NORMAL)
    await Promise.all(closed)
  }

  #connect(): void {
    const socket = new WebSocket(this.#options.url, { perMessageDeflate: false })
    this.#open.add(socket)
    let expected = 0
    let timer: NodeJS.Timeout | undefined
    let problem = ''
    let isWaiting = false
    const say = () => {
      if (!isWaiting) socket.send(String(expected))
      isWaiting = true
    }

    socket.on('open', () => {
      this.#tally.sockets.opened += 1
      timer = setInterval(say, this.#options.messageEveryMs)
      say()
    })
    socket.on('message', (data) => {
      if (data.toString() === String(expected)) this.#tally.sockets.roundTrips += 1
      else this.#tally.sockets.wrongEchoes += 1
      isWaiting = false
      expected += 1
    })
    socket.on('error', (error) => {
      problem ||= error.message
    })
    socket.on('unexpected-response', (_request, response) => {
      problem = this.#refused(response)
      socket.terminate()
    })
    socket.on('close', (code) => {
      clearInterval(timer)
      this.#open.delete(socket)
      this.#closed(code, problem)
      if (!this.#isStopping) setTimeout(() => !this.#isStopping && this.#connect(), REOPEN_AFTER_MS)
    })
  }

  #closed(code: number, problem: string): void {
    if (code === GOING_AWAY) this.#tally.sockets.streamsCut += 1
    else if (problem === SERVICE_REFUSED) this.#tally.streamFailed()
    else if (!this.#isStopping) {
      const error = problem || `closed with ${code}`
      this.#tally.dropped({ phase: 'web socket', request: this.#options.url, reusedConnection: false, error })
    }
  }

  #refused(response: IncomingMessage): string {
    response.resume()
    const platformError = response.headers['x-moodify-error']
    return platformError === undefined ? SERVICE_REFUSED : `${response.statusCode} ${platformError}`
  }
}
