import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { webhookNotifier } from '../../src/effects/notify/webhook.ts'
import type { Clock } from '../../src/effects/ports/clock.ts'

const message = {
  idempotencyKey: 'production/r-7/notify.released',
  event: 'released',
  text: 'v2 is released to production',
  data: { version: 'v2' },
}
const going = new AbortController().signal

/** Sleeps are written down instead of slept. */
function recordingClock(onSleep: () => void = () => undefined): Clock & { readonly sleeps: number[] } {
  const sleeps: number[] = []
  return {
    sleeps,
    monotonicMs: () => 0,
    wall: () => '2026-01-01T00:00:00.000Z',
    async sleep(ms) {
      sleeps.push(ms)
      onSleep()
    },
  }
}

interface Received {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

type Answer = { status: number; headers?: Record<string, string> } | 'cut' | 'silence'

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  }
})

/** A receiver that gives these answers in turn, the last one for ever. */
async function receiver(...answers: Answer[]) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const body = (await request.toArray()).join('')
    received.push({ method: request.method, path: request.url, headers: request.headers, body })
    const answer = answers[Math.min(received.length, answers.length) - 1]!
    if (answer === 'silence') return
    if (answer === 'cut') request.socket.destroy()
    else response.writeHead(answer.status, answer.headers).end('thanks')
  })
  servers.push(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { received, origin: `http://127.0.0.1:${port}`, url: `http://127.0.0.1:${port}/services/T0PS3CRET?token=hush` }
}

test('webhook: a message arrives as JSON with its key in header and body', async () => {
  const { url, received } = await receiver({ status: 200 })
  await webhookNotifier({ url, clock: recordingClock() }).notify(message, going)
  expect(received).toHaveLength(1)
  expect(received[0]).toMatchObject({
    method: 'POST',
    path: '/services/T0PS3CRET?token=hush',
    headers: { 'content-type': 'application/json', 'idempotency-key': message.idempotencyKey },
  })
  expect(JSON.parse(received[0]!.body)).toEqual(message)
})

test('webhook: 5xx and broken connections are tried again with growing pauses and the same key', async () => {
  const { url, received } = await receiver({ status: 503 }, 'cut', { status: 500 }, { status: 204 })
  const clock = recordingClock()
  await webhookNotifier({ url, clock }).notify(message, going)
  expect(received.map(({ headers }) => headers['idempotency-key'])).toEqual(new Array(4).fill(message.idempotencyKey))
  expect(clock.sleeps).toEqual([500, 2000, 5000])
})

test('webhook: Retry-After is obeyed in both of its forms, up to half a minute', async () => {
  const { url } = await receiver(
    { status: 429, headers: { 'retry-after': '7' } },
    { status: 503, headers: { 'retry-after': 'Thu, 01 Jan 2026 00:00:11 GMT' } },
    { status: 429, headers: { 'retry-after': '3600' } },
    { status: 200 },
  )
  const clock = recordingClock()
  await webhookNotifier({ url, clock }).notify(message, going)
  expect(clock.sleeps).toEqual([7000, 11_000, 30_000])
})

test.for([400, 401, 404, 410, 302])('webhook: %i is final', async (status) => {
  const { url, received } = await receiver({ status, headers: { location: '/elsewhere' } }, { status: 200 })
  await expect(webhookNotifier({ url, clock: recordingClock() }).notify(message, going)).rejects.toMatchObject({
    code: 'NOTIFY_FAILED',
    message: expect.stringContaining(`it answered ${status} (tried once)`),
  })
  expect(received).toHaveLength(1)
})

test('webhook: after four attempts it gives up, and shows nothing of the address but its origin', async () => {
  const { url, origin, received } = await receiver({ status: 500 })
  const failure = await webhookNotifier({ url, clock: recordingClock() })
    .notify(message, going)
    .catch((error) => error)
  expect(received).toHaveLength(4)
  expect(failure).toMatchObject({
    code: 'NOTIFY_FAILED',
    message: `the webhook at ${origin} did not accept the message: it answered 500 (tried 4 times)`,
  })
  expect(`${failure.stack} ${JSON.stringify(failure)} ${failure.hint} ${failure.cause}`).not.toMatch(/T0PS3CRET|hush/)
})

test('webhook: nobody listening is reported by the code of the network error alone', async () => {
  const { url, origin } = await receiver({ status: 200 })
  const [server] = servers.splice(0)
  await new Promise((closed) => server!.close(closed))
  await expect(webhookNotifier({ url, clock: recordingClock() }).notify(message, going)).rejects.toThrow(
    `the webhook at ${origin} did not accept the message: the connection failed (ECONNREFUSED) (tried 4 times)`,
  )
})

test('webhook: a receiver that does not answer is left after the timeout and tried again', async () => {
  const { url, received } = await receiver('silence', { status: 200 })
  await webhookNotifier({ url, clock: recordingClock(), timeoutMs: 50 }).notify(message, going)
  expect(received).toHaveLength(2)
})

test('webhook: credentials in the address become a header', async () => {
  const { url, received } = await receiver({ status: 200 })
  const withCredentials = url.replace('http://', 'http://robot:s%3Ft@')
  await webhookNotifier({ url: withCredentials, clock: recordingClock() }).notify(message, going)
  expect(received[0]?.headers.authorization).toBe(`Basic ${Buffer.from('robot:s?t').toString('base64')}`)
})

test.for(['hooks.example/T0PS3CRET', 'ftp://hooks.example/T0PS3CRET', ''])(
  'webhook: %s is no address, and the message does not show it',
  (url) => {
    const make = () => webhookNotifier({ url, clock: recordingClock() })
    expect(make).toThrow(expect.objectContaining({ code: 'NOTIFY_FAILED' }))
    expect(make).not.toThrow(/T0PS3CRET/)
  },
)

test('webhook: an abort ends the wait for an answer', async () => {
  const { url, received } = await receiver('silence')
  const abort = new AbortController()
  const told = webhookNotifier({ url, clock: recordingClock() }).notify(message, abort.signal)
  const outcome = expect(told).rejects.toThrow('no longer needed')
  await expect.poll(() => received.length, { timeout: 20_000 }).toBe(1)
  abort.abort(new Error('no longer needed'))
  await outcome
})

test('webhook: an abort between two attempts ends it', async () => {
  const { url, received } = await receiver({ status: 500 })
  const abort = new AbortController()
  const clock = recordingClock(() => abort.abort(new Error('no longer needed')))
  await expect(webhookNotifier({ url, clock }).notify(message, abort.signal)).rejects.toThrow('no longer needed')
  expect(received).toHaveLength(1)
})
