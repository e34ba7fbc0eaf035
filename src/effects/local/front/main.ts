// The embedded load balancer: one process per environment.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { OperatingError } from '../../../errors/catalogue.ts'
import {
  type AsideServer,
  type Routes,
  refuseIfServed,
  type SocketServer,
  serveAside,
  serveOnSocket,
} from '../socket-server.ts'
import { type Controlled, controlRoutes } from './control.ts'
import {
  acceptForEver,
  BACKLOG,
  dataServer,
  IDLE_MS,
  newCore,
  sweep,
  TIMEOUTS,
  type Timeouts,
  trackSockets,
} from './data-server.ts'
import { Drain } from './drain.ts'
import type { TlsFiles } from './encryption.ts'
import { Handover } from './handover.ts'
import { optionsText } from './options.ts'
import { type Inheritance, inherit } from './predecessor.ts'
import { restore, stateOf, takeCountsOf } from './serving.ts'
import { readState, StateFile } from './state-file.ts'
import { SupervisorWatch } from './supervisor-watch.ts'
import { noTotals } from './totals.ts'
import { Workers } from './workers.ts'

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
  /** How many share the listening socket; 1 is this one alone. */
  readonly processes?: number
  /** Program and arguments of the others. */
  readonly workerCommand?: readonly string[]
  /** Null: plain HTTP. */
  readonly tls?: TlsFiles | null
}

export interface Front {
  readonly port: number
  /** Accepts nothing new, answers what is in flight, and ends when no connection is left or the deadline is over. */
  stop(deadlineMs?: number): void
  /** Resolves when all is closed. */
  readonly ended: Promise<void>
}

const STOP_DEADLINE_MS = 10_000

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
      processes: option,
      cert: option,
      key: option,
    },
  })
  const { environment, host = '127.0.0.1', port, socket, state, 'take-over': takesOver, cert, key } = values
  const tls = cert && key ? { cert, key } : null
  if (!environment || !port || !(/^\d+$/.test(port) && Number(port) <= 65_535) || !socket || !state) {
    throw new OperatingError('BAD_FLAG', 'A front needs --environment, --port, --socket and --state.')
  }
  const processes = Number(values.processes ?? 1)
  return { environment, host, port: Number(port), controlSocket: socket, stateFile: state, takesOver, processes, tls }
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

  const server = dataServer(core, timeouts, options.tls ?? null)
  const drain = new Drain(core, server, trackSockets(server, core))
  const port = inherited ? inherited.state.port : await listen(server, options, saved?.port ?? 0)
  const source = randomBytes(8).toString('hex')
  const front: Controlled = {
    core,
    past: noTotals,
    peers: () => [...(front.predecessor ? [front.predecessor] : []), ...(front.workers?.peers ?? [])],
    environment,
    version,
    build: options.build ?? version,
    options: optionsText(options),
    source,
    countsSource: inherited?.countsSource ?? source,
    listening: { host, port, encrypted: (options.tls ?? null) !== null },
    predecessor: inherited?.predecessor ?? null,
    workers: null,
    watch: new SupervisorWatch(),
    epoch: saved?.epoch ?? 0,
    file: new StateFile(options.stateFile, () => stateOf(front)),
    stop(deadlineMs = STOP_DEADLINE_MS) {
      for (const peer of [front.predecessor, front.workers]) peer?.stop(deadlineMs)
      drain.within(deadlineMs)
    },
  }
  const handover = new Handover({ front, server, drain, controlSocket, idleMs: IDLE_MS })
  const routes = handover.gate({ ...controlRoutes(front), 'POST /handover': (body) => handover.start(body) })
  const control = inherited
    ? await takeOver(front, server, await serveAside(controlSocket, routes))
    : await serveFirst(front, server, controlSocket, routes)
  if (inherited?.supervisor) front.watch.tell(inherited.supervisor)
  front.workers = startWorkers(front, server, options)
  const sweeping = sweep(core)

  async function end(): Promise<void> {
    await drain.done
    front.watch.stop()
    // What they still have in flight is known through this one alone.
    await Promise.all([front.predecessor?.gone, front.workers?.gone])
    await handover.finish()
    clearInterval(sweeping)
    core.upstreams.closeAll()
    await control.close()
    await front.file.close()
  }
  return { port, stop: front.stop, ended: end() }
}

async function serveFirst(front: Controlled, server: Server, path: string, routes: Routes): Promise<SocketServer> {
  await front.file.save()
  return serveOnSocket(path, routes).catch((error) => {
    server.close()
    throw error
  })
}

async function takeOver(front: Controlled, server: Server, control: AsideServer): Promise<SocketServer> {
  const predecessor = front.predecessor!
  takeCountsOf(predecessor, front)
  void predecessor.gone.then(() => {
    front.predecessor = null
  })
  await predecessor.takeOver(server, BACKLOG, control)
  acceptForEver(server)
  await front.file.save()
  return control
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

function startWorkers(front: Controlled, server: Server, options: FrontOptions): Workers | null {
  const { processes = 1, workerCommand, tls = null } = options
  if (processes <= 1 || !workerCommand) return null
  return new Workers({
    front,
    server,
    count: processes - 1,
    command: workerCommand,
    tls,
    state: () => stateOf(front),
  })
}
