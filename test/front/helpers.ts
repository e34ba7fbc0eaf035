import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type FrontOptions, startFront } from '../../src/effects/local/front/main.ts'
import type { Endpoint, FrontCells, FrontStatus, FrontTable } from '../../src/effects/local/protocol.ts'
import { type SocketClient, socketClient } from '../../src/effects/local/socket-client.ts'

export const DEADLINE_MS = 20_000

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'front-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** mulberry32: the same numbers in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Waits until the function returns something that is neither false nor null. */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  what: string,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const value = await probe()
    if (value !== false && value !== null && value !== undefined) return value as Exclude<T, false | null | undefined>
    if (performance.now() > deadline) throw new Error(`did not happen in ${DEADLINE_MS} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export interface Backend {
  readonly name: string
  readonly port: number
  readonly server: Server
  readonly requests: IncomingMessage[]
  close(): Promise<void>
}

/** A replica in this process. Without a listener it answers its own name. */
export async function startBackend(name: string, listener?: RequestListener): Promise<Backend> {
  const requests: IncomingMessage[] = []
  const server = createServer((incoming, outgoing) => {
    requests.push(incoming)
    if (listener) listener(incoming, outgoing)
    else outgoing.end(name)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  onTestFinished(close)
  return { name, port: (server.address() as AddressInfo).port, server, requests, close }
}

export class TestFront {
  readonly port: number
  readonly control: SocketClient
  readonly folder: string
  readonly stop: () => Promise<void>
  epoch = 1
  private generation = 0

  constructor(port: number, control: SocketClient, folder: string, stop: () => Promise<void>) {
    this.port = port
    this.control = control
    this.folder = folder
    this.stop = stop
  }

  table(services: Partial<FrontTable['services'][number]>[] = [{}]): Promise<void> {
    const defaults = { name: 'web', path: '/', stripPath: false, drainMs: DEADLINE_MS }
    return this.control.request('PUT', '/table', { services: services.map((service) => ({ ...defaults, ...service })) })
  }

  endpoints(slot: string, backends: readonly Backend[], service = 'web'): Promise<void> {
    return this.control.request('PUT', '/endpoints', { service, slot, endpoints: backends.map(endpointOf) })
  }

  async shares(shares: Record<string, number>, service = 'web'): Promise<void> {
    this.generation++
    await this.control.request('PUT', '/shares', { service, shares, generation: this.generation, epoch: this.epoch })
  }

  status(): Promise<FrontStatus> {
    return this.control.request('GET', '/status')
  }

  async slot(name: string, service = 'web') {
    const { services } = await this.status()
    return services[service]!.slots[name]!
  }

  cells(after = -1, service = 'web'): Promise<FrontCells> {
    return this.control.request('GET', `/cells?service=${service}&after=${after}`)
  }
}

export function endpointOf({ name, port }: Backend): Endpoint {
  return { replica: name, revision: `revision-of-${name}`, port }
}

export async function startTestFront(options: Partial<FrontOptions> & { folder?: string } = {}): Promise<TestFront> {
  const folder = options.folder ?? temporaryFolder()
  const controlSocket = join(folder, 'front.sock')
  const front = await startFront({
    environment: 'production',
    host: '127.0.0.1',
    port: 0,
    controlSocket,
    stateFile: join(folder, 'state', 'front.json'),
    version: '0.0.0',
    random: seededRandom(1),
    ...options,
  })
  const control = socketClient(controlSocket)
  const stop = async () => {
    control.close()
    front.stop(0)
    await front.ended
  }
  onTestFinished(stop)
  return new TestFront(front.port, control, folder, stop)
}

/** A front with one service `web` and one replica in each of the slots. */
export async function frontWith(slots: Record<string, Backend>, shares: Record<string, number>): Promise<TestFront> {
  const front = await startTestFront()
  await front.table()
  for (const [slot, backend] of Object.entries(slots)) await front.endpoints(slot, [backend])
  await front.shares(shares)
  return front
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly trailers: IncomingMessage['trailers']
  readonly body: string
}

interface GetOptions {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly agent?: import('node:http').Agent | false
}

/** One request, on a connection of its own unless an agent is given. */
export async function fetchFrom(
  port: number,
  path: string,
  { body, agent = false, ...options }: GetOptions = {},
): Promise<Answer> {
  const outgoing = request({ host: '127.0.0.1', port, path, agent, ...options })
  outgoing.end(body)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  return {
    status: incoming.statusCode!,
    headers: incoming.headers,
    body: await textOf(incoming),
    trailers: incoming.trailers,
  }
}

export async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of incoming.setEncoding('utf8')) text += part
  return text
}

/** Sends these bytes and returns all that comes back until the other side closes. */
export async function sendRaw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  return readAll(socket)
}

export async function readAll(socket: Socket): Promise<string> {
  let text = ''
  for await (const part of socket.setEncoding('latin1')) text += part
  return text
}

/** A listener that answers only when told to. */
export function heldBackend(): { listener: RequestListener; held: ServerResponse[] } {
  const held: ServerResponse[] = []
  return { held, listener: (_incoming, outgoing) => void held.push(outgoing) }
}
