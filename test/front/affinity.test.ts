import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { newTicket, setCookie, ticketIn } from '../../src/effects/local/front/affinity.ts'
import { type Backend, fetchFrom, startBackend, startTestFront, type TestFront } from './helpers.ts'

const affinity = { cookie: 'shop', maxAgeSeconds: null }
const USERS = 400

async function affineFront(slots: Record<string, readonly Backend[]>, shares: Record<string, number>) {
  const front = await startTestFront()
  await front.table([{ affinity }])
  for (const [slot, backends] of Object.entries(slots)) await front.endpoints(slot, backends)
  await front.shares(shares)
  return front
}

async function visit(front: TestFront, cookie?: string): Promise<{ served: string; cookie: string | undefined }> {
  const answer = await fetchFrom(front.port, '/', cookie === undefined ? {} : { headers: { cookie } })
  const set = answer.headers['set-cookie']?.[0]?.split(';')[0]
  return { served: answer.body, cookie: set }
}

async function users(front: TestFront, count = USERS): Promise<string[]> {
  const seen = await Promise.all(Array.from({ length: count }, () => visit(front)))
  return seen.map(({ cookie }) => cookie!)
}

/** Who serves each of them now. */
async function servers(front: TestFront, cookies: readonly string[]): Promise<string[]> {
  return Promise.all(cookies.map(async (cookie) => (await visit(front, cookie)).served))
}

test('affinity: whoever has no cookie gets one with the answer, and whoever has one gets no other', async () => {
  const front = await affineFront({ blue: [await startBackend('a')] }, { blue: 100 })
  const first = await fetchFrom(front.port, '/')
  expect(first.headers['set-cookie']).toEqual([
    expect.stringMatching(/^shop=[0-9a-f]{16}; Path=\/; HttpOnly; SameSite=Lax$/),
  ])
  const { cookie } = await visit(front)
  expect((await visit(front, `other=1; ${cookie}; more=2`)).cookie).toBe(undefined)
  expect((await visit(front, 'shop=forged')).cookie).toMatch(/^shop=[0-9a-f]{16}$/)
})

test('affinity: a user stays with one replica of one version, and users are divided by share', async () => {
  const [a1, a2, b] = [await startBackend('a1'), await startBackend('a2'), await startBackend('b')]
  const front = await affineFront({ blue: [a1, a2], green: [b] }, { blue: 75, green: 25 })
  const cookies = await users(front)
  const before = await servers(front, cookies)
  for (let round = 0; round < 3; round++) expect(await servers(front, cookies)).toEqual(before)
  const share = (name: string) => before.filter((server) => server === name).length / USERS
  // 25 % of 400: standard deviation 2.2 %.
  expect(share('b')).toBeGreaterThan(0.14)
  expect(share('b')).toBeLessThan(0.36)
  expect(share('a1')).toBeGreaterThan(0.25)
  expect(share('a2')).toBeGreaterThan(0.25)
})

test.each([
  ['green', 'blue'],
  ['blue', 'green'],
])(
  'affinity: when the share of %s grows, users come to it and none leaves; taken back, all leave',
  async (to, from) => {
    const front = await affineFront(
      { [from]: [await startBackend('old')], [to]: [await startBackend('new')] },
      { [from]: 100 },
    )
    const cookies = await users(front)
    let before = await servers(front, cookies)
    for (const share of [10, 25, 50, 100]) {
      await front.shares({ [to]: share, [from]: 100 - share })
      const after = await servers(front, cookies)
      expect(after.filter((server, index) => before[index] === 'new' && server === 'old')).toEqual([])
      expect(after.filter((server) => server === 'new').length / USERS).toBeGreaterThan(share / 100 - 0.12)
      before = after
    }
    await front.shares({ [from]: 100 })
    expect(new Set(await servers(front, cookies))).toEqual(new Set(['old']))
  },
)

test('affinity: when a replica goes, only its users move, and they come back with it', async () => {
  const replicas = [await startBackend('a1'), await startBackend('a2'), await startBackend('a3')]
  const front = await affineFront({ blue: replicas }, { blue: 100 })
  const cookies = await users(front)
  const before = await servers(front, cookies)
  await front.endpoints('blue', replicas.slice(0, 2))
  const without = await servers(front, cookies)
  expect(without).not.toContain('a3')
  expect(without.filter((server, index) => before[index] !== 'a3' && server !== before[index])).toEqual([])
  await front.endpoints('blue', replicas)
  expect(await servers(front, cookies)).toEqual(before)
})

test('affinity: another front sends a user to the same replica', async () => {
  const slots = {
    blue: [await startBackend('a1'), await startBackend('a2')],
    green: [await startBackend('b1'), await startBackend('b2')],
  }
  const one = await affineFront(slots, { blue: 60, green: 40 })
  const other = await affineFront({ green: slots.green, blue: slots.blue.toReversed() }, { green: 40, blue: 60 })
  const cookies = await users(one)
  expect(await servers(other, cookies)).toEqual(await servers(one, cookies))
})

test('affinity: a request that is pinned to a slot goes there, and no cookie comes of it', async () => {
  const front = await affineFront({ blue: [await startBackend('a')], green: [await startBackend('b')] }, { blue: 100 })
  const cookies = await users(front, 3)
  const headers = { 'x-moodify-slot': 'green', cookie: cookies[0]! }
  const answer = await fetchFrom(front.port, '/', { headers })
  expect(answer.body).toBe('b')
  expect((await fetchFrom(front.port, '/', { headers: { 'x-moodify-slot': 'green' } })).headers['set-cookie']).toBe(
    undefined,
  )
})

test('affinity: a WebSocket follows the cookie of its handshake, and gets one without', async () => {
  const front = await affineFront(
    { blue: [await startEcho('a')], green: [await startEcho('b')] },
    { blue: 50, green: 50 },
  )
  const cookies = await users(front, 20)
  const pages = await servers(front, cookies)
  const sockets = await Promise.all(cookies.map(async (cookie) => (await handshake(front.port, { cookie })).served))
  expect(sockets).toEqual(pages)
  expect(new Set(pages).size).toBe(2)
  const fresh = await handshake(front.port)
  expect(fresh.answer.headers['set-cookie']).toEqual([expect.stringMatching(/^shop=[0-9a-f]{16};/)])
})

test('affinity: a ticket is found among other cookies; a cookie for encrypted connections stays on them', () => {
  const ticket = newTicket()
  expect(ticketIn(`x=1;shop=${ticket}`, affinity)).toBe(ticket)
  expect(ticketIn(`xshop=${ticket}; shopx=${ticket}`, affinity)).toBe(null)
  expect(ticketIn('shop', affinity)).toBe(null)
  expect(ticketIn(undefined, affinity)).toBe(null)
  expect(setCookie(ticket, { cookie: 'shop', maxAgeSeconds: 3600 }, true)).toBe(
    `shop=${ticket}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure`,
  )
})

/** Says its name first. */
async function startEcho(name: string): Promise<Backend> {
  const backend = await startBackend(name)
  const server = new WebSocketServer({ server: backend.server })
  server.on('connection', (socket) => socket.send(name))
  onTestFinished(() => server.close())
  return backend
}

async function handshake(port: number, headers: Record<string, string> = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers })
  onTestFinished(() => socket.terminate())
  const upgraded = once(socket, 'upgrade') as Promise<[IncomingMessage]>
  const [message] = await once(socket, 'message')
  const [answer] = await upgraded
  return { served: String(message), answer }
}
