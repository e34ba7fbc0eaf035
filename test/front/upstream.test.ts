import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import {
  type Backend,
  eventually,
  fetchFrom,
  frontWith,
  heldBackend,
  readAll,
  startBackend,
  startTestFront,
  type TestFront,
} from './helpers.ts'

/** A replica that handles bytes itself; `onRequest` is called for every head that ends a chunk. */
async function startRawBackend(name: string, onRequest: (socket: Socket, countOnConnection: number) => void) {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    let count = 0
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      if (chunk.toString().includes('\r\n\r\n')) onRequest(socket, ++count)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { backend: { name, port: (server.address() as AddressInfo).port } as Backend, sockets }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function metric(front: TestFront, name: string): Promise<number> {
  const text = await front.control.request<string>('GET', '/metrics')
  return Number(new RegExp(`^moodify_front_${name}(?:\\{[^}]*\\})? (\\d+)$`, 'm').exec(text)![1])
}

test('front: connections to a replica are used again', async () => {
  const { backend, sockets } = await startRawBackend('a', (socket) => socket.write(OK))
  const front = await frontWith({ blue: backend }, { blue: 100 })
  for (let i = 0; i < 10; i++) expect(await fetchFrom(front.port, '/')).toMatchObject({ status: 200, body: 'ok' })
  expect(sockets).toHaveLength(1)
})

test('front: a GET that meets a kept connection closed by the replica is sent once more on a new one', async () => {
  const { backend, sockets } = await startRawBackend('a', (socket, count) => {
    if (count === 1) socket.write(OK)
    else socket.destroy()
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  for (let i = 0; i < 4; i++) expect(await fetchFrom(front.port, '/')).toMatchObject({ status: 200, body: 'ok' })
  expect(sockets.length).toBeGreaterThan(1)
  expect(await metric(front, 'retries_total')).toBeGreaterThan(0)
  expect(await metric(front, 'failures_total')).toBe(0)
})

test('front: a POST is never sent twice', async () => {
  let requests = 0
  const { backend } = await startRawBackend('a', (socket, count) => {
    requests++
    if (count === 1) socket.write(OK)
    else socket.destroy()
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  await fetchFrom(front.port, '/')
  const answer = await fetchFrom(front.port, '/', { method: 'POST', body: 'x' })
  expect(answer).toMatchObject({ status: 502, headers: { 'x-moodify-error': 'no-answer' } })
  expect(requests).toBe(2)
  expect(await metric(front, 'failures_total')).toBe(1)
})

test('front: a GET that fails on a new connection is a failure of the replica, and is not sent twice', async () => {
  let requests = 0
  const { backend } = await startRawBackend('a', (socket) => {
    requests++
    socket.destroy()
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  expect(await fetchFrom(front.port, '/')).toMatchObject({ status: 502, headers: { 'x-moodify-error': 'no-answer' } })
  expect(requests).toBe(1)
})

test('front: idle connections to a replica are closed at half the time that it announced', async () => {
  const backend = await startBackend('a')
  backend.server.keepAliveTimeout = 1000
  const closed: number[] = []
  backend.server.on('connection', (socket: Socket) => {
    socket.on('end', () => closed.push(performance.now()))
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  await fetchFrom(front.port, '/')
  // The replica itself would have ended it by a FIN of its own, seen here as 'close' without 'end'.
  await eventually(() => closed.length === 1, 'the front closes it')
})

test('front: a refused connection is tried on another replica of the slot, with the body untouched', async () => {
  const dead = await startBackend('dead')
  await dead.close()
  const alive = await startBackend('alive', (incoming, outgoing) => {
    outgoing.writeHead(200)
    incoming.pipe(outgoing)
  })
  const front = await startTestFront()
  await front.table()
  await front.endpoints('blue', [dead, alive])
  await front.shares({ blue: 100 })
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => fetchFrom(front.port, '/', { method: 'POST', body: `body ${i}` })),
  )
  expect(answers.map(({ body }) => body)).toEqual(answers.map((_, i) => `body ${i}`))
  const { cells } = await eventually(async () => {
    const read = await front.cells()
    return read.cells.length > 1 && read
  }, 'cells of both')
  const failuresOf = (name: string) =>
    cells.filter(({ replica }) => replica === name).reduce((sum, { failures }) => sum + failures, 0)
  expect(failuresOf('dead')).toBeGreaterThan(0)
  expect(failuresOf('alive')).toBe(0)
})

test('front: when no replica of the slot accepts a connection, the answer is 502', async () => {
  const dead = await startBackend('dead')
  await dead.close()
  const front = await frontWith({ blue: dead }, { blue: 100 })
  const answer = await fetchFrom(front.port, '/')
  expect(answer).toMatchObject({ status: 502, headers: { 'x-moodify-error': 'connection-failed' } })
  expect(await metric(front, 'failures_total')).toBe(1)
})

test('front: an answer that breaks off breaks off for the client too, and is a failure', async () => {
  const { backend } = await startRawBackend('a', (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
    setImmediate(() => socket.destroy())
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  await expect(fetchFrom(front.port, '/')).rejects.toThrow(/aborted|socket hang up/)
  await eventually(async () => (await metric(front, 'failures_total')) === 1, 'the failure is counted')
})

// More than what is read ahead for a client that cannot take it yet.
const SIZE = 100 * 1024

test.each([
  ['announces its length', `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${SIZE}\r\n\r\n`],
  ['ends with the connection', 'HTTP/1.1 200 OK\r\n\r\n'],
])('front: a late reader gets all of an answer after which the replica closes, and which %s', async (_what, head) => {
  let first: Socket | undefined
  let closed = false
  const { backend } = await startRawBackend('a', (socket) => {
    if (!first) {
      first = socket
      return
    }
    socket.on('close', () => {
      closed = true
    })
    socket.write(head)
    socket.end(Buffer.alloc(SIZE, 'x'))
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  const client = connect(front.port, '127.0.0.1')
  // The second answer has to wait for the first, here longer than its replica is there.
  client.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await eventually(() => first && closed, 'the replica closes the second connection')
  first!.write(OK)
  expect((await readAll(client)).split('x').length - 1).toBe(SIZE)
  await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing in flight')
  expect(await metric(front, 'failures_total')).toBe(0)
})

test('front: an event stream counts with the time to its head, not with how long somebody listens', async () => {
  const { held, listener } = heldBackend()
  const front = await frontWith({ blue: await startBackend('a', listener) }, { blue: 100 })
  const outgoing = request({ port: front.port, agent: false }).end()
  const response = await eventually(() => held[0], 'the request')
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
  const [incoming] = await once(outgoing, 'response')
  await once(incoming, 'data')
  await new Promise((resolve) => setTimeout(resolve, 1500))
  incoming.destroy()
  const sum = 'request_duration_seconds_sum'
  await eventually(async () => (await metric(front, 'requests_total')) === 1, 'it is counted')
  const text = await front.control.request<string>('GET', '/metrics')
  expect(Number(new RegExp(`${sum}\\{.*\\} ([\\d.]+)`).exec(text)![1])).toBeLessThan(1.5)
})

test.each([
  ['no HTTP at all', 'SSH-2.0-OpenSSH\r\n\r\n'],
  [
    'an upgrade that was not asked for',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
  ],
  ['a status below 100', 'HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n'],
])('front: a replica that answers with %s gets a 502 for it and harms nobody else', async (_what, text) => {
  const { backend } = await startRawBackend('a', (socket) => socket.write(text))
  const front = await frontWith({ blue: backend, green: await startBackend('b') }, { blue: 100 })
  expect(await fetchFrom(front.port, '/')).toMatchObject({ status: 502, headers: { 'x-moodify-error': 'no-answer' } })
  await front.shares({ green: 100 })
  expect(await fetchFrom(front.port, '/')).toMatchObject({ body: 'b' })
})

test('front: 5xx answers pass as they are and count as failures', async () => {
  const backend = await startBackend('a', (_incoming, outgoing) => outgoing.writeHead(500).end('broken'))
  const front = await frontWith({ blue: backend }, { blue: 100 })
  const answer = await fetchFrom(front.port, '/')
  expect(answer).toMatchObject({ status: 500, body: 'broken' })
  expect(answer.headers).not.toHaveProperty('x-moodify-error')
  expect(await metric(front, 'failures_total')).toBe(1)
})

test('front: a kept connection of a client survives changes of shares and endpoints', async () => {
  const a = await startBackend('a')
  const b = await startBackend('b')
  const front = await frontWith({ blue: a, green: b }, { blue: 100 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const get = async () => (await fetchFrom(front.port, '/', { agent })).body
  expect(await get()).toBe('a')
  await front.shares({ green: 100 })
  expect(await get()).toBe('b')
  await front.endpoints('blue', [])
  await a.close()
  expect(await get()).toBe('b')
  expect(await metric(front, 'connections')).toBe(1)
  agent.destroy()
})

test('front: status tells what is in flight per replica and slot and since when they get nothing new', async () => {
  const { held, listener } = heldBackend()
  const front = await frontWith(
    { blue: await startBackend('a', listener), green: await startBackend('b') },
    { blue: 100 },
  )
  const outgoing = request({ port: front.port, agent: false }).end()
  const response = await eventually(() => held[0], 'the request')
  expect(await front.slot('blue')).toMatchObject({ inFlight: 1, outOfRotationMs: null, endpoints: 1 })
  await front.shares({ green: 100 })
  await front.endpoints('blue', [])
  const left = await front.slot('blue')
  expect(left).toMatchObject({ inFlight: 1, endpoints: 0, replicas: [{ replica: 'a', inFlight: 1 }] })
  expect(left.outOfRotationMs).toBeGreaterThanOrEqual(0)
  expect(left.replicas[0]!.outOfRotationMs).toBeGreaterThanOrEqual(0)
  response.end('late')
  const [incoming] = await once(outgoing, 'response')
  incoming.resume()
  await once(incoming, 'end')
  await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing in flight')
})

test('front: what still waits or streams at the drain time is cut and counted apart', async () => {
  const { held, listener } = heldBackend()
  const front = await startTestFront()
  await front.table([{ drainMs: 300 }])
  await front.endpoints('blue', [await startBackend('a', listener)])
  await front.shares({ blue: 100 })
  const waiting = fetchFrom(front.port, '/')
  await eventually(() => held.length === 1, 'the first request')
  const streaming = request({ port: front.port, agent: false }).end()
  ;(await eventually(() => held[1], 'the second request')).write('first')
  const [stream] = await once(streaming, 'response')
  const broken = once(stream, 'error')
  stream.resume()
  await front.shares({})
  expect(await waiting).toMatchObject({ status: 503, headers: { 'x-moodify-error': 'drain-time-over' } })
  await broken
  expect((await front.status()).streamsCut).toBe(2)
  expect(await metric(front, 'failures_total')).toBe(0)
})
