// A front of several processes that share the port behaves as one.
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { optionsText } from '../../src/effects/local/front/options.ts'
import { adoptDetached } from '../../src/effects/local/processes/detached.ts'
import {
  type Answer,
  type Backend,
  eventually,
  fetchFrom,
  heldBackend,
  startBackend,
  startTestFront,
  type TestFront,
} from './helpers.ts'

const ENTRY = join(import.meta.dirname, '..', 'supervisor', 'entry.ts')
const workerCommand = [process.execPath, ENTRY, 'internal', 'front-worker']

async function frontOfThree(slots: Record<string, Backend>, shares: Record<string, number>): Promise<TestFront> {
  const front = await startTestFront({ processes: 3, workerCommand })
  await front.table()
  for (const [slot, backend] of Object.entries(slots)) await front.endpoints(slot, [backend])
  await front.shares(shares)
  await workersOf(front, 2)
  return front
}

async function workersOf(front: TestFront, count: number): Promise<readonly number[]> {
  return eventually(async () => {
    const { workers } = await front.status()
    return workers!.length === count && workers!
  }, `there are ${count} workers`)
}

/** Ids of requests begin with letters that each process has drawn for itself. */
const processesThatServed = ({ requests }: Backend) =>
  new Set(requests.map(({ headers }) => String(headers['x-request-id']).split('-')[0]))

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function manyAnswers(front: TestFront, count: number): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => fetchFrom(front.port, '/')))
  return answers.map(({ body }) => body)
}

/** Asks until every process has served. */
async function askAll(front: TestFront, backend: Backend): Promise<void> {
  await eventually(async () => {
    await manyAnswers(front, 20)
    return processesThatServed(backend).size === 3
  }, 'every process has served')
}

test('front of several processes: each accepts, and what they count is one sum', async () => {
  const a = await startBackend('a')
  const front = await frontOfThree({ blue: a }, { blue: 100 })
  await askAll(front, a)
  const asked = a.requests.length
  await eventually(async () => {
    const { cells } = await front.cells()
    return cells.reduce((sum, { requests }) => sum + requests, 0) === asked
  }, 'the cells of all are known')
  await eventually(
    async () => (await metric(front, 'moodify_front_requests_total')) === asked,
    'the counters of all are known',
  )
})

async function metric(front: TestFront, name: string): Promise<number> {
  const text = await front.control.request<string>('GET', '/metrics')
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))]
  return values.reduce((sum, [, value]) => sum + Number(value), 0)
}

test('front of several processes: cells of each second are given out once', async () => {
  const a = await startBackend('a')
  const front = await frontOfThree({ blue: a }, { blue: 100 })
  let counted = 0
  let second = -1
  await eventually(async () => {
    if (processesThatServed(a).size < 3) await manyAnswers(front, 20)
    const read = await front.cells(second)
    second = read.second
    counted += read.cells.reduce((sum, { requests }) => sum + requests, 0)
    return processesThatServed(a).size === 3 && counted >= a.requests.length
  }, 'all is counted')
  expect(counted).toBe(a.requests.length)
})

test('front of several processes: after a change of shares has been answered no request goes by the old ones', async () => {
  const front = await frontOfThree({ blue: await startBackend('a'), green: await startBackend('b') }, { blue: 100 })
  for (let i = 0; i < 20; i++) {
    await front.shares(i % 2 ? { blue: 100 } : { green: 100 })
    expect(await manyAnswers(front, 12)).toEqual(Array(12).fill(i % 2 ? 'a' : 'b'))
  }
})

test('front of several processes: what any of them has in flight is waited for', async () => {
  const { listener, held } = heldBackend()
  const a = await startBackend('a', listener)
  const front = await frontOfThree({ blue: a, green: await startBackend('b') }, { blue: 100 })
  const answers = await oneInEach(front, a, held)
  await front.shares({ green: 100 })
  await front.endpoints('blue', [])
  const { inFlight, outOfRotationMs } = await front.slot('blue')
  expect(inFlight).toBe(held.length)
  expect(outOfRotationMs).not.toBe(null)
  for (const response of held) response.end('late')
  await Promise.all(answers)
  await eventually(async () => (await front.slot('blue')).inFlight === 0, 'nothing is in flight any more')
})

/** Asks many at once, as the only one that waits for a connection gets it, until every process has some in flight. */
async function oneInEach(front: TestFront, backend: Backend, held: readonly unknown[]): Promise<Promise<Answer>[]> {
  const answers: Promise<Answer>[] = []
  await eventually(() => {
    if (held.length < answers.length) return false
    if (processesThatServed(backend).size === 3) return true
    answers.push(...Array.from({ length: 20 }, () => fetchFrom(front.port, '/')))
  }, 'every process has one in flight')
  return answers
}

test('front of several processes: one that is killed is started again, and the others go on', async () => {
  const a = await startBackend('a')
  const front = await frontOfThree({ blue: a }, { blue: 100 })
  const before = await workersOf(front, 2)
  process.kill(before[0]!, 'SIGKILL')
  await eventually(async () => !(await front.status()).workers!.includes(before[0]!), 'its end is seen')
  expect(await manyAnswers(front, 20)).toEqual(Array(20).fill('a'))
  const after = await workersOf(front, 2)
  expect(after).toContain(before[1])
  a.requests.length = 0
  await askAll(front, a)
})

test('front of several processes: stopped, it ends with all of them, and answers what they have', async () => {
  const { listener, held } = heldBackend()
  const a = await startBackend('a', listener)
  const front = await frontOfThree({ blue: a }, { blue: 100 })
  const workers = await workersOf(front, 2)
  const answers = await oneInEach(front, a, held)
  await front.control.request('POST', '/stop', { deadlineMs: 20_000 })
  await eventually(() => refused(front.port), 'nobody accepts any more')
  for (const response of held) response.end('late')
  expect(new Set((await Promise.all(answers)).map(({ body }) => body))).toEqual(new Set(['late']))
  await eventually(() => !workers.some(isAlive), 'the workers have ended')
})

async function refused(port: number): Promise<boolean> {
  const socket: Socket = connect(port, '127.0.0.1')
  const error = await Promise.race([once(socket, 'connect').then(() => null), once(socket, 'error')]).catch(
    (thrown: NodeJS.ErrnoException) => thrown,
  )
  socket.destroy()
  return error !== null
}

test('front of several processes: another one takes over from all of them under load, and nothing is dropped', async () => {
  const a = await startBackend('a')
  const front = await frontOfThree({ blue: a }, { blue: 100 })
  await askAll(front, a)
  const before = await workersOf(front, 2)
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  onTestFinished(() => agent.destroy())
  let going = true
  let answered = 0
  const client = async (kept: boolean) => {
    while (going) {
      expect((await fetchFrom(front.port, '/', kept ? { agent } : {})).body).toBe('a')
      answered++
    }
  }
  const clients = [true, true, true, true, false, false].map(client)
  await handOver(front, 'two', 2)
  expect((await front.status()).build).toBe('two')
  const after = await workersOf(front, 1)
  expect(before).not.toContain(after[0])
  const atHandover = answered
  await eventually(() => answered > atHandover + 200, 'it goes on')
  going = false
  await Promise.all(clients)
  agent.destroy()
  await eventually(() => !before.some(isAlive), 'the workers of the one before have ended')
  await eventually(async () => (await front.status()).draining!.length === 0, 'the one before has ended')
  await eventually(
    async () => (await metric(front, 'moodify_front_requests_total')) === a.requests.length,
    'counters go on where they were',
  )
})

test('front of several processes: the same build with another number of them takes over too', async () => {
  const front = await frontOfThree({ blue: await startBackend('a') }, { blue: 100 })
  await handOver(front, '0.0.0', 1)
  expect((await front.status()).options).toBe(optionsText({ processes: 1 }))
  await workersOf(front, 0)
  expect(await manyAnswers(front, 5)).toEqual(Array(5).fill('a'))
})

async function handOver(front: TestFront, build: string, processes: number): Promise<void> {
  const { folder } = front
  const entry = join(folder, `entry-${build}.ts`)
  symlinkSync(ENTRY, entry)
  const start = join(folder, `start-${build}`)
  onTestFinished(async () => void (await adoptDetached(start))?.signal('SIGKILL'))
  const place = ['--environment', 'production', '--port', '0', '--socket', join(folder, 'front.sock')]
  const more = ['--state', join(folder, 'state', 'front.json'), '--processes', String(processes), '--take-over']
  const request = {
    build,
    options: optionsText({ processes }),
    folder: start,
    log: join(folder, 'log'),
    directory: folder,
    command: [process.execPath, entry, 'internal', 'front', ...place, ...more],
  }
  await front.control.request('POST', '/handover', request, { timeoutMs: 20_000 })
}
