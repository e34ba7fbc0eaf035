import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type Backend, eventually, frontWith, readAll, startBackend, startTestFront } from './helpers.ts'

async function startEcho(name: string): Promise<Backend & { sockets: Set<WebSocket>; codes: number[] }> {
  const backend = await startBackend(name)
  const wss = new WebSocketServer({ server: backend.server })
  const codes: number[] = []
  wss.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }))
    socket.on('close', (code) => codes.push(code))
  })
  onTestFinished(() => wss.close())
  return { ...backend, sockets: wss.clients, codes }
}

async function open(port: number, options: { headers?: Record<string, string> } = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`, options)
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

test('front: a WebSocket passes messages of any size both ways, compressed too', async () => {
  const front = await frontWith({ blue: await startEcho('a') }, { blue: 100 })
  const socket = await open(front.port)
  for (const size of [0, 1, 125, 126, 70_000, 3_000_000]) {
    const message = Buffer.alloc(size, 'm')
    socket.send(message)
    const [echoed] = await once(socket, 'message')
    expect(message.equals(echoed)).toBe(true)
  }
  socket.close(4000)
  expect((await once(socket, 'close'))[0]).toBe(4000)
  await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing in flight')
})

test('front: a WebSocket stays when its slot loses its share, and is closed with 1001 at the drain time', async () => {
  const a = await startEcho('a')
  const front = await startTestFront()
  await front.table([{ drainMs: 1000 }])
  await front.endpoints('blue', [a])
  await front.endpoints('green', [await startEcho('b')])
  await front.shares({ blue: 100 })
  const socket = await open(front.port)
  await front.shares({ green: 100 })
  socket.send('still here')
  expect(String((await once(socket, 'message'))[0])).toBe('still here')
  expect(await front.slot('blue')).toMatchObject({ inFlight: 1 })
  expect((await once(socket, 'close'))[0]).toBe(1001)
  // The client's own close frame goes on to the service.
  await eventually(() => a.codes[0] === 1001, 'the service sees 1001 too')
  await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing in flight')
  expect((await front.status()).streamsCut).toBe(1)
  const next = await open(front.port)
  next.send('b')
  await once(next, 'message')
})

test('front: a WebSocket that is cut in the middle of a frame gets that frame to its end before 1001', async () => {
  const backend = await startBackend('a')
  const half = Buffer.from([0x82, 0x04, 1, 2])
  const rest = Buffer.from([3, 4])
  let service: import('node:stream').Duplex | undefined
  backend.server.on('upgrade', (_request, socket) => {
    service = socket
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.resume()
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.write(half)
  })
  const front = await startTestFront()
  await front.table([{ drainMs: 0 }])
  await front.endpoints('blue', [backend])
  await front.shares({ blue: 100 })
  const client = connect(front.port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  let head = ''
  while (!head.endsWith(half.toString('latin1'))) head += (await once(client, 'data'))[0].toString('latin1')
  await front.shares({})
  await eventually(async () => (await front.status()).streamsCut === 1, 'the cut')
  service!.write(Buffer.concat([rest, Buffer.from([0x82, 0x01, 9])]))
  expect(Buffer.from(await readAll(client), 'latin1')).toEqual(Buffer.from([3, 4, 0x88, 0x02, 0x03, 0xe9]))
})

test('front: a WebSocket may be pinned to a slot', async () => {
  const [a, b] = [await startEcho('a'), await startEcho('b')]
  const front = await frontWith({ blue: a, green: b }, { blue: 100 })
  await open(front.port, { headers: { 'x-moodify-slot': 'green' } })
  expect([a.sockets.size, b.sockets.size]).toEqual([0, 1])
})

test('front: what a service answers instead of an upgrade is passed on', async () => {
  const backend = await startBackend('a')
  backend.server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n')
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  const client = connect(front.port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  const answer = await readAll(client)
  expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
  expect(answer).toMatch(/\r\n\r\nno!$/)
})

test('front: a handshake without any replica that could take it is answered by the front', async () => {
  const dead = await startBackend('dead')
  await dead.close()
  const front = await frontWith({ blue: dead }, { blue: 100 })
  const refusal = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${front.port}/`)
    const [, answer] = await once(socket, 'unexpected-response')
    socket.on('error', () => {})
    socket.terminate()
    return [answer.statusCode, answer.headers['x-moodify-error']]
  }
  expect(await refusal()).toEqual([502, 'connection-failed'])
  await front.endpoints('blue', [])
  expect(await refusal()).toEqual([503, 'no-endpoints'])
  await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing in flight')
})

test('front: when either side of a WebSocket vanishes, the other is told', async () => {
  const a = await startEcho('a')
  const front = await frontWith({ blue: a }, { blue: 100 })
  const first = await open(front.port)
  first.terminate()
  await eventually(() => a.sockets.size === 0, 'the service sees the client go')
  const second = await open(front.port)
  for (const socket of a.sockets) socket.terminate()
  expect((await once(second, 'close'))[0]).toBe(1006)
  await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing in flight')
})
