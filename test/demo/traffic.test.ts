import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { TrafficClient, type TrafficOptions, type TrafficReport, upperBound95 } from '../../demo/traffic.ts'
import type { RequestKind } from '../../demo/traffic-mix.ts'
import { until } from '../examples/app.ts'

const get: RequestKind = { name: 'get', weight: 1, make: () => ({ method: 'GET', path: '/' }) }
const upload: RequestKind = {
  name: 'upload',
  weight: 1,
  make: () => ({ method: 'POST', path: '/upload', chunks: ['one', 'two', 'three'] }),
}

async function listen(handler: RequestListener, prepare: (server: Server) => void = () => {}): Promise<string> {
  const server = createServer(handler)
  prepare(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Sends until the report is as wanted, and gives the last one. */
async function trafficUntil(
  options: TrafficOptions,
  isEnough: (report: TrafficReport) => boolean,
): Promise<TrafficReport> {
  const client = new TrafficClient({ requestsPerSecond: 200, kinds: [get], ...options })
  client.start()
  try {
    await until('enough traffic', () => isEnough(client.snapshot()))
  } finally {
    await client.stop()
  }
  return client.snapshot()
}

describe('traffic', () => {
  test('every request is answered once, over kept and short connections, uploads in pieces', async () => {
    const bodies: string[] = []
    const connections = new Set<unknown>()
    let received = 0
    const url = await listen(async (request, response) => {
      received += 1
      connections.add(request.socket)
      let body = ''
      for await (const chunk of request) body += chunk
      if (request.method === 'POST') bodies.push(body)
      response.setHeader('x-app-version', 'v1')
      response.end('ok')
    })
    const report = await trafficUntil({ url, kinds: [get, upload], slowMs: 60_000 }, ({ requests }) => requests >= 200)
    expect(report).toMatchObject({ dropped: 0, hurt: 0, inFlight: 0, statuses: { 200: report.requests } })
    expect(report.versions).toEqual({ v1: { answers: report.requests, errors: 0, slow: 0 } })
    expect(report.requests).toBe(received)
    expect(new Set(bodies)).toEqual(new Set(['onetwothree']))
    expect(connections.size).toBeGreaterThan(received * 0.1)
    expect(connections.size).toBeLessThan(received)
    expect(report.droppedUpperBound95).toBe(3 / report.requests)
  })

  test('errors of a service and slow answers have hurt, an answer made by the platform is dropped', async () => {
    let count = 0
    const url = await listen((_request, response) => {
      count += 1
      if (count % 4 === 0) return void response.writeHead(500, { 'x-app-version': 'v2' }).end()
      if (count % 4 === 1) return void response.writeHead(503, { 'x-moodify-error': 'NO_ENDPOINT' }).end()
      if (count % 4 === 2) return void setTimeout(() => response.end(), 60)
      response.writeHead(404).end()
    })
    const report = await trafficUntil({ url, slowMs: 50 }, ({ requests }) => requests >= 40)
    const counted = report.statuses[500]! + report.dropped + report.statuses[200]! + report.statuses[404]!
    expect(counted).toBe(report.requests)
    expect(report.errors).toBe(report.statuses[500])
    expect(report.versions['v2']).toMatchObject({ errors: report.errors })
    expect(report.slow).toBeGreaterThanOrEqual(report.statuses[200]!)
    expect(report.dropped).toBeGreaterThan(0)
    expect(report.drops[0]).toMatchObject({
      phase: 'answered by the platform',
      error: '503 NO_ENDPOINT',
      request: 'GET /',
    })
    expect(report.droppedUpperBound95).toBeNull()
    expect(report.lastHurtAt).toBeGreaterThanOrEqual(report.firstHurtAt!)
  })

  test('a refused connection is dropped while connecting', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const report = await trafficUntil({ url: `http://127.0.0.1:${port}` }, ({ dropped }) => dropped >= 5)
    expect(report.drops[0]).toMatchObject({ phase: 'connecting', reusedConnection: false })
    expect(report.drops[0]!.error).toContain('ECONNREFUSED')
    expect(report.dropped).toBe(report.requests)
  })

  test('a reset before and a cut within the answer are dropped, with the phase, and nothing is sent twice', async () => {
    let received = 0
    const url = await listen((request, response) => {
      received += 1
      if (received % 2) return void request.socket.resetAndDestroy()
      response.writeHead(200, { 'content-length': 100 })
      response.write('half', () => request.socket.destroy())
    })
    const report = await trafficUntil({ url }, ({ dropped }) => dropped >= 10)
    expect(report.dropped).toBe(received)
    expect(new Set(report.drops.map(({ phase }) => phase))).toEqual(
      new Set(['waiting for the answer', 'reading the answer']),
    )
  })

  test('a reused connection that is reset is dropped and known as reused', async () => {
    const seen = new WeakSet<Socket>()
    const url = await listen(({ socket }, response) => {
      if (seen.has(socket)) return void socket.resetAndDestroy()
      seen.add(socket)
      response.end('ok')
    })
    const report = await trafficUntil({ url, shortShare: 0 }, ({ dropped }) => dropped >= 3)
    expect(report.drops.map(({ reusedConnection }) => reusedConnection)).toContain(true)
  })

  test('an idle connection is left before its announced end, so its closing is no drop', async () => {
    // 1.5 requests a second leave a connection idle for 667 ms of its announced second: too near to its end.
    const answeredAt = new WeakMap<Socket, number>()
    const url = await listen(({ socket }, response) => {
      if (performance.now() - (answeredAt.get(socket) ?? Infinity) > 600) return void socket.resetAndDestroy()
      answeredAt.set(socket, performance.now())
      response.setHeader('keep-alive', 'timeout=1')
      response.end('ok')
    })
    const report = await trafficUntil({ url, shortShare: 0, requestsPerSecond: 1.5 }, ({ requests }) => requests >= 4)
    expect(report.dropped).toBe(0)
  })

  test('a connection without an announced end is not used again', async () => {
    const seen = new WeakSet<Socket>()
    const url = await listen(
      ({ socket }, response) => {
        if (seen.has(socket)) return void socket.resetAndDestroy()
        seen.add(socket)
        response.end('ok')
      },
      (server) => {
        server.keepAliveTimeout = 0
      },
    )
    const report = await trafficUntil({ url, shortShare: 0 }, ({ requests }) => requests >= 20)
    expect(report.dropped).toBe(0)
  })

  test('a service that does not answer gets no fewer requests, up to the limit in flight', async () => {
    const url = await listen(() => {})
    const options = { url, maxInFlight: 20, timeoutMs: 200 }
    const report = await trafficUntil(options, ({ notSent, dropped }) => notSent > 0 && dropped > 0)
    expect(report.inFlight).toBe(0)
    expect(report.drops[0]).toMatchObject({
      phase: 'waiting for the answer',
      error: expect.stringContaining('no answer'),
    })
  })

  test('web sockets: round trips are counted, 1001 is a cut stream, any other end is dropped', async () => {
    let opened = 0
    const codes = [1001, 1011]
    const url = await listen(
      (_request, response) => response.end('ok'),
      (server) => {
        const sockets = new WebSocketServer({ server })
        sockets.on('connection', (socket) => {
          const code = codes[opened++]
          let echoes = 0
          socket.on('message', (data) => {
            socket.send(data.toString())
            if (code && ++echoes === 3) socket.close(code)
          })
        })
      },
    )
    const sockets = { url: url.replace('http', 'ws'), sessions: 1, messageEveryMs: 5 }
    const report = await trafficUntil(
      { url, sockets },
      (now) => now.sockets.opened >= 3 && now.sockets.roundTrips >= 12,
    )
    expect(report.sockets).toMatchObject({ streamsCut: 1, wrongEchoes: 0 })
    expect(report.dropped).toBe(1)
    expect(report.drops).toMatchObject([{ phase: 'web socket', error: 'closed with 1011' }])
  })

  test('0 dropped of n is reported with its bound', () => {
    expect(upperBound95(3000)).toBe(0.001)
    expect([upperBound95(0), upperBound95(2)]).toEqual([1, 1])
  })
})
