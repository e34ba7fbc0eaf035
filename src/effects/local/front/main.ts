// The embedded load balancer: one process per environment.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { OperatingError } from '../../../errors/catalogue.ts'
import { createServer } from '../http.ts'
import {
  type AsideServer,
  type Routes,
  refuseIfServed,
  type SocketServer,
  serveAside,
  serveOnSocket,
} from '../socket-server.ts'
import { type Controlled, controlRoutes, restore, stateOf } from './control.ts'
import { answerError, type Core, idMaker, newEvents } from './core.ts'
import { Drain } from './drain.ts'
import { Handover } from './handover.ts'
import { isWebSocketHandshake } from './headers.ts'
import { type Inheritance, inherit } from './predecessor.ts'
import { handleRequest } from './proxy.ts'
import { Rotation } from './rotation.ts'
import { readState, StateFile } from './state-file.ts'
import { SupervisorWatch } from './supervisor-watch.ts'
import { refuseUnreadable } from './unreadable.ts'
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
  /** Version and hash of the program; by default the version. */
  readonly build?: string
  /** The front before it has started this one, to take over from it. */
  readonly takesOver?: boolean
  /** In [0, 1); for tests. */
  readonly random?: () => number
  readonly timeouts?: Timeouts
}

/** How long a client may keep us waiting. */
export interface Timeouts {
  /** For the head of a request, and on a connection without one. */
  readonly headMs: number
  /** For the next bytes of a body. */
  readonly bodyMs: number
  /** How often heads are looked at. */
  readonly checkMs: number
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
const TIMEOUTS: Timeouts = { headMs: 60_000, bodyMs: 60_000, checkMs: 5000 }
/** Node closes an idle connection a second after the timeout that it has announced. */
const KEEP_ALIVE_MARGIN_MS = 2000
const STOP_DEADLINE_MS = 10_000
const BACKLOG = 4096

/** Runs a front as a daemon until SIGTERM or `POST /stop`. */
export async function runFront(options: FrontOptions): Promise<void> {
  for (const signal of ['SIGHUP', 'SIGINT'] as const) process.on(signal, () => {})
  const front = await startFront(options, options.takesOver ? await inherit() : null)
  process.on('SIGTERM', () => front.stop())
  await front.ended
}

/** Arguments of the hidden command `internal front`. */
export function frontFromArguments(argv: readonly string[]): Omit<FrontOptions, 'version'> {
  const option = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...argv],
    options: {
      environment: option,
      host: option,
      port: option,
      socket: option,
      state: option,
      'take-over': { type: 'boolean' },
    },
  })
  const { environment, host = '127.0.0.1', port, socket, state, 'take-over': takesOver } = values
  if (!environment || !port || !(/^\d+$/.test(port) && Number(port) <= 65_535) || !socket || !state) {
    throw new OperatingError('BAD_FLAG', 'A front needs --environment, --port, --socket and --state.')
  }
  return { environment, host, port: Number(port), controlSocket: socket, stateFile: state, takesOver }
}

/**
 * @param inherited  from the front before it, whose listening and control sockets this one takes over
 * @throws OperatingError PORT_BUSY when another program listens on the port, REFUSED when another front of this
 *         environment runs; Error when the front before it goes away during the handover
 */
export async function startFront(options: FrontOptions, inherited: Inheritance | null = null): Promise<Front> {
  const { environment, host, version, random, timeouts = TIMEOUTS, controlSocket } = options
  if (!inherited) await refuseIfServed(controlSocket)
  const core = newCore({ now: inherited?.now ?? (() => performance.now()), random, timeouts })
  const saved = inherited?.state ?? (await readState(options.stateFile, environment))
  if (saved) restore(core, saved)

  const server = dataServer(core, timeouts)
  const drain = new Drain(core, server, trackSockets(server, core))
  const port = inherited ? inherited.state.port : await listen(server, options, saved?.port ?? 0)
  const source = randomBytes(8).toString('hex')
  const front: Controlled = {
    core,
    environment,
    version,
    build: options.build ?? version,
    source,
    countsSource: inherited?.countsSource ?? source,
    listening: { host, port },
    predecessor: inherited?.predecessor ?? null,
    watch: new SupervisorWatch(),
    epoch: saved?.epoch ?? 0,
    file: new StateFile(options.stateFile, () => stateOf(front)),
    stop(deadlineMs = STOP_DEADLINE_MS) {
      front.predecessor?.stop(deadlineMs)
      drain.within(deadlineMs)
    },
  }
  const handover = new Handover({ front, server, drain, controlSocket, idleMs: KEEP_ALIVE_MS + KEEP_ALIVE_MARGIN_MS })
  const routes = handover.gate({ ...controlRoutes(front), 'POST /handover': (body) => handover.start(body) })
  const control = inherited
    ? await takeOver(front, server, await serveAside(controlSocket, routes))
    : await serveFirst(front, server, controlSocket, routes)
  if (inherited?.supervisor) front.watch.tell(inherited.supervisor)
  const sweep = setInterval(() => {
    core.rotation.cutOverdue()
    core.rotation.forget()
    core.upstreams.closeIdle()
  }, SWEEP_MS)

  async function end(): Promise<void> {
    await drain.done
    front.watch.stop()
    // What it still has in flight is known through this one alone.
    await front.predecessor?.gone
    await handover.finish()
    clearInterval(sweep)
    core.upstreams.closeAll()
    await control.close()
    await front.file.close()
  }
  return { port, stop: front.stop, ended: end() }
}

function newCore({ now, random, timeouts }: Pick<Core, 'now'> & Pick<FrontOptions, 'random'> & { timeouts: Timeouts }) {
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

async function serveFirst(front: Controlled, server: Server, path: string, routes: Routes): Promise<SocketServer> {
  await front.file.save()
  return serveOnSocket(path, routes).catch((error) => {
    server.close()
    throw error
  })
}

async function takeOver(front: Controlled, server: Server, control: AsideServer): Promise<SocketServer> {
  const { core } = front
  const predecessor = front.predecessor!
  predecessor.onReport = ({ cells }) => {
    for (const [service, counted] of Object.entries(cells)) core.rotation.services.get(service)?.cells.add(counted)
  }
  void predecessor.gone.then(() => {
    core.events.streamsCut += predecessor.report.streamsCut
    front.predecessor = null
  })
  await predecessor.takeOver(server, BACKLOG, control)
  acceptForEver(server)
  await front.file.save()
  return control
}

function dataServer(core: Core, { headMs, checkMs }: Timeouts): Server {
  const server = createServer({
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
  } as Parameters<typeof createServer>[0])
  server.maxHeadersCount = 0
  server.on('request', (request, response) => handleRequest(core, request, response, false))
  server.on('checkContinue', (request, response) => handleRequest(core, request, response, true))
  server.on('checkExpectation', (_request, response) => answerError(core, response, 'expectation-failed'))
  server.on('upgrade', (request, socket, early) => handleUpgrade(core, request, socket as Socket, early))
  server.on('clientError', (error, socket) => refuseUnreadable(core, error, socket as Socket))
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
      server.listen({ host, port: candidate, backlog: BACKLOG })
      await once(server, 'listening')
      acceptForEver(server)
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

/** A connection that could not be accepted is not a reason to end. */
function acceptForEver(server: Server): void {
  server.on('error', (error) => console.error(`accept: ${error.message}`))
}
