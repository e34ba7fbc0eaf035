// Heads of requests and responses as they pass through. Node's parser has split them; what it lets through that
// two servers in a row could understand differently is refused here.
import type { IncomingMessage } from 'node:http'
import { SLOT_HEADER } from '../protocol.ts'

/** A request as it is sent on. `headers` is a flat list of names and values. */
export interface ForwardHead {
  /** Path and query as the client sent them, `/` first or `*`. */
  readonly path: string
  readonly headers: string[]
  readonly hasBody: boolean
  readonly pin: string | null
}

/** Why a request is answered with 400. */
export class BadRequest extends Error {}

// These concern one connection only, or are written anew.
const NOT_SENT_ON = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const NOT_SENT_ON_TO_SERVICE = new Set([
  ...NOT_SENT_ON,
  'host',
  'expect',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])
/** A client must not be able to take the framing away by naming it in Connection. */
const NEVER_NAMED = new Set(['host', 'content-length', 'transfer-encoding'])

/** What a name, an address or a port is made of; two readers could take two hosts out of anything else. */
const HOST = /^[\w\-.~!$&'()*+,;=:%[\]]*$/

/** @throws BadRequest */
export function forwardHead(request: IncomingMessage, makeId: () => string): ForwardHead {
  const { headers, rawHeaders, httpVersion } = request
  // Node reads HTTP/0.9 and HTTP/2.0 request lines too, as if they were of HTTP/1.1.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw new BadRequest('The request is not of HTTP/1.1 or 1.0.')
  checkTransferEncoding(request)
  const { host: hostOfTarget, path } = splitTarget(request)
  const named = namedInConnection(headers.connection)
  const forward: string[] = []
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if (name === 'host') hosts++
    if (NOT_SENT_ON_TO_SERVICE.has(name) || named?.has(name) || isDisguised(name)) continue
    forward.push(rawHeaders[i]!, rawHeaders[i + 1]!)
  }
  if (hosts > 1) throw new BadRequest('The request has several Host headers.')
  if (hosts === 0 && httpVersion === '1.1') throw new BadRequest('The request has no Host header.')
  const host = hostOfTarget ?? headers.host ?? ''
  if (!HOST.test(host)) throw new BadRequest('The Host is not one.')
  const chain = headers['x-forwarded-for']
  const remote = request.socket.remoteAddress ?? 'unknown'
  forward.push('host', host, 'x-forwarded-for', chain ? `${chain}, ${remote}` : remote)
  forward.push('x-forwarded-host', first(headers['x-forwarded-host']) ?? host)
  const isEncrypted = 'encrypted' in request.socket
  forward.push('x-forwarded-proto', isEncrypted ? 'https' : (first(headers['x-forwarded-proto']) ?? 'http'))
  if (headers['x-request-id'] === undefined) forward.push('x-request-id', makeId())
  const chunked = headers['transfer-encoding'] !== undefined
  if (chunked) forward.push('transfer-encoding', 'chunked')
  return {
    path,
    headers: forward,
    hasBody: chunked || (headers['content-length'] !== undefined && headers['content-length'] !== '0'),
    pin: first(headers[SLOT_HEADER]) ?? null,
  }
}

/** An answer as it is sent back. How long its body is, Node says anew. */
export interface BackwardHead {
  readonly headers: string[]
  /** `timeout` of its Keep-Alive header, null when it has none. */
  keepAliveMs: number | null
  /** It stays open for as long as somebody listens, so its length says nothing about the service. */
  isEventStream: boolean
  /** What it says of itself; NaN when it does not. */
  contentLength: number
  /** Its body is coded in a way that the client would not be told of: codings concern one connection only. */
  isCoded: boolean
}

export function backwardHead({ rawHeaders }: IncomingMessage): BackwardHead {
  const head: BackwardHead = {
    headers: [],
    keepAliveMs: null,
    isEventStream: false,
    isCoded: false,
    contentLength: Number.NaN,
  }
  let named: Set<string> | null = null
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const value = rawHeaders[i + 1]!
    const name = rawHeaders[i]!.toLowerCase()
    if (name === 'connection') named = namedInConnection(value) ?? named
    else if (name === 'keep-alive') head.keepAliveMs = timeoutMs(value)
    else if (name === 'transfer-encoding') head.isCoded ||= value.toLowerCase() !== 'chunked'
    else if (name === 'content-length') head.contentLength = Number(value)
    else if (name === 'content-type') head.isEventStream = value.startsWith('text/event-stream')
    if (!NOT_SENT_ON.has(name)) head.headers.push(rawHeaders[i]!, value)
  }
  return named === null ? head : { ...head, headers: without(head.headers, named) }
}

/** Only a WebSocket handshake is an upgrade for us; other offers may be ignored, and are. */
export function isWebSocketHandshake({ method, headers }: IncomingMessage): boolean {
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && !hasBody
}

/** The path as the service sees it. */
export function stripPrefix(path: string, prefix: string): string {
  const rest = path.slice(prefix.endsWith('/') ? prefix.length - 1 : prefix.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

function checkTransferEncoding({ headers, httpVersion }: IncomingMessage): void {
  const encoding = headers['transfer-encoding']
  if (encoding === undefined) return
  if (httpVersion === '1.0') throw new BadRequest('HTTP/1.0 has no Transfer-Encoding.')
  if (encoding.toLowerCase() !== 'chunked') throw new BadRequest('The only Transfer-Encoding understood is chunked.')
}

function splitTarget({ method, url }: IncomingMessage): { host: string | null; path: string } {
  const target = url!
  if (target.startsWith('/') || (target === '*' && method === 'OPTIONS')) return { host: null, path: target }
  const absolute = /^https?:\/\/([^/?#@\\]+)([/?].*)?$/i.exec(target)
  if (!absolute) throw new BadRequest('The request target is neither a path nor an http URL.')
  const path = absolute[2] ?? ''
  return { host: absolute[1]!, path: path.startsWith('/') ? path : `/${path}` }
}

/** CGI and WSGI cannot tell `_` from `-`: the first must not pass for what we write, or for the length of a body. */
function isDisguised(name: string): boolean {
  if (!name.includes('_')) return false
  const meant = name.replaceAll('_', '-')
  return NOT_SENT_ON_TO_SERVICE.has(meant) || NEVER_NAMED.has(meant)
}

function namedInConnection(connection: string | undefined): Set<string> | null {
  // By far the most frequent values, and they name no header.
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null
  const names = connection.split(',').map((name) => name.trim().toLowerCase())
  return new Set(names.filter((name) => !NEVER_NAMED.has(name)))
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

function timeoutMs(keepAlive: string): number | null {
  const seconds = /\btimeout=(\d{1,6})\b/i.exec(keepAlive)
  return seconds ? Number(seconds[1]) * 1000 : null
}

function without(flat: readonly string[], names: ReadonlySet<string>): string[] {
  return flat.filter((_, i) => !names.has(flat[i - (i % 2)]!.toLowerCase()))
}
