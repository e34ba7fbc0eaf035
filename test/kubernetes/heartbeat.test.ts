import { expect, test } from 'vitest'
import { fakeClock } from '../../src/effects/fakes/clock.ts'
import { connect } from '../../src/effects/kubernetes/client.ts'
import { heartbeat } from '../../src/effects/kubernetes/heartbeat.ts'
import { apiServer } from '../support/api-server/index.ts'
import { until } from '../support/until.ts'

const LENGTH_MS = 10_000

function setting() {
  const server = apiServer({ namespaces: ['shop'] })
  const place = { namespace: 'shop', environment: 'production' }
  const here = fakeClock()
  const there = fakeClock()
  return {
    server,
    here,
    runner: heartbeat({ ...place, api: server.api, clock: there }),
    looker: heartbeat({ ...place, api: server.api, clock: here }),
  }
}

test('heartbeat: nobody lives where nobody has shown himself', async () => {
  const { server, looker } = setting()
  await using _ = server
  expect(await looker.livesElsewhere()).toBe(false)
  expect(await looker.last()).toBe(null)
})

test('heartbeat: a runner lives until its Lease was seen unchanged for its length by our own clock', async () => {
  const { server, here, runner, looker } = setting()
  await using _ = server
  const stop = new AbortController()
  const beating = runner.beat('pid 7 on there', stop.signal)
  await until('the first beat', () => looker.livesElsewhere())
  // It beats all the time, by a clock that races ahead of ours; that says nothing.
  for (let look = 0; look < 5; look++) {
    here.advance(LENGTH_MS - 1)
    const before = await version()
    await until('another beat', async () => (await version()) !== before)
    expect(await looker.livesElsewhere()).toBe(true)
  }
  server.stop()
  stop.abort()
  await beating
  server.start()
  // It could not say that it has ended, so time has to tell.
  expect(await looker.livesElsewhere()).toBe(true)
  here.advance(LENGTH_MS)
  expect(await looker.livesElsewhere()).toBe(false)

  async function version(): Promise<string> {
    const leases = { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', namespace: 'shop' }
    return (await server.api.get(leases, 'moodify-runner-production'))!.metadata.resourceVersion!
  }
})

test('heartbeat: a runner that ends says so', async () => {
  const { server, runner, looker } = setting()
  await using _ = server
  const stop = new AbortController()
  const beating = runner.beat('pid 7 on there', stop.signal)
  await until('the first beat', () => looker.livesElsewhere())
  stop.abort()
  await beating
  expect(await looker.livesElsewhere()).toBe(false)
})

test('heartbeat: who looks once takes the word of the API server for how long ago it was', async () => {
  await using server = apiServer({ namespaces: ['shop'] })
  const { kubeconfig } = await server.listen()
  const api = connect({ kubeconfig })
  try {
    const one = heartbeat({ api, clock: fakeClock(), namespace: 'shop', environment: 'production' })
    const stop = new AbortController()
    const beating = one.beat('pid 7 on there', stop.signal)
    const last = await until('a beat', () => one.last())
    expect(last).toMatchObject({ holder: 'pid 7 on there', isStale: false })
    expect(last.agoMs).toBeLessThan(60_000)
    stop.abort()
    await beating
    expect(await one.last()).toBe(null)
  } finally {
    api.close()
  }
})
