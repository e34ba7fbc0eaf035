import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { frontFromArguments } from '../../src/effects/local/front/main.ts'
import { socketClient } from '../../src/effects/local/socket-client.ts'
import {
  endpointOf,
  eventually,
  fetchFrom,
  frontWith,
  heldBackend,
  startBackend,
  startTestFront,
  temporaryFolder,
} from './helpers.ts'

const shares = (change: object) => ({ service: 'web', shares: { blue: 100 }, generation: 5, epoch: 3, ...change })

test('front: a lower epoch is refused, an equal or higher one is kept', async () => {
  const front = await startTestFront()
  await front.table()
  const { control } = front
  await control.request('PUT', '/epoch', { environment: 'production', epoch: 3 })
  await control.request('PUT', '/epoch', { environment: 'production', epoch: 3 })
  await expect(control.request('PUT', '/epoch', { environment: 'production', epoch: 2 })).rejects.toMatchObject({
    code: 'STALE_EPOCH',
  })
  await expect(control.request('PUT', '/shares', shares({ epoch: 2 }))).rejects.toMatchObject({ code: 'STALE_EPOCH' })
  await control.request('PUT', '/shares', shares({ epoch: 7 }))
  expect((await front.status()).epoch).toBe(7)
  await expect(control.request('PUT', '/epoch', { environment: 'staging', epoch: 9 })).rejects.toMatchObject({
    code: 'BAD_FLAG',
  })
})

test('front: the same generation with the same shares is a repeat; other shares or a lower one are refused', async () => {
  const front = await startTestFront()
  await front.table()
  const { control } = front
  const answer = { generation: 5, shares: { blue: 100 } }
  expect(await control.request('PUT', '/shares', shares({}))).toEqual(answer)
  expect(await control.request('PUT', '/shares', shares({}))).toEqual(answer)
  expect(await control.request('PUT', '/shares', shares({ shares: { blue: 100, green: 0 } }))).toEqual(answer)
  for (const change of [{ shares: { green: 100 } }, { generation: 4 }]) {
    await expect(control.request('PUT', '/shares', shares(change))).rejects.toMatchObject({ code: 'STALE_GENERATION' })
  }
  expect((await front.status()).services['web']).toMatchObject(answer)
})

test.each([
  ['shares that add up to neither 100 nor 0', 'PUT', '/shares', shares({ shares: { blue: 90 } })],
  ['a negative share', 'PUT', '/shares', shares({ shares: { blue: 110, green: -10 } })],
  ['shares of an unknown service', 'PUT', '/shares', shares({ service: 'other' })],
  ['a generation that is no number', 'PUT', '/shares', shares({ generation: '5' })],
  [
    'endpoints without a port',
    'PUT',
    '/endpoints',
    { service: 'web', slot: 'blue', endpoints: [{ replica: 'a', revision: 'r' }] },
  ],
  [
    'two services on one path',
    'PUT',
    '/table',
    { services: ['a', 'b'].map((name) => ({ name, path: '/', stripPath: false, drainMs: 0 })) },
  ],
  ['no body', 'PUT', '/table', undefined],
  ['a path that is not there', 'GET', '/nothing', undefined],
  ['a cursor that is no number', 'GET', '/cells?service=web&after=x', undefined],
])('front: %s is refused as bad input, and nothing changes', async (_what, method, url, body) => {
  const front = await startTestFront()
  await front.table()
  const before = (await front.status()).services
  await expect(front.control.request(method, url, body)).rejects.toMatchObject({ code: 'BAD_FLAG' })
  expect((await front.status()).services).toEqual(before)
})

test('front: fields that it does not know are ignored', async () => {
  const front = await startTestFront()
  await front.table([{ name: 'web', weight: 3 } as object])
  await front.control.request('PUT', '/shares', shares({ since: 'v9' }))
  expect((await front.status()).services['web']!.shares).toEqual({ blue: 100 })
})

test('front: the control socket and the state file are for their owner only', async () => {
  const front = await startTestFront()
  await front.table()
  expect(statSync(join(front.folder, 'front.sock')).mode & 0o777).toBe(0o600)
  expect(statSync(join(front.folder, 'state/front.json')).mode & 0o777).toBe(0o600)
})

test('front: after a restart it serves at once what it was told, on the same port', async () => {
  const [a, b] = [await startBackend('a'), await startBackend('b')]
  const before = await startTestFront()
  await before.table()
  await before.endpoints('blue', [a])
  await before.endpoints('green', [b])
  before.epoch = 4
  await before.shares({ green: 100 })
  const status = await before.status()
  await before.stop()

  const after = await startTestFront({ folder: before.folder })
  expect(after.port).toBe(before.port)
  expect((await fetchFrom(after.port, '/')).body).toBe('b')
  const restored = await after.status()
  expect(restored.source).not.toBe(status.source)
  expect(restored.epoch).toBe(4)
  expect(restored.services['web']).toMatchObject({ generation: 1, shares: { green: 100 } })
  expect(restored.services['web']!.slots['blue']!.endpoints).toBe(1)
  await expect(after.control.request('PUT', '/shares', shares({ epoch: 3, generation: 2 }))).rejects.toMatchObject({
    code: 'STALE_EPOCH',
  })
})

test('front: a state file that makes no sense is ignored', async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'state'))
  writeFileSync(join(folder, 'state/front.json'), '{"environment":"production"')
  const front = await startTestFront({ folder })
  expect((await front.status()).services).toEqual({})
})

test('front: shares are followed even when they cannot be saved; an epoch is not taken then', async () => {
  const front = await frontWith({ blue: await startBackend('a'), green: await startBackend('b') }, { blue: 100 })
  const state = join(front.folder, 'state')
  // A folder where the file has to go: also root cannot write it then.
  mkdirSync(join(state, 'front.json.new'))
  await front.shares({ green: 100 })
  expect((await fetchFrom(front.port, '/')).body).toBe('b')
  expect((await front.status()).unsaved).toMatch(/EISDIR/)
  await expect(front.control.request('PUT', '/epoch', { environment: 'production', epoch: 9 })).rejects.toMatchObject({
    code: 'PLATFORM_FAILED',
  })
  rmSync(join(state, 'front.json.new'), { recursive: true })
  await eventually(async () => (await front.status()).unsaved === null, 'it is saved by itself')
  expect(JSON.parse(readFileSync(join(state, 'front.json'), 'utf8')).services[0].shares).toEqual({ green: 100 })
})

test('front: a busy port is said with what to do; another front on the same socket is refused', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo
  await expect(startTestFront({ port })).rejects.toMatchObject({
    code: 'PORT_BUSY',
    message: expect.stringContaining(String(port)),
    hint: expect.stringContaining('listen'),
  })
  const front = await startTestFront()
  await expect(startTestFront({ folder: front.folder })).rejects.toMatchObject({ code: 'REFUSED' })
  expect((await front.status()).listening.port).toBe(front.port)
})

test('front: cells are given out once per whole second, and add up to what was asked', async () => {
  const front = await frontWith({ blue: await startBackend('a') }, { blue: 100 })
  for (let i = 0; i < 30; i++) await fetchFrom(front.port, '/')
  let after = -1
  let requests = 0
  await eventually(async () => {
    const { second, cells } = await front.cells(after)
    expect(cells.every((cell) => cell.second > after && cell.second <= second)).toBe(true)
    after = second
    for (const cell of cells) {
      expect(cell).toMatchObject({ slot: 'blue', revision: 'revision-of-a', replica: 'a', failures: 0 })
      expect(cell.latency.reduce((sum, count) => sum + count, 0)).toBe(cell.requests)
      requests += cell.requests
    }
    return requests >= 30
  }, 'all cells')
  expect(requests).toBe(30)
})

test('front: metrics are Prometheus text with a whole histogram', async () => {
  const front = await frontWith({ blue: await startBackend('a') }, { blue: 100 })
  await fetchFrom(front.port, '/')
  await fetchFrom(front.port, '/', { headers: { 'x-moodify-slot': 'red' } })
  const text = await front.control.request<string>('GET', '/metrics')
  const labels = 'service="web",slot="blue",revision="revision-of-a",replica="a"'
  expect(text).toContain(`moodify_front_requests_total{${labels}} 1\n`)
  expect(text).toContain(`moodify_front_request_duration_seconds_bucket{${labels},le="+Inf"} 1\n`)
  expect(text).toContain(`moodify_front_request_duration_seconds_count{${labels}} 1\n`)
  expect(text).toContain('moodify_front_share_percent{service="web",slot="blue"} 100\n')
  expect(text).toContain('moodify_front_errors_total{error="unknown-slot"} 1\n')
  expect(text.split('\n').every((line) => /^$|^# (HELP|TYPE) |^\w+(\{.*\})? [\d.e+-]+$/.test(line))).toBe(true)
})

test('front: when stopped it answers what is in flight and what comes on open connections, and accepts no new ones', async () => {
  const { held, listener } = heldBackend()
  const front = await frontWith({ blue: await startBackend('a', listener) }, { blue: 100 })
  const waiting = fetchFrom(front.port, '/')
  const idle = connect(front.port, '127.0.0.1')
  await once(idle, 'connect')
  await eventually(() => held[0], 'the request')
  await front.control.request('POST', '/stop', { deadlineMs: 20_000 })
  await eventually(
    () =>
      fetchFrom(front.port, '/').then(
        () => false,
        ({ code }) => code === 'ECONNREFUSED',
      ),
    'new connections are refused',
  )
  idle.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const second = await eventually(() => held[1], 'the request on the open connection')
  held[0]!.end('first')
  expect(await waiting).toMatchObject({ body: 'first', headers: { connection: 'close' } })
  second.end('second')
  let text = ''
  for await (const chunk of idle) text += chunk
  expect(text).toMatch(/connection: close[\s\S]*second/i)
  await expect(eventually(() => front.status().then(() => false), 'never')).rejects.toMatchObject({
    code: 'PLATFORM_DOWN',
  })
})

test('front: its arguments are read, and missing ones are said', () => {
  const argv = ['--environment', 'production', '--port', '0', '--socket', '/s', '--state', '/f']
  expect(frontFromArguments(argv)).toEqual({
    environment: 'production',
    host: '127.0.0.1',
    port: 0,
    controlSocket: '/s',
    stateFile: '/f',
    processes: 1,
    tls: null,
  })
  expect(() => frontFromArguments(argv.slice(2))).toThrow('A front needs')
})

test('front: as a process it outlives SIGHUP and SIGINT, serves again after SIGKILL, and ends at SIGTERM', async () => {
  const backend = await startBackend('a')
  const folder = temporaryFolder()
  const socket = join(folder, 'front.sock')
  const client = socketClient(socket)
  onTestFinished(() => client.close())
  const main = new URL('../../src/effects/local/front/main.ts', import.meta.url).href
  const script = `import { frontFromArguments, runFront } from ${JSON.stringify(main)}
    await runFront({ ...frontFromArguments(process.argv.slice(1)), version: '0.0.0' })`
  const start = () => {
    const state = join(folder, 'state.json')
    const argv = ['--environment', 'production', '--port', '0', '--socket', socket, '--state', state]
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', ...argv], { stdio: 'inherit' })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }
  type Status = { pid: number; listening: { port: number } }
  const statusOf = (child: { pid?: number }) =>
    eventually(
      () =>
        client.request<Status>('GET', '/status').then(
          (status) => status.pid === child.pid && status,
          () => null,
        ),
      'the front answers',
    )

  const first = start()
  const { listening } = await statusOf(first)
  await client.request('PUT', '/table', { services: [{ name: 'web', path: '/', stripPath: false, drainMs: 1000 }] })
  await client.request('PUT', '/endpoints', { service: 'web', slot: 'blue', endpoints: [endpointOf(backend)] })
  await client.request('PUT', '/shares', { service: 'web', shares: { blue: 100 }, generation: 1, epoch: 1 })
  first.kill('SIGHUP')
  first.kill('SIGINT')
  expect((await fetchFrom(listening.port, '/')).body).toBe('a')
  first.kill('SIGKILL')
  await once(first, 'exit')

  const second = start()
  expect((await statusOf(second)).listening).toEqual(listening)
  expect((await fetchFrom(listening.port, '/')).body).toBe('a')
  client.close()
  second.kill('SIGTERM')
  expect(await once(second, 'exit')).toEqual([0, null])
})
