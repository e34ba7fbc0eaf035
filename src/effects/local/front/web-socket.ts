// WebSockets: the handshake is proxied like a request; after it, bytes are passed on unread, but for one thing.
//
// At the drain time the client shall be told to go away with a proper close frame (1001), and such a frame may only
// stand between two others. So the borders of the frames that the service sends are followed, and nothing else.
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { STATUS_CODES } from '../http.ts'
import {
  type Core,
  chooseReplica,
  ERROR_HEADER,
  errorBody,
  type PlatformErrorName,
  platformErrors,
  sessionOf,
} from './core.ts'
import { FrameBorders } from './frame-borders.ts'
import { BadRequest, backwardHead, type ForwardHead, forwardHead, stripPrefix } from './headers.ts'
import type { Exchange } from './in-flight.ts'
import type { Replica, Service } from './rotation.ts'
import { inTurn } from './turns.ts'
import { type Connection, requestOn } from './upstream.ts'

/** How long client and service may take to end after the close frame. */
const CLOSING_MS = 1000
const UPGRADE = ['connection', 'Upgrade', 'upgrade', 'websocket']
/** Final frame, close, two bytes: 1001, "going away". Frames of a server are not masked. RFC 6455, 5.5.1 and 7.4.1. */
const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9])

/** Answers a WebSocket handshake; the listener for `upgrade`. */
export function handleUpgrade(core: Core, request: IncomingMessage, client: Socket, early: Buffer): void {
  client.on('error', () => client.destroy())
  inTurn(client, null, () => answer(core, request, client, early))
}

function answer(core: Core, request: IncomingMessage, client: Socket, early: Buffer): void {
  let head: ForwardHead
  try {
    head = forwardHead(request, core.makeId)
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error
    refuse(core, client, 'bad-request', error.message)
    return
  }
  const service = core.rotation.serviceFor(head.path)
  if (!service) {
    refuse(core, client, 'no-service')
    return
  }
  const session = sessionOf(service, request, head.pin)
  const chosen = chooseReplica(core, service, { pin: head.pin, session })
  const cookie = session?.setCookie ?? null
  if (typeof chosen === 'string') refuse(core, client, chosen)
  else new WebSocketSession(core, { client, early, head, service, cookie }).start(chosen)
}

/** The listener for `connect`. */
export function refuseConnect(core: Core, client: Socket): void {
  client.on('error', () => client.destroy())
  inTurn(client, null, () => refuse(core, client, 'method-not-allowed'))
}

/** Answers in the platform's own name on a connection that Node's server has given away. */
export function refuse(core: Core, client: Socket, name: PlatformErrorName, message?: string): void {
  if (!client.writable) return
  core.events.answered[name]++
  const body = errorBody(name, message)
  const { status } = platformErrors[name]
  const headers = [
    'content-type',
    'application/json',
    'content-length',
    `${Buffer.byteLength(body)}`,
    ERROR_HEADER,
    name,
  ]
  writeHead(client, status, STATUS_CODES[status]!, [...headers, 'connection', 'close'])
  client.write(body)
  client.destroySoon()
}

function writeHead(client: Socket, status: number, message: string, headers: readonly string[]): void {
  let text = `HTTP/1.1 ${status} ${message}\r\n`
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  client.write(`${text}\r\n`, 'latin1')
}

interface Parts {
  readonly client: Socket
  /** What the client sent right after the handshake. */
  readonly early: Buffer
  readonly head: ForwardHead
  readonly service: Service
  /** To be set with the answer. */
  readonly cookie: string | null
}

class WebSocketSession implements Exchange {
  readonly pinned: boolean
  place = -1
  private readonly core: Core
  private readonly parts: Parts
  private readonly startedMs: number
  private readonly borders = new FrameBorders()
  private replica: Replica | null = null
  private upstream: Socket | null = null
  private answered = false
  /** To be ended; `saidSo` once the close frame is sent. */
  private closing = false
  private saidSo = false

  constructor(core: Core, parts: Parts) {
    this.core = core
    this.parts = parts
    this.pinned = parts.head.pin !== null
    this.startedMs = core.now()
  }

  start(replica: Replica, { triedOther = false }: { triedOther?: boolean } = {}): void {
    const { rotation, upstreams } = this.core
    const { client } = this.parts
    this.join(replica)
    if (!triedOther) client.once('close', () => this.end())
    upstreams.open(replica, (_error, connection) => {
      if (client.destroyed || this.closing) connection?.socket.destroy()
      else if (connection) this.handshake(connection)
      else {
        rotation.rest(replica)
        this.count(true)
        const other = triedOther ? null : rotation.pickIn(replica.slot, replica)
        if (other) this.start(other, { triedOther: true })
        else refuse(this.core, client, 'connection-failed')
      }
    })
  }

  cut(): void {
    if (this.closing) return
    this.closing = true
    this.core.events.streamsCut++
    const { client } = this.parts
    setTimeout(() => client.destroy(), CLOSING_MS).unref()
    if (!this.answered) refuse(this.core, client, 'drain-time-over')
    else if (this.borders.atBorder) this.sayGoingAway()
  }

  private join(replica: Replica): void {
    this.replica?.active.delete(this)
    this.replica = replica
    replica.active.add(this)
  }

  private count(failed: boolean): void {
    if (!this.pinned) this.core.rotation.record(this.replica!, failed, this.core.now() - this.startedMs)
  }

  private end(): void {
    this.replica!.active.delete(this)
    this.upstream?.destroy()
  }

  private handshake(connection: Connection): void {
    const { head, service, client } = this.parts
    const path = service.route?.stripPath ? stripPrefix(head.path, service.route.path) : head.path
    const headers = [...head.headers, ...UPGRADE]
    this.upstream = connection.socket
    let upstream: ClientRequest
    try {
      upstream = requestOn(connection, { method: 'GET', path, headers })
    } catch (error) {
      refuse(this.core, client, 'bad-request', (error as Error).message)
      return
    }
    upstream.on('upgrade', (answer, socket: Socket, early) => this.open(answer, socket, early))
    upstream.on('response', (answer) => this.passRefusal(answer))
    upstream.on('error', () => {
      if (this.answered || client.destroyed || this.closing) return
      this.answered = true
      this.count(true)
      refuse(this.core, client, 'no-answer')
    })
    upstream.end()
  }

  private open(answer: IncomingMessage, service: Socket, early: Buffer): void {
    const { client } = this.parts
    if (this.closing) {
      service.destroy()
      return
    }
    this.answered = true
    this.count(false)
    writeHead(client, 101, answer.statusMessage!, [...backwardHead(answer).headers, ...this.cookie(), ...UPGRADE])
    service.on('close', () => client.destroySoon())
    service.on('data', (chunk: Buffer) => {
      if (this.toClient(chunk)) return
      service.pause()
      client.once('drain', () => service.resume())
    })
    if (early.length > 0) this.toClient(early)
    if (this.parts.early.length > 0) service.write(this.parts.early)
    client.pipe(service)
  }

  /** @returns whether the client takes more */
  private toClient(chunk: Buffer): boolean {
    const { client } = this.parts
    if (this.saidSo) return true
    const border = this.borders.follow(chunk)
    if (!this.closing || border < 0) return client.write(chunk)
    client.write(chunk.subarray(0, border))
    this.sayGoingAway()
    return true
  }

  /** What the client answers to it goes to the service, which then ends the connection. */
  private sayGoingAway(): void {
    this.saidSo = true
    this.parts.client.write(GOING_AWAY)
  }

  private cookie(): string[] {
    const { cookie } = this.parts
    return cookie === null ? [] : ['set-cookie', cookie]
  }

  /** The service did not accept the handshake: its answer is passed on, and the connection ends with it. */
  private passRefusal(answer: IncomingMessage): void {
    const { client } = this.parts
    if (this.closing) return
    this.answered = true
    this.count(answer.statusCode! >= 500)
    writeHead(client, answer.statusCode!, answer.statusMessage!, [
      ...backwardHead(answer).headers,
      ...this.cookie(),
      'connection',
      'close',
    ])
    answer.on('error', () => client.destroy())
    answer.on('end', () => client.destroySoon())
    answer.pipe(client, { end: false })
  }
}
