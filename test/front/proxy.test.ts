import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  eventually,
  fetchFrom,
  frontWith,
  heldBackend,
  readAll,
  startBackend,
  startTestFront,
  textOf,
} from './helpers.ts'

test('front: requests go to slots by share', async () => {
  const front = await frontWith(
    { blue: await startBackend('a'), green: await startBackend('b') },
    { blue: 75, green: 25 },
  )
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  const answers = await Promise.all(Array.from({ length: 1000 }, () => fetchFrom(front.port, '/', { agent })))
  agent.destroy()
  const green = answers.filter(({ body }) => body === 'b').length
  // 25 % of 1,000: standard deviation 14.
  expect(green).toBeGreaterThan(190)
  expect(green).toBeLessThan(310)
})

test('front: after a change of shares has been answered no request goes by the old ones', async () => {
  const front = await frontWith({ blue: await startBackend('a'), green: await startBackend('b') }, { blue: 100 })
  for (let i = 0; i < 10; i++) {
    await front.shares(i % 2 ? { blue: 100 } : { green: 100 })
    const bodies = await Promise.all([1, 2, 3].map(async () => (await fetchFrom(front.port, '/')).body))
    expect(bodies).toEqual(Array(3).fill(i % 2 ? 'a' : 'b'))
  }
})

test('front: a service takes the paths below its own, with the prefix removed if asked', async () => {
  const front = await startTestFront()
  const echo = await startBackend('echo', (incoming, outgoing) => outgoing.end(incoming.url))
  await front.table([
    { name: 'web', path: '/' },
    { name: 'api', path: '/api', stripPath: true },
  ])
  for (const service of ['web', 'api']) {
    await front.endpoints('blue', [echo], service)
    await front.shares({ blue: 100 }, service)
  }
  const seen = async (path: string) => (await fetchFrom(front.port, path)).body
  expect(await seen('/apis/x')).toBe('/apis/x')
  expect(await seen('/api/x?y=1')).toBe('/x?y=1')
  expect(await seen('/api?y=1')).toBe('/?y=1')
  expect(await seen('/api')).toBe('/')
})

test('front: a pinned request goes to its slot whatever the shares are, and is not counted', async () => {
  const front = await frontWith({ blue: await startBackend('a'), green: await startBackend('b') }, { blue: 100 })
  const pinned = (slot: string) => fetchFrom(front.port, '/', { headers: { 'x-moodify-slot': slot } })
  expect((await pinned('green')).body).toBe('b')
  const unknown = await pinned('red')
  expect(unknown.status).toBe(404)
  expect(unknown.headers['x-moodify-error']).toBe('unknown-slot')
  expect(JSON.parse(unknown.body).error.code).toBe('unknown-slot')
  await fetchFrom(front.port, '/')
  const { cells } = await eventually(async () => {
    const read = await front.cells()
    return read.cells.length > 0 && read
  }, 'a cell')
  expect(cells.map(({ replica, requests }) => [replica, requests])).toEqual([['a', 1]])
})

test('front: without any service, share or replica it says so itself', async () => {
  const front = await startTestFront()
  expect(await fetchFrom(front.port, '/')).toMatchObject({ status: 404, headers: { 'x-moodify-error': 'no-service' } })
  await front.table()
  expect(await fetchFrom(front.port, '/')).toMatchObject({
    status: 503,
    headers: { 'x-moodify-error': 'no-endpoints' },
  })
  await front.shares({ blue: 100 })
  expect(await fetchFrom(front.port, '/')).toMatchObject({
    status: 503,
    headers: { 'x-moodify-error': 'no-endpoints' },
  })
  await front.endpoints('blue', [await startBackend('a')])
  expect(await fetchFrom(front.port, '/')).toMatchObject({ status: 200, body: 'a' })
})

test('front: headers of one connection stay on it, and the service learns who asked', async () => {
  const echo = await startBackend('echo', (incoming, outgoing) => {
    outgoing.setHeader('connection', 'x-internal')
    outgoing.setHeader('x-internal', 'secret')
    outgoing.setHeader('set-cookie', ['a=1', 'b=2'])
    outgoing.end(JSON.stringify(incoming.headers))
  })
  const front = await frontWith({ blue: echo }, { blue: 100 })
  const answer = await fetchFrom(front.port, '/', {
    headers: {
      host: 'music.example',
      connection: 'close, x-hop, host, content-length',
      'x-hop': '1',
      te: 'trailers',
      'x-forwarded-for': '192.0.2.1',
      'x-kept': 'yes',
    },
  })
  const seen = JSON.parse(answer.body)
  expect(seen).toMatchObject({
    host: 'music.example',
    'x-kept': 'yes',
    'x-forwarded-for': '192.0.2.1, 127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'music.example',
  })
  expect(seen['x-request-id']).toMatch(/^[0-9a-f]{12}-\w+$/)
  expect(seen).not.toHaveProperty('x-hop')
  expect(seen).not.toHaveProperty('te')
  expect(answer.headers).not.toHaveProperty('x-internal')
  expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2'])
})

test('front: an upload and a download of 96 MiB stream through it without being kept in memory', async () => {
  const size = 96 * 1024 * 1024
  const echo = await startBackend('echo', (incoming, outgoing) => {
    outgoing.writeHead(200, { 'content-length': incoming.headers['content-length'] ?? '' })
    incoming.pipe(outgoing)
  })
  const front = await frontWith({ blue: echo }, { blue: 100 })
  const outgoing = request({ port: front.port, method: 'POST', headers: { 'content-length': size }, agent: false })
  const block = Buffer.alloc(1024 * 1024, 'x')
  let sent = 0
  let received = 0
  const send = () => {
    while (sent < size) {
      sent += block.length
      if (!outgoing.write(block)) return void outgoing.once('drain', send)
    }
    outgoing.end()
  }
  send()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  // As long as nothing is read here, only what fits into the buffers of the sockets gets on its way.
  let sentBefore = -1
  await eventually(async () => {
    await setTimeout(100)
    const stalled = sent === sentBefore
    sentBefore = sent
    return stalled
  }, 'the upload stalls')
  expect(sent).toBeLessThan(size)
  for await (const chunk of incoming) received += chunk.length
  expect(received).toBe(size)
})

test('front: an answer arrives piece by piece, as the service sends it', async () => {
  const { held, listener } = heldBackend()
  const front = await frontWith({ blue: await startBackend('a', listener) }, { blue: 100 })
  const outgoing = request({ port: front.port, agent: false }).end()
  const response = await eventually(() => held[0], 'the request')
  response.write('one')
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  expect(String((await once(incoming, 'data'))[0])).toBe('one')
  response.write('two')
  expect(String((await once(incoming, 'data'))[0])).toBe('two')
  response.end()
  await once(incoming, 'end')
})

test('front: HEAD, 204, 304, trailers and chunked uploads pass as they are', async () => {
  const backend = await startBackend('a', async (incoming, outgoing) => {
    if (incoming.url === '/204') outgoing.writeHead(204).end()
    else if (incoming.url === '/304') outgoing.writeHead(304, { etag: '"1"' }).end()
    else if (incoming.url === '/trailers') {
      const body = await textOf(incoming)
      outgoing.writeHead(200, { trailer: 'x-sum' })
      outgoing.write(body)
      outgoing.addTrailers({ 'x-sum': String(incoming.trailers['x-count']) })
      outgoing.end()
    } else outgoing.writeHead(200, { 'content-length': '5' }).end(incoming.method === 'HEAD' ? undefined : 'hello')
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const get = (path: string, method = 'GET') => fetchFrom(front.port, path, { agent, method })
  expect(await get('/', 'HEAD')).toMatchObject({ status: 200, body: '', headers: { 'content-length': '5' } })
  expect(await get('/204')).toMatchObject({ status: 204, body: '' })
  expect(await get('/304')).toMatchObject({ status: 304, body: '', headers: { etag: '"1"' } })
  expect(await get('/')).toMatchObject({ status: 200, body: 'hello' })

  const outgoing = request({ port: front.port, path: '/trailers', method: 'POST', agent })
  outgoing.write('a')
  outgoing.addTrailers([['x-count', '2']])
  outgoing.end('b')
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  expect(await textOf(incoming)).toBe('ab')
  expect(incoming.trailers).toEqual({ 'x-sum': '2' })
  agent.destroy()
})

test('front: Expect: 100-continue is answered once a replica has the request', async () => {
  const backend = await startBackend('a', async (incoming, outgoing) => {
    outgoing.end(`${incoming.headers.expect} ${await textOf(incoming)}`)
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  const headers = { expect: '100-continue', 'content-length': 4 }
  const outgoing = request({ port: front.port, method: 'PUT', agent: false, headers })
  outgoing.flushHeaders()
  await once(outgoing, 'continue')
  outgoing.end('body')
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  expect(await textOf(incoming)).toBe('undefined body')
})

test.each(['keep-alive', 'close'])(
  'front: an answer sent before the upload is over arrives (backend: %s)',
  async (connection) => {
    const backend = await startBackend('a', (incoming, outgoing) => {
      incoming.resume()
      outgoing.writeHead(413, { connection, 'content-length': '5' }).end('large')
    })
    const front = await frontWith({ blue: backend }, { blue: 100 })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const outgoing = request({ port: front.port, method: 'POST', agent })
    outgoing.write('first')
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    expect(incoming.statusCode).toBe(413)
    const body = textOf(incoming)
    for (let i = 0; i < 20; i++) outgoing.write(Buffer.alloc(64 * 1024))
    outgoing.end()
    expect(await body).toBe('large')
    // The connection is still good, and the replica got no bad mark.
    expect((await fetchFrom(front.port, '/', { agent })).status).toBe(413)
    agent.destroy()
    await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing in flight')
    expect(await front.control.request('GET', '/metrics')).toContain(
      'moodify_front_failures_total{service="web",slot="blue",revision="revision-of-a",replica="a"} 0',
    )
  },
)

test('front: pipelined requests are answered in order', async () => {
  const echo = await startBackend('echo', (incoming, outgoing) => outgoing.end(incoming.url))
  const front = await frontWith({ blue: echo }, { blue: 100 })
  const socket = connect(front.port, '127.0.0.1')
  const head = (path: string, rest = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${rest}\r\n`
  socket.write(head('/1') + head('/2') + head('/3', 'Connection: close\r\n'))
  const bodies = [...(await readAll(socket)).matchAll(/\r\n\r\n(\/\d)/g)].map(([, body]) => body)
  expect(bodies).toEqual(['/1', '/2', '/3'])
})

test('front: when clients go, nothing stays in flight and no replica is blamed', async () => {
  const { held, listener } = heldBackend()
  const backend = await startBackend('a', listener)
  const front = await frontWith({ blue: backend }, { blue: 100 })
  const waiting = request({ port: front.port, agent: false }).end()
  waiting.on('error', () => {})
  const pipelined = connect(front.port, '127.0.0.1')
  pipelined.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n')
  const uploading = request({ port: front.port, agent: false, method: 'POST' })
  uploading.on('error', () => {})
  uploading.write('half')
  await eventually(() => held.length === 4, 'four requests at the replica')
  expect((await front.slot('blue')).inFlight).toBe(4)
  waiting.destroy()
  pipelined.destroy()
  uploading.destroy()
  await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing in flight')
  await eventually(() => held.every(({ destroyed }) => destroyed), 'the replica sees it')
  expect(await front.control.request('GET', '/metrics')).toContain(
    'moodify_front_failures_total{service="web",slot="blue",revision="revision-of-a",replica="a"} 0',
  )
})
