// The embedded load balancer: one process per environment.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { OperatingError } from '../../../errors/catalogue.ts'
import { refuseIfServed, serveOnSocket } from '../socket-server.ts'
import { type Controlled, controlRoutes, restore, stateOf } from './control.ts'
import { type Core, idMaker, newEvents } from './core.ts'
import { isWebSocketHandshake } from './headers.ts'
import { handleRequest } from './proxy.ts'
import { Rotation } from './rotation.ts'
import { readState, StateFile } from './state-file.ts'
import { Upstreams } from './upstream.ts'
import { handleUpgrade, refuseConnect } from './web-socket.ts'

export interface FrontOptions {
  readonly environment: string
  readonly host: string
  /** 0 takes the port of the last time if it is free, else any. */
  readonly port: number
  readonly controlSocket: string
  readonly stateFile: string
  readonly version: string
  /** In [0, 1); for tests. */
  readonly random?: () => number
}

export interface Front {
  readonly port: number
  /** Accepts nothing new, answers what is in flight, and ends when no connection is left or the deadline is over. */
  stop(deadlineMs?: number): void
  /** Resolves when all is closed. */
  readonly ended: Promise<void>
}

const SWEEP_MS = 250
const KEEP_ALIVE_MS = 65_000
const STOP_DEADLINE_MS = 10_000
/** After the deadline, time for WebSockets to say goodbye. */
const LAST_MS = 500

/** Runs a front as a daemon until SIGTERM or `POST /stop`. */
export async function runFront(options: FrontOptions): Promise<void> {
  for (const signal of ['SIGHUP', 'SIGINT'] as const) process.on(signal, () => {})
  const front = await startFront(options)
  process.on('SIGTERM', () => front.stop())
  await front.ended
}

/** Arguments of the hidden command `internal front`. */
export function frontFromArguments(argv: readonly string[]): Omit<FrontOptions, 'version'> {
  const option = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...argv],
    options: { environment: option, host: option, port: option, socket: option, state: option },
  })
  const { environment, host = '127.0.0.1', port, socket, state } = values
  if (!environment || !port || !(/^\d+$/.test(port) && Number(port) <= 65_535) || !socket || !state) {
    throw new OperatingError('BAD_FLAG', 'A front needs --environment, --port, --socket and --state.')
  }
  return { environment, host, port: Number(port), controlSocket: socket, stateFile: state }
}

/**
 * @throws OperatingError PORT_BUSY when another program listens on the port, REFUSED when another front of this
 *         environment runs
 */
export async function startFront(options: FrontOptions): Promise<Front> {
  const { environment, host, version, random } = options
  await refuseIfServed(options.controlSocket)
  const now = () => performance.now()
  const core: Core = {
    rotation: new Rotation({ now, random }),
    upstreams: new Upstreams(now),
    events: newEvents(),
    stopping: false,
    makeId: idMaker(),
    now,
  }
  const saved = await readState(options.stateFile, environment)
  if (saved) restore(core, saved)

  const server = dataServer(core)
  const sockets = trackSockets(server, core)
  const port = await listen(server, options, saved?.port ?? 0)
  const sweep = setInterval(() => {
    core.rotation.cutOverdue()
    core.rotation.forget()
    core.upstreams.closeIdle()
  }, SWEEP_MS)

  const identity = { core, environment, version, source: randomBytes(8).toString('hex'), listening: { host, port } }
  const stopRequested = Promise.withResolvers<number>()
  const front: Controlled = {
    ...identity,
    epoch: saved?.epoch ?? 0,
    file: new StateFile(options.stateFile, () => stateOf(front)),
    stop: (deadlineMs = STOP_DEADLINE_MS) => stopRequested.resolve(deadlineMs),
  }
  await front.file.save()
  const control = await serveOnSocket(options.controlSocket, controlRoutes(front)).catch((error) => {
    server.close()
    throw error
  })

  async function end(): Promise<void> {
    await drain(core, server, sockets, await stopRequested.promise)
    clearInterval(sweep)
    core.upstreams.closeAll()
    await control.close()
    await front.file.close()
  }
  return { port, stop: front.stop, ended: end() }
}

function dataServer(core: Core): Server {
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: 32 * 1024,
    // An upload may take as long as it takes; only its head may not.
    requestTimeout: 0,
    headersTimeout: KEEP_ALIVE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    optimizeEmptyRequests: true,
    shouldUpgradeCallback: isWebSocketHandshake,
  } as Parameters<typeof createServer>[0])
  server.maxHeadersCount = 0
  server.on('request', (request, response) => handleRequest(core, request, response, false))
  server.on('checkContinue', (request, response) => handleRequest(core, request, response, true))
  server.on('upgrade', (request, socket, early) => handleUpgrade(core, request, socket as Socket, early))
  server.on('connect', (_request, socket) => refuseConnect(core, socket as Socket))
  return server
}

function trackSockets(server: Server, { events }: Core): ReadonlySet<Socket> {
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

async function listen(server: Server, { host, port }: FrontOptions, lastPort: number): Promise<number> {
  const candidates = port !== 0 ? [port] : lastPort !== 0 ? [lastPort, 0] : [0]
  for (const candidate of candidates) {
    try {
      server.listen({ host, port: candidate, backlog: 4096 })
      await once(server, 'listening')
      // A connection that could not be accepted is not a reason to end.
      server.on('error', (error) => console.error(`accept: ${error.message}`))
      return (server.address() as AddressInfo).port
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
  throw new OperatingError(
    'PORT_BUSY',
    `Another program listens on ${host}:${port}.`,
    'End it, or set another port: environments.<name>.listen in moodify.yaml.',
  )
}

/** Resolves when no connection is left. */
async function drain(core: Core, server: Server, sockets: ReadonlySet<Socket>, deadlineMs: number): Promise<void> {
  core.stopping = true
  // http.Server's own close() would reset kept connections, also those with a request on its way.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
  const deadline = setTimeout(() => {
    for (const { active } of core.rotation.replicas()) for (const exchange of [...active]) exchange.cut()
  }, deadlineMs)
  const last = setTimeout(() => {
    for (const socket of sockets) socket.destroy()
  }, deadlineMs + LAST_MS)
  await closed
  clearTimeout(deadline)
  clearTimeout(last)
}
