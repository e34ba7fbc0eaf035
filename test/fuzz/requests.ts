// Requests to a control socket that nobody should send: random ones, and right ones with one thing wrong.
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import fc from 'fast-check'
import { expect } from 'vitest'
import { catalogue } from '../../src/errors/catalogue.ts'

export interface Sent {
  readonly method: string
  readonly path: string
  readonly body: string | Uint8Array
}

const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']

const wrong = fc.oneof(
  fc.constantFrom<unknown>(null, -1, 1.5, 1e300, [], {}, true, '', '../../x', '__proto__', 'x'.repeat(5000), '\0', '/'),
  fc.jsonValue(),
)

/** @param known  right bodies by method and path */
export function wrongRequests(known: Readonly<Record<string, unknown>>): fc.Arbitrary<Sent> {
  const path = fc.oneof(
    fc.constantFrom(...Object.keys(known).map((route) => route.split(' ')[1]!)),
    fc.webPath().map((text) => `/${text.replace(/^\/+/, '')}`),
    fc.constantFrom(
      '/',
      '/..',
      '/__proto__',
      '/constructor',
      '/snapshot?after=x',
      '/cells?after=-1e9',
      '/cells?service=%00',
    ),
  )
  const bytes = fc.oneof(
    fc.json(),
    fc.string(),
    fc.uint8Array({ maxLength: 200 }),
    fc.constantFrom('{', '[[[[', '"', '-'),
  )
  const random = fc.record({ method: fc.constantFrom(...METHODS), path, body: bytes })
  const spoilt = fc
    .tuple(fc.constantFrom(...Object.entries(known)), fc.nat(), wrong)
    .map(([[route, body], which, value]): Sent => {
      const [method = '', at = ''] = route.split(' ')
      return { method, path: at, body: JSON.stringify(withOneWrong(body, which, value)) }
    })
  return fc.oneof(random, spoilt)
}

/** A copy in which one of the values, wherever it stands, is another. */
function withOneWrong(body: unknown, which: number, value: unknown): unknown {
  const copy = structuredClone(body)
  const places: [object, string][] = []
  const visit = (node: unknown) => {
    if (typeof node !== 'object' || node === null) return
    for (const key of Object.keys(node)) {
      places.push([node, key])
      visit(node[key as keyof typeof node])
    }
  }
  visit(copy)
  const [node, key] = places[which % places.length] ?? [{}, '']
  Object.assign(node, { [key]: value })
  return copy
}

/** Sends it and expects an answer that the protocol knows; returns its status. */
export async function expectAnswer(socketPath: string, { method, path, body }: Sent): Promise<number> {
  const outgoing = request({
    socketPath,
    method,
    path,
    agent: false,
    headers: { 'content-length': Buffer.byteLength(body) },
  })
  outgoing.end(body)
  const [incoming] = await once(outgoing, 'response')
  let text = ''
  for await (const part of incoming.setEncoding('utf8')) text += part
  if (incoming.statusCode >= 400 && method !== 'HEAD') {
    const { error } = JSON.parse(text)
    expect(Object.keys(catalogue)).toContain(error.code)
    expect(error.message).not.toMatch(/A bug:|\n\s+at /)
  }
  return incoming.statusCode
}

/** Sends bytes that are mostly no HTTP at all; what comes back, if anything does, is an answer of the protocol. */
export async function sendGarbage(socketPath: string, bytes: Uint8Array): Promise<void> {
  const socket = connect(socketPath)
  let text = ''
  socket.on('error', () => {})
  socket.setEncoding('utf8').on('data', (part) => {
    text += part
  })
  socket.end(bytes)
  await once(socket, 'close')
  if (text !== '') expect(text).toMatch(/^HTTP\/1\.1 4\d\d [\s\S]*\r\n\r\n\{"error":\{"code":"BAD_FLAG"/)
}
