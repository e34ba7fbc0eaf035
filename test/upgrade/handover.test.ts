// One front hands over to another while it is asked: what is in flight stays, what is new goes to the new one.
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { adoptDetached } from '../../src/effects/local/processes/detached.ts'
import { eventually, fetchFrom, frontWith, heldBackend, startBackend, type TestFront } from '../front/helpers.ts'

const ENTRY = join(import.meta.dirname, '..', 'supervisor', 'entry.ts')

async function handOver(front: TestFront, build: string, more: { deadlineMs?: number } = {}): Promise<void> {
  const { folder } = front
  const entry = join(folder, `entry-${build}.ts`)
  symlinkSync(ENTRY, entry)
  const start = join(folder, `start-${build}`)
  onTestFinished(async () => void (await adoptDetached(start))?.signal('SIGKILL'))
  const place = ['--environment', 'production', '--port', '0', '--socket', join(folder, 'front.sock')]
  const state = ['--state', join(folder, 'state', 'front.json'), '--take-over']
  const request = {
    build,
    folder: start,
    log: join(folder, 'log'),
    directory: folder,
    command: [process.execPath, entry, 'internal', 'front', ...place, ...state],
    ...more,
  }
  await front.control.request('POST', '/handover', request, { timeoutMs: 20_000 })
}

/** A client's connection that is used again and again. */
function keptConnection(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  return agent
}

const pidsOf = async (front: TestFront) => {
  const { pid, draining } = await front.status()
  return [pid, ...draining!]
}

async function sharesOf(front: TestFront) {
  const { shares, generation } = (await front.status()).services['web']!
  return { shares, generation }
}

test('handover: the new front serves with the same state on the same port, and the old one ends when it is empty', async () => {
  const front = await frontWith({ blue: await startBackend('a'), green: await startBackend('b') }, { green: 100 })
  const before = await front.status()
  await handOver(front, 'two')
  const after = await front.status()
  expect(after.build).toBe('two')
  expect(after.source).not.toBe(before.source)
  expect(after.pid).not.toBe(before.pid)
  expect(after.listening).toEqual(before.listening)
  expect(after.epoch).toBe(before.epoch)
  expect(after.services['web']!.shares).toEqual({ green: 100 })
  await eventually(async () => (await pidsOf(front)).length === 1, 'the old one has ended')
  expect((await fetchFrom(front.port, '/')).body).toBe('b')
})

test('handover: a front that is of the build already has nothing to do', async () => {
  const front = await frontWith({ blue: await startBackend('a') }, { blue: 100 })
  const { source } = await front.status()
  await handOver(front, '0.0.0')
  expect((await front.status()).source).toBe(source)
})

test('handover: a request in flight on the old front is answered, and until then it counts in the status', async () => {
  const { listener, held } = heldBackend()
  const front = await frontWith(
    { blue: await startBackend('a', listener), green: await startBackend('b') },
    { blue: 100 },
  )
  const answer = fetchFrom(front.port, '/')
  await eventually(() => held.length === 1, 'it is in flight')
  await handOver(front, 'two')
  expect(await front.slot('blue')).toMatchObject({ inFlight: 1, outOfRotationMs: null, endpoints: 1 })
  await front.shares({ green: 100 })
  expect(await front.slot('blue')).toMatchObject({ inFlight: 1, outOfRotationMs: expect.any(Number) })
  await front.endpoints('blue', [])
  await eventually(async () => ((await front.slot('blue')).outOfRotationMs ?? 0) > 500, 'it is long out of rotation')
  const { replicas, ...slot } = await front.slot('blue')
  expect(slot).toMatchObject({ inFlight: 1, endpoints: 0 })
  expect(replicas).toMatchObject([{ replica: 'a', inFlight: 1, outOfRotationMs: expect.any(Number) }])
  held[0]!.end('late')
  expect(await answer).toMatchObject({ body: 'late', headers: { connection: 'close' } })
  await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing is in flight any more')
})

test('handover: an idle connection stays open, and its next request is answered by the newest shares', async () => {
  const front = await frontWith({ blue: await startBackend('a'), green: await startBackend('b') }, { blue: 100 })
  const agent = keptConnection()
  expect((await fetchFrom(front.port, '/', { agent })).body).toBe('a')
  await handOver(front, 'two')
  await front.shares({ green: 100 })
  const next = await fetchFrom(front.port, '/', { agent })
  expect(next).toMatchObject({ body: 'b', headers: { connection: 'close' } })
  await eventually(async () => (await pidsOf(front)).length === 1, 'the old one has ended')
})

test('handover: a connection without a request yet is served', async () => {
  const front = await frontWith({ blue: await startBackend('a') }, { blue: 100 })
  const socket = connect(front.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  await handOver(front, 'two')
  socket.write('GET / HTTP/1.1\r\nhost: test\r\n\r\n')
  const [head] = await once(socket.setEncoding('latin1'), 'data')
  expect(head).toMatch(/^HTTP\/1\.1 200 /)
})

test('handover: shares that are changed meanwhile are neither lost nor followed by one front alone', async () => {
  const front = await frontWith({ blue: await startBackend('a'), green: await startBackend('b') }, { blue: 100 })
  const agent = keptConnection()
  await fetchFrom(front.port, '/', { agent })
  let changes = 0
  let isOver = false
  const changing = (async () => {
    while (!isOver) {
      const slot = changes++ % 2 === 0 ? 'green' : 'blue'
      await front.shares({ [slot]: 100 })
      expect((await sharesOf(front)).shares).toMatchObject({ [slot]: 100 })
      expect((await fetchFrom(front.port, '/')).body).toBe(slot === 'blue' ? 'a' : 'b')
    }
  })()
  await handOver(front, 'two')
  isOver = true
  await changing
  await front.shares({ green: 100 })
  expect(await sharesOf(front)).toEqual({ shares: { green: 100 }, generation: changes + 2 })
  expect((await fetchFrom(front.port, '/', { agent })).body).toBe('b')
})

test('handover: a WebSocket stays open with the old front, and is cut with 1001 at the deadline only', async () => {
  const echo = await startBackend('a')
  const service = new WebSocketServer({ server: echo.server })
  service.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))
  onTestFinished(() => service.close())
  const front = await frontWith({ blue: echo }, { blue: 100 })
  const open = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${front.port}/`)
    onTestFinished(() => socket.terminate())
    await once(socket, 'open')
    return socket
  }
  const say = async (socket: WebSocket, text: string) => {
    socket.send(text)
    return String((await once(socket, 'message'))[0])
  }
  const stays = await open()
  await handOver(front, 'two')
  expect(await say(stays, 'still here')).toBe('still here')
  expect(await front.slot('blue')).toMatchObject({ inFlight: 1 })
  const other = await open()
  expect(await front.slot('blue')).toMatchObject({ inFlight: 2 })
  await handOver(front, 'three', { deadlineMs: 300 })
  expect((await once(other, 'close'))[0]).toBe(1001)
  expect(await say(stays, 'and now')).toBe('and now')
  await eventually(async () => (await front.status()).streamsCut === 1, 'the last front tells of the cut')
})

test('handover: what each front has counted is read once and whole, from whichever front is asked', async () => {
  const front = await frontWith({ blue: await startBackend('a') }, { blue: 100 })
  const agent = keptConnection()
  const read = { requests: 0, second: -1, sources: new Set<string>(), cells: new Set<string>() }
  const readCells = async () => {
    const { source, second, cells } = await front.cells(read.second)
    for (const cell of cells) {
      const key = `${cell.replica} ${cell.second}`
      expect(read.cells.has(key), `${key} was read before`).toBe(false)
      read.cells.add(key)
      read.requests += cell.requests
    }
    read.sources.add(source)
    read.second = Math.max(read.second, second)
  }
  let sent = 0
  const ask = async () => {
    await fetchFrom(front.port, '/', sent++ % 2 === 0 ? {} : { agent })
    await readCells()
  }
  for (let i = 0; i < 20; i++) await ask()
  for (const build of ['two', 'three']) {
    const handing = handOver(front, build)
    for (let i = 0; i < 20; i++) await ask()
    await handing
    for (let i = 0; i < 20; i++) await ask()
  }
  await eventually(async () => {
    await readCells()
    return read.requests >= sent
  }, 'all is counted')
  expect(read.requests).toBe(sent)
  expect([...read.sources]).toHaveLength(1)
})

test('handover: several in a row; what is in flight on the first counts on the last', async () => {
  const { listener, held } = heldBackend()
  const front = await frontWith(
    { blue: await startBackend('a', listener), green: await startBackend('b') },
    { blue: 100 },
  )
  const agent = keptConnection()
  const answer = fetchFrom(front.port, '/')
  await eventually(() => held.length === 1, 'it is in flight')
  for (const build of ['two', 'three', 'four']) await handOver(front, build)
  expect(await pidsOf(front)).toHaveLength(4)
  await front.shares({ green: 100 })
  expect(await front.slot('blue')).toMatchObject({ inFlight: 1, outOfRotationMs: expect.any(Number) })
  expect((await fetchFrom(front.port, '/', { agent })).body).toBe('b')
  held[0]!.end('late')
  expect((await answer).body).toBe('late')
  await eventually(async () => (await pidsOf(front)).length === 1, 'only the last is left')
})

test.each([
  ['dies at once', 'dying', 'the new one has ended before it was ready with status 9'],
  [
    'dies with the listening socket in its hands',
    'fragile',
    'the new one has ended before it was listening with status 9',
  ],
  ['hangs', 'silent', 'the new one was not prepared within 3 s'],
])('handover: to a front that %s leaves the old one serving', async (_, build, reason) => {
  const front = await frontWith({ blue: await startBackend('a'), green: await startBackend('b') }, { blue: 100 })
  const agent = keptConnection()
  await fetchFrom(front.port, '/', { agent })
  const { source } = await front.status()
  const handing = handOver(front, build)
  const changed = front.shares({ green: 100 })
  await expect(handing).rejects.toMatchObject({ code: 'PLATFORM_FAILED', message: expect.stringContaining(reason) })
  await changed
  expect(await front.status()).toMatchObject({ source, draining: [], unsaved: null })
  expect(await fetchFrom(front.port, '/', { agent })).toMatchObject({
    body: 'b',
    headers: { connection: 'keep-alive' },
  })
  expect((await fetchFrom(front.port, '/')).body).toBe('b')
  await handOver(front, 'two')
  expect((await front.status()).build).toBe('two')
  expect((await fetchFrom(front.port, '/')).body).toBe('b')
})

test('handover: a front that is stopped takes the one before it along', async () => {
  const { listener, held } = heldBackend()
  const front = await frontWith({ blue: await startBackend('a', listener) }, { blue: 100 })
  const answer = fetchFrom(front.port, '/')
  await eventually(() => held.length === 1, 'it is in flight')
  await handOver(front, 'two')
  const started = (await adoptDetached(join(front.folder, 'start-two')))!
  await front.control.request('POST', '/stop', { deadlineMs: 200 })
  expect(await answer).toMatchObject({ status: 503, headers: { 'x-moodify-error': 'drain-time-over' } })
  expect(await started.exited).toEqual({ code: 0 })
  await expect(front.status()).rejects.toMatchObject({ code: 'PLATFORM_DOWN' })
})
