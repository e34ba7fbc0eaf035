// The server on a port of this machine, for the client that speaks to real ones.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Refusal } from './answers.ts'
import type { Wire } from './direct.ts'
import { answer, type Backend, type Request, targetOf } from './requests.ts'
import { errorEvent, openWatch, type Watch } from './watches.ts'

/** A bookmark comes this long before the server ends a watch. */
const BOOKMARK_BEFORE_END_MS = 2000

export interface Listening {
  readonly url: string
  close(): Promise<void>
}

export async function listen(backend: Backend, wire: Wire, port = 0): Promise<Listening> {
  const server = createServer((incoming, response) => {
    serve(backend, wire, incoming, response).catch((error: unknown) => response.destroy(error as Error))
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const { port: taken } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${taken}`, close: () => closed(server) }
}

function closed(server: Server): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  return ended
}

async function serve(backend: Backend, wire: Wire, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const url = new URL(incoming.url!, 'http://api')
  const request: Request = {
    method: incoming.method!,
    path: url.pathname,
    query: url.searchParams,
    contentType: String(incoming.headers['content-type'] ?? 'application/json').split(';')[0]!,
    accept: String(incoming.headers.accept ?? ''),
    userAgent: String(incoming.headers['user-agent'] ?? 'unknown'),
    body: Buffer.concat(chunks).toString(),
  }
  wire.onRequest(request.query.get('watch') === 'true' ? 'WATCH' : request.method, request.path)
  if (wire.isDown()) return void incoming.socket.destroy()
  try {
    if (request.query.get('watch') === 'true') return serveWatch(backend, wire, request, response)
    const { status, body } = await answer(backend, request)
    const isText = typeof body === 'string'
    response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json' })
    response.end(isText ? body : JSON.stringify(body))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    response.writeHead(error.code, { 'content-type': 'application/json' }).end(JSON.stringify(error.status))
  }
}

function serveWatch({ objects }: Backend, wire: Wire, { path, query }: Request, response: ServerResponse): void {
  const target = targetOf(path)
  if (!target) throw new Refusal(404, 'NotFound', 'the server could not find the requested resource')
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  const emit = (event: unknown) => response.write(`${JSON.stringify(event)}\n`)
  let watch: Watch
  try {
    watch = openWatch(objects, target, query, emit)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    emit(errorEvent(error))
    return void response.end()
  }
  const handle: Watch = { bookmark: watch.bookmark, close: () => response.end() }
  wire.watches.add(handle)
  const timeoutMs = Number(query.get('timeoutSeconds') ?? 1800) * 1000
  const bookmarking = setTimeout(watch.bookmark, Math.max(0, timeoutMs - BOOKMARK_BEFORE_END_MS))
  const ending = setTimeout(() => response.end(), timeoutMs)
  response.on('close', () => {
    clearTimeout(bookmarking)
    clearTimeout(ending)
    watch.close()
    wire.watches.delete(handle)
  })
}
