// Everything that can happen to replicas, under load: what it costs users, and that it costs nothing more.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { type Embedded, embedded, SERVICE } from '../support/embedded.ts'
import { expectNothingDropped, figures, startLoad, stretch } from '../support/load.ts'
import { until } from '../support/until.ts'

/** Found to be hung after two seconds. */
const health = {
  startup: '/health',
  ready: '/health',
  live: '/health',
  periodSeconds: 0.25,
  timeoutSeconds: 0.5,
  failureThreshold: 3,
}
const RATE = 100

async function replicas(platform: Embedded, slot = 'blue') {
  const seen = await platform.slot(slot)
  return seen.replicas.map((facts) => ({ ...facts, ...seen.addresses[facts.id]! }))
}

async function allReady(platform: Embedded, slot = 'blue') {
  return until('all replicas are ready', async () => {
    const seen = await replicas(platform, slot)
    return seen.length === 2 && seen.every(({ ready, ending }) => ready && !ending) && seen
  })
}

/** The program itself, below the shells that started it. */
function programOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return children === '' ? pid : programOf(Number(children.split(' ')[0]))
}

/** The slot in which the stable version runs. */
async function stableSlot(platform: Embedded): Promise<string> {
  return (await platform.state()).services[SERVICE]!.stable!.slot
}

test('a replica is killed: only what it was answering is lost, the other goes on, and it is started again', async () => {
  await using platform = embedded({ service: { health } })
  await platform.serve()
  const slot = await stableSlot(platform)
  await using traffic = startLoad(await platform.url(), { requestsPerSecond: RATE })
  const [victim] = await allReady(platform, slot)
  await until('users are served', () => traffic.snapshot().requests > 100)
  const before = traffic.snapshot()
  expectNothingDropped(before)
  process.kill(programOf(victim!.pid!), 'SIGKILL')
  await until('it is started again', async () => {
    const now = (await replicas(platform, slot)).find(({ id }) => id === victim!.id)
    return now?.ready && now.restarts === victim!.restarts + 1
  })
  const back = traffic.snapshot()
  await until('five hundred requests later', () => traffic.snapshot().requests > back.requests + 500)
  const after = traffic.snapshot()
  const lost = stretch(before, back)
  console.info(figures('replica killed', after), `; lost while it was away: ${lost.dropped} of ${lost.requests}`)
  // At this rate, and with answers of 5 to 300 ms, a replica has a few requests and half of the web sockets.
  expect(lost.dropped).toBeLessThanOrEqual(20)
  expect(stretch(back, after).dropped).toBe(0)
})

test('a replica hangs: it gets less the longer it hangs, is found out by its liveness probe, and is replaced', async () => {
  await using platform = embedded({ service: { health } })
  await platform.serve()
  const slot = await stableSlot(platform)
  await using traffic = startLoad(await platform.url(), { requestsPerSecond: RATE, sockets: 0 })
  const [victim] = await allReady(platform, slot)
  const before = traffic.snapshot()
  const stoppedAt = performance.now()
  process.kill(programOf(victim!.pid!), 'SIGSTOP')
  await until('it is out of rotation', async () => {
    return (await replicas(platform, slot)).some(({ id, ready }) => id === victim!.id && !ready)
  })
  const outMs = performance.now() - stoppedAt
  await until('it is started again', async () => {
    const now = (await replicas(platform, slot)).find(({ id }) => id === victim!.id)
    return now?.ready && now.restarts === victim!.restarts + 1
  })
  const back = traffic.snapshot()
  await until('five hundred requests later', () => traffic.snapshot().requests > back.requests + 500)
  const lost = stretch(before, back)
  console.info(
    `replica hung: out of rotation after ${Math.round(outMs)} ms, ${lost.dropped} of ${lost.requests} requests lost, ${lost.hurt} slow`,
  )
  // It gets one request as long as the other has none in flight, and then one for each that the other is answering.
  expect(lost.dropped).toBeLessThan(lost.requests / 10)
  expect(stretch(back, traffic.snapshot()).dropped).toBe(0)
})

test('the port of a replica is taken by a stranger while it is away: it gets another, and the stranger nothing once that is seen', async () => {
  await using platform = embedded({ service: { health } })
  await platform.serve()
  const slot = await stableSlot(platform)
  await using traffic = startLoad(await platform.url(), { requestsPerSecond: RATE, sockets: 0 })
  const [victim] = await allReady(platform, slot)
  const before = traffic.snapshot()
  process.kill(programOf(victim!.pid!), 'SIGKILL')
  let asked = 0
  const stranger = createServer((socket) => {
    socket.on('data', () => asked++)
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen')
  })
  await until('the port is free to take', () => {
    return new Promise<boolean>((resolve) => {
      stranger.once('error', () => resolve(false))
      stranger.listen(victim!.port, '127.0.0.1', () => resolve(true))
    })
  })
  await until('its end is seen', async () => {
    return (await replicas(platform, slot)).some(({ id, ready }) => id === victim!.id && !ready)
  })
  const beforeSeen = asked
  const again = await until('it is started again', async () => {
    const now = (await replicas(platform, slot)).find(({ id }) => id === victim!.id)
    return now?.ready && now.restarts === victim!.restarts + 1 && now
  })
  expect(again.port).not.toBe(victim!.port)
  const back = traffic.snapshot()
  await until('five hundred requests later', () => traffic.snapshot().requests > back.requests + 500)
  stranger.close()
  const lost = stretch(before, back)
  console.info(
    `port stolen: ${lost.dropped} of ${lost.requests} requests lost, the stranger was asked ${beforeSeen} times until the end of the replica was seen`,
  )
  expect(stretch(back, traffic.snapshot()).dropped).toBe(0)
  expect(asked).toBe(beforeSeen)
})

test('a version that leaks is restarted at its memory limit, by the drain rule: nothing is dropped', async () => {
  await using platform = embedded({ service: { health, memoryLimitMb: 250 }, replicas: 2 })
  await platform.serve('leaking')
  const slot = await stableSlot(platform)
  await using traffic = startLoad(await platform.url(), { requestsPerSecond: 60, sockets: 0 })
  await until('it was restarted twice', async () => {
    return (await replicas(platform, slot)).reduce((sum, { restarts }) => sum + restarts, 0) >= 2
  })
  const report = await traffic.stop()
  console.info(figures('a version that leaks 1 MB per request, with a limit of 250 MB', report))
  expectNothingDropped(report)
})

test.each([
  ['exits', 'ends as soon as it has started'],
  ['neverReady', 'never becomes ready'],
] as const)('a version that %s goes back before anybody sees it: it %s', async (version, _how) => {
  await using platform = embedded({ service: { health }, waits: { readySeconds: 4 } })
  await platform.serve()
  await using traffic = startLoad(await platform.url(), { requestsPerSecond: RATE })
  const { code, stdout } = await platform.run(['deploy', '-v', version, '-s', 'canary', '--yes'])
  expect(code, stdout).toBe(3)
  await platform.settled()
  expect(await platform.stableVersion()).toBe('good')
  const report = await traffic.stop()
  console.info(figures(`a version that ${version}`, report))
  expectNothingDropped(report)
  expect(report.errors).toBe(0)
  expect(Object.keys(report.versions)).toEqual(['good'])
})
