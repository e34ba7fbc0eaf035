import { once } from 'node:events'
import { chmodSync, linkSync, renameSync, rmSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import type { z } from 'zod'
import { catalogue, OperatingError } from '../../errors/catalogue.ts'
import { createServer } from './http.ts'
import type { ProtocolError } from './protocol.ts'

/** Answers one request. The result is sent as JSON; undefined as an empty answer, `plainText()` as it is. */
export type Route = (body: unknown, query: URLSearchParams) => unknown
/** By method and path, such as `PUT /shares`. */
export type Routes = Readonly<Record<string, Route>>

export interface SocketServer {
  /** Answers what is in flight, then closes and removes the socket. */
  close(): Promise<void>
}

/** One that serves already, but under a name that nobody looks for. */
export interface AsideServer extends SocketServer {
  /** Renamed to the path of another server, it takes that one's place without a moment in between. */
  readonly aside: string
  /** It has the path now. */
  serves(): boolean
}

const LARGEST_BODY_BYTES = 16 * 1024 * 1024
let asides = 0

class PlainText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
export const plainText = (text: string): PlainText => new PlainText(text)

/**
 * JSON over HTTP on a Unix socket that only its owner may use. A socket file left behind by a process that has
 * died is replaced.
 *
 * @throws OperatingError REFUSED when another process answers on the socket
 */
export async function serveOnSocket(socketPath: string, routes: Routes): Promise<SocketServer> {
  const server = await serveAside(socketPath, routes)
  try {
    await claim(socketPath, server.aside)
    return server
  } catch (error) {
    await server.close()
    throw error
  } finally {
    rmSync(server.aside, { force: true })
  }
}

/**
 * The same beside the path, for one that takes the path over from a server that is still there. Nothing is ever
 * bound to the path itself, because closing such a socket removes whatever has the name by then.
 */
export async function serveAside(socketPath: string, routes: Routes): Promise<AsideServer> {
  // Short, because such a path is limited to about a hundred bytes.
  const aside = join(dirname(socketPath), `.${process.pid}-${asides++}`)
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    void answer(routes, request, response)
  })
  server.on('clientError', (_error, socket) => {
    if (!socket.writable) return void socket.destroy()
    const body = JSON.stringify({ error: { code: 'BAD_FLAG', message: 'This is no HTTP request.' } })
    const head = ['HTTP/1.1 400 Bad Request', 'content-type: application/json', `content-length: ${body.length}`]
    socket.end([...head, 'connection: close', '', body].join('\r\n'))
  })
  rmSync(aside, { force: true })
  server.listen(aside)
  await once(server, 'listening')
  chmodSync(aside, 0o600)
  const { ino } = statSync(aside)
  const serves = () => statSync(socketPath, { throwIfNoEntry: false })?.ino === ino
  return {
    aside,
    serves,
    async close() {
      if (serves()) rmSync(socketPath, { force: true })
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

/** @throws OperatingError REFUSED when a process answers on the socket */
export async function refuseIfServed(socketPath: string): Promise<void> {
  if (!(await answers(socketPath))) return
  throw new OperatingError(
    'REFUSED',
    `Another process already serves ${socketPath}.`,
    'See what runs with: moodify status',
  )
}

/** The body as the schema knows it; fields that it does not know are dropped. */
export function checkedBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`)
  throw new OperatingError('BAD_FLAG', `The request has no valid body: ${problems.join('; ')}.`)
}

async function claim(socketPath: string, aside: string): Promise<void> {
  for (;;) {
    try {
      linkSync(aside, socketPath)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    await refuseIfServed(socketPath)
    await removeStale(socketPath)
  }
}

// Two processes may find the same stale socket at the same time. The file is moved aside before it is judged
// again, so that the slower one cannot remove the socket that the faster one has just made.
async function removeStale(socketPath: string): Promise<void> {
  const aside = `${socketPath}.${process.pid}`
  try {
    renameSync(socketPath, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (await answers(aside)) renameSync(aside, socketPath)
  else rmSync(aside, { force: true })
}

async function answers(socketPath: string): Promise<boolean> {
  const socket = connect(socketPath)
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return false
    throw error
  } finally {
    socket.destroy()
  }
}

async function answer(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const [path = '', query] = request.url!.split('?', 2)
    const route = routes[`${request.method} ${path}`]
    if (!route) throw new OperatingError('BAD_FLAG', `There is no ${request.method} ${path} here.`)
    send(response, await route(await readJson(request), new URLSearchParams(query)))
  } catch (error) {
    sendError(response, error)
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = ''
  request.setEncoding('utf8')
  for await (const part of request) {
    text += part
    if (text.length > LARGEST_BODY_BYTES) throw new OperatingError('BAD_FLAG', 'The body is too large.')
  }
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new OperatingError('BAD_FLAG', 'The body is not JSON.')
  }
}

function send(response: ServerResponse, result: unknown, status = 200): void {
  if (result === undefined) return void response.writeHead(204).end()
  const [type, text] =
    result instanceof PlainText
      ? ['text/plain; version=0.0.4', result.text]
      : ['application/json', JSON.stringify(result)]
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text)
}

function sendError(response: ServerResponse, error: unknown): void {
  if (error instanceof OperatingError) {
    const { code, message, hint } = error
    const body: ProtocolError = { error: { code, message, ...(hint && { hint }) } }
    send(response, body, catalogue[code].httpStatus)
  } else {
    console.error(error)
    const message = `A bug: ${error instanceof Error ? error.message : String(error)}`
    send(response, { error: { code: 'PLATFORM_FAILED', message } } satisfies ProtocolError, 500)
  }
}
