// What listens for users, in the front and in each of its workers.
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { createServer } from '../http.ts'
import { answerError, type Core, idMaker, newEvents } from './core.ts'
import { encryptedServer, type TlsFiles } from './encryption.ts'
import { isWebSocketHandshake } from './headers.ts'
import { handleRequest } from './proxy.ts'
import { Rotation } from './rotation.ts'
import { refuseUnreadable } from './unreadable.ts'
import { Upstreams } from './upstream.ts'
import { handleUpgrade, refuseConnect } from './web-socket.ts'

/** How long a client may keep us waiting. */
export interface Timeouts {
  /** For the head of a request, and on a connection without one. */
  readonly headMs: number
  /** For the next bytes of a body. */
  readonly bodyMs: number
  /** How often heads are looked at. */
  readonly checkMs: number
}

export const TIMEOUTS: Timeouts = { headMs: 60_000, bodyMs: 60_000, checkMs: 5000 }
const KEEP_ALIVE_MS = 65_000
/** Node closes an idle connection a second after the timeout that it has announced. */
const KEEP_ALIVE_MARGIN_MS = 2000
/** In this time every idle connection comes to its announced end. */
export const IDLE_MS = KEEP_ALIVE_MS + KEEP_ALIVE_MARGIN_MS
export const BACKLOG = 4096
const SWEEP_MS = 250

export function newCore({
  now,
  random,
  timeouts,
}: Pick<Core, 'now'> & { random?: (() => number) | undefined; timeouts: Timeouts }): Core {
  const core: Core = {
    rotation: new Rotation({ now, random }),
    upstreams: new Upstreams(now),
    events: newEvents(),
    bodyTimeoutMs: timeouts.bodyMs,
    stopping: false,
    makeId: idMaker(),
    now,
  }
  return core
}

/** What has to be done again and again; ends with `clearInterval`. */
export function sweep({ rotation, upstreams }: Core): NodeJS.Timeout {
  return setInterval(() => {
    rotation.cutOverdue()
    rotation.forget()
    upstreams.closeIdle()
  }, SWEEP_MS)
}

/**
 * The server that users reach, not listening yet.
 *
 * @throws Error when certificate and key cannot be used
 */
export function dataServer(core: Core, { headMs, checkMs }: Timeouts, tls: TlsFiles | null): Server {
  const options = {
    insecureHTTPParser: false,
    // Looked at in headers.ts, with the rest of a head.
    requireHostHeader: false,
    maxHeaderSize: 32 * 1024,
    // An upload may take as long as it takes; only its head may not.
    requestTimeout: 0,
    headersTimeout: headMs,
    connectionsCheckingInterval: checkMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    optimizeEmptyRequests: true,
    shouldUpgradeCallback: isWebSocketHandshake,
  } as Parameters<typeof createServer>[0] & object
  const server = tls ? encryptedServer(options, tls) : createServer(options)
  server.maxHeadersCount = 0
  server.on('request', (request, response) => handleRequest(core, request, response, false))
  server.on('checkContinue', (request, response) => handleRequest(core, request, response, true))
  server.on('checkExpectation', (_request, response) => answerError(core, response, 'expectation-failed'))
  server.on('upgrade', (request, socket, early) => handleUpgrade(core, request, socket as Socket, early))
  server.on('clientError', (error, socket) => refuseUnreadable(core, error, socket as Socket))
  server.on('connect', (_request, socket) => refuseConnect(core, socket as Socket))
  return server
}

export function trackSockets(server: Server, { events }: Core): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    events.connections++
    socket.on('close', () => {
      sockets.delete(socket)
      events.connections--
    })
  })
  return sockets
}

/** A connection that could not be accepted is not a reason to end. */
export function acceptForEver(server: Server): void {
  server.on('error', (error) => console.error(`accept: ${error.message}`))
}
