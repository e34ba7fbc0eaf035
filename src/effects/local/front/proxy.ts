// The way of one request: choose a replica, get a connection to it, send the request on, send the answer back.
//
// Nothing is read of the request's body before the connection stands, so a replica that does not accept one can be
// replaced by another without any risk. After that a request is only sent again if it may be, and if no byte of an
// answer has come.
import type { ClientRequest, IncomingMessage, OutgoingMessage, ServerResponse } from 'node:http'
import { answerError, type Core, chooseReplica, type PlatformErrorName, sessionOf } from './core.ts'
import { BadRequest, backwardHead, type ForwardHead, forwardHead, stripPrefix } from './headers.ts'
import type { Exchange } from './in-flight.ts'
import type { Replica, Service } from './rotation.ts'
import { endTurns, inTurn } from './turns.ts'
import { type Connection, requestOn } from './upstream.ts'

/** Merging head and body copies the body once more, which a system call outweighs up to here. */
const SMALL_BYTES = 4096

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** Answers a request; the listener for `request` and `checkContinue`. */
export function handleRequest(
  core: Core,
  request: IncomingMessage,
  response: ServerResponse,
  expectsContinue: boolean,
): void {
  inTurn(request.socket, response, () => answer(core, request, response, expectsContinue))
}

function answer(core: Core, request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
  let head: ForwardHead
  try {
    head = forwardHead(request, core.makeId)
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error
    endTurns(request.socket)
    answerError(core, response, 'bad-request', error.message)
    return
  }
  const service = core.rotation.serviceFor(head.path)
  if (!service) {
    answerError(core, response, 'no-service')
    return
  }
  const session = sessionOf(service, request, head.pin)
  const chosen = chooseReplica(core, service, { pin: head.pin, session })
  const cookie = session?.setCookie ?? null
  if (typeof chosen === 'string') answerError(core, response, chosen)
  else new Proxied(core, { request, response, head, service, expectsContinue, cookie }).start(chosen)
}

interface Parts {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: ForwardHead
  readonly service: Service
  readonly expectsContinue: boolean
  /** To be set with the answer. */
  readonly cookie: string | null
}

class Proxied implements Exchange {
  readonly pinned: boolean
  place = -1
  private readonly core: Core
  private readonly parts: Parts
  private readonly startedMs: number
  /** May be sent again when it is not known whether it arrived. */
  private readonly repeatable: boolean
  /** Null before the first and after the last attempt. */
  private replica: Replica | null = null
  private upstream: ClientRequest | null = null
  private triedOther = false
  private triedAgain = false
  private answer: IncomingMessage | null = null
  /** Time to the head of an answer that is a stream without a natural end. */
  private streamTookMs: number | null = null
  private sent = false
  private failed = false
  private ended = false

  constructor(core: Core, parts: Parts) {
    this.core = core
    this.parts = parts
    this.pinned = parts.head.pin !== null
    this.startedMs = core.now()
    this.repeatable = !parts.head.hasBody && IDEMPOTENT.has(parts.request.method!)
  }

  start(replica: Replica): void {
    this.parts.response.on('close', () => this.end())
    this.join(replica)
    this.attempt({ fresh: false })
  }

  cut(): void {
    // Of a whole answer, only our part is left to do.
    if (this.ended || this.answer?.complete) return
    this.core.events.streamsCut++
    if (this.parts.response.headersSent) this.parts.response.destroy()
    else this.fail('drain-time-over')
  }

  private join(replica: Replica): void {
    this.replica?.active.delete(this)
    this.replica = replica
    replica.active.add(this)
  }

  private attempt({ fresh }: { fresh: boolean }): void {
    const replica = this.replica!
    const kept = fresh ? null : this.core.upstreams.take(replica, { repeatable: this.repeatable })
    if (kept) {
      this.send(kept)
      return
    }
    this.core.upstreams.open(replica, (_error, connection) => {
      // Meanwhile it may have turned out that the body cannot be read.
      if (this.ended || this.parts.response.headersSent) {
        if (connection) this.core.upstreams.keep(connection)
      } else if (connection) this.send(connection)
      else this.connectionFailed(replica)
    })
  }

  private connectionFailed(replica: Replica): void {
    const { rotation, events } = this.core
    rotation.rest(replica)
    const other = this.triedOther ? null : rotation.pickIn(replica.slot, replica)
    if (!other) {
      this.failed = true
      this.fail('connection-failed')
      return
    }
    this.record(true)
    this.triedOther = true
    events.retries++
    this.join(other)
    this.attempt({ fresh: false })
  }

  private send(connection: Connection): void {
    const { request, response, head, expectsContinue } = this.parts
    const unseen = unseenSince(connection)
    let upstream: ClientRequest
    try {
      upstream = requestOn(connection, { method: request.method!, path: this.path(), headers: head.headers })
    } catch (error) {
      connection.socket.destroy()
      answerError(this.core, response, 'bad-request', (error as Error).message)
      return
    }
    this.upstream = upstream
    this.sent = true
    upstream.on('response', (answer) => {
      if (this.upstream === upstream) this.sendBack(answer, connection)
    })
    // After every error comes this.
    upstream.on('error', ignore)
    upstream.on('close', () => {
      if (this.upstream === upstream) this.broken(unseen())
    })
    if (expectsContinue) response.writeContinue()
    if (!head.hasBody) {
      upstream.end()
      return
    }
    // Node would keep the head until the body begins; a service may want to answer before.
    if (request.readableLength === 0) upstream.flushHeaders()
    this.limitWaiting()
    forward(request, upstream)
    request.on('close', () => {
      if (!request.complete) upstream.destroy()
    })
  }

  /** A client that stops in its body would hold a connection to the replica for ever. */
  private limitWaiting(): void {
    const { request, response } = this.parts
    const { bodyTimeoutMs } = this.core
    request.setTimeout(bodyTimeoutMs, () => {
      if (request.isPaused()) request.socket.setTimeout(bodyTimeoutMs)
      else if (response.headersSent) response.destroy()
      else this.fail('too-slow')
    })
    request.once('end', () => request.socket.setTimeout(0))
  }

  /** The path as the service sees it. */
  private path(): string {
    const { head, service } = this.parts
    return service.route?.stripPath ? stripPrefix(head.path, service.route.path) : head.path
  }

  private sendBack(answer: IncomingMessage, connection: Connection): void {
    const { response, cookie } = this.parts
    if (response.headersSent) {
      this.upstream?.destroy()
      return
    }
    const { headers, keepAliveMs, isEventStream, isCoded, contentLength } = backwardHead(answer)
    if (isCoded) {
      this.broken(false)
      return
    }
    if (keepAliveMs !== null) connection.keepMs = keepAliveMs / 2
    if (cookie !== null) headers.push('set-cookie', cookie)
    if (this.core.stopping) headers.push('connection', 'close')
    try {
      response.writeHead(answer.statusCode!, answer.statusMessage, headers)
    } catch {
      // Node reads a little more than it writes, such as a status below 100.
      this.broken(false)
      return
    }
    this.answer = answer
    if (isEventStream) this.streamTookMs = this.core.now() - this.startedMs
    answer.on('error', () => this.broken(false))
    forward(answer, response, contentLength <= SMALL_BYTES ? contentLength : Number.NaN)
  }

  /** The connection to the replica broke. `unseen` says that it may have been closed before the request arrived. */
  private broken(unseen: boolean): void {
    // After a whole answer it is the usual end of a connection, or about the rest of an upload that the replica
    // did not wait for. The client may still be reading what we hold of the answer.
    if (this.ended || this.answer?.complete) return
    const { response } = this.parts
    if (response.writableEnded) return
    if (unseen && this.repeatable && !this.triedAgain) {
      this.triedAgain = true
      this.core.events.retries++
      this.upstream = null
      this.attempt({ fresh: true })
      return
    }
    this.failed = true
    if (response.headersSent) response.destroy()
    else this.fail('no-answer')
  }

  private fail(name: PlatformErrorName): void {
    this.upstream?.destroy()
    this.upstream = null
    answerError(this.core, this.parts.response, name)
  }

  private record(failed: boolean): void {
    if (this.pinned) return
    this.core.rotation.record(this.replica!, failed, this.streamTookMs ?? this.core.now() - this.startedMs)
  }

  /** The answer was sent to its end, or the client has gone. */
  private end(): void {
    if (this.ended) return
    this.ended = true
    const { replica, answer } = this
    if (!answer?.complete || (!answer.readableEnded && answer.readableLength > 0)) this.upstream?.destroy()
    replica!.active.delete(this)
    // A client that goes before anything was sent is nobody's request.
    if (this.sent || this.failed) this.record(this.failed || (answer?.statusCode ?? 0) >= 500)
  }
}

/** Whether nothing came on a kept connection since now: it may have been closed before it was used again. */
function unseenSince({ used, socket }: Connection): () => boolean {
  if (!used) return () => false
  const bytesBefore = socket.bytesRead
  return () => socket.bytesRead === bytesBefore
}

/**
 * Sends the body of one message on as the body of another, no faster than that one takes it.
 *
 * @param length  of a small body that is known: it goes out in one write with the head when it comes in one piece
 */
function forward(source: IncomingMessage, sink: OutgoingMessage, length = Number.NaN): void {
  let whole = false
  let waits = false
  source.on('data', (chunk: Buffer) => {
    if (chunk.length === length) {
      whole = true
      if (!sink.destroyed) sink.end(chunk.toString('latin1'), 'latin1')
      return
    }
    // A sink that has gone takes nothing: the rest is read and dropped, so that the sender sees its answer.
    if (sink.destroyed || sink.write(chunk)) return
    source.pause()
    if (waits) return
    waits = true
    const resume = () => source.resume()
    sink.on('drain', resume)
    sink.on('close', resume)
  })
  source.on('end', () => {
    if (whole || sink.destroyed) return
    if (source.rawTrailers.length > 0) sink.addTrailers(pairs(source.rawTrailers))
    sink.end()
  })
}

function ignore(): void {}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length >> 1 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!])
}
