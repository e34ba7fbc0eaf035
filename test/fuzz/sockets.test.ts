import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FrontStatus, SupervisorSnapshot } from '../../src/effects/local/protocol.ts'
import { frontWith, startBackend } from '../front/helpers.ts'
import { ENVIRONMENT, testPlatform } from '../supervisor/platform.ts'
import { expectAnswer, type Sent, sendGarbage, wrongRequests } from './requests.ts'

const runs = { seed: 20260402, numRuns: 400 }
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 500 }),
  fc.string().map((text) => Buffer.from(`PUT /shares HTTP/1.1\r\n${text}\r\n\r\n`)),
)

/** Ends it all: right requests of these are no test of wrong ones. */
const isEnd = ({ method, path }: Sent) => method === 'POST' && /^\/(stop|down|handover)\b/.test(path)

test('front: whatever is sent to its control socket, it answers, and what it refuses changes nothing', async () => {
  const front = await frontWith({ blue: await startBackend('a') }, { blue: 100 })
  const socket = `${front.folder}/front.sock`
  const lasting = ({ services, epoch, listening, pid }: FrontStatus) => {
    // What has nothing left is forgotten after a while, whoever asks.
    const kept = Object.entries(services).flatMap(([name, { shares, generation, slots }]) => {
      const used = Object.entries(slots).filter(([, { endpoints }]) => endpoints > 0)
      return used.map(([slot, { endpoints }]) => [name, shares, generation, slot, endpoints])
    })
    return { kept, epoch, listening, pid }
  }
  const endpoints = [{ replica: 'a', revision: 'r', port: 4000 }]
  const known = {
    'PUT /table': { services: [{ name: 'web', path: '/', stripPath: false, drainMs: 10 }] },
    'PUT /endpoints': { service: 'web', slot: 'blue', endpoints },
    'PUT /shares': { service: 'web', shares: { blue: 100 }, generation: 9, epoch: 1 },
    'PUT /epoch': { environment: 'production', epoch: 1 },
    'GET /cells': {},
  }
  let refused = 0
  await fc.assert(
    fc.asyncProperty(wrongRequests(known), async (sent) => {
      fc.pre(!isEnd(sent))
      const before = lasting(await front.status())
      const status = await expectAnswer(socket, sent)
      if (status < 400) return
      refused++
      expect(lasting(await front.status())).toEqual(before)
    }),
    runs,
  )
  expect(refused).toBeGreaterThan(200)
  await fc.assert(
    fc.asyncProperty(garbage, (bytes) => sendGarbage(socket, bytes)),
    { ...runs, numRuns: 150 },
  )
  expect((await front.status()).pid).toBe(process.pid)
})

test('supervisor: whatever is sent to its control socket, it answers, and what it refuses changes nothing', async () => {
  await using platform = await testPlatform()
  await platform.start()
  await platform.setEnvironments()
  await platform.apply('blue', platform.run(), 1)
  await platform.readySlot('blue', 'one', 1)
  const socket = platform.paths.supervisorSocket
  const lasting = ({ pid, environments }: SupervisorSnapshot) => {
    const kept = Object.entries(environments).map(([name, { epoch, runner, services }]) => {
      const slots = Object.entries(services).flatMap(([service, { slots: all }]) =>
        Object.entries(all).map(([slot, facts]) => [
          service,
          slot,
          facts.replicas.length,
          Object.keys(facts.addresses),
        ]),
      )
      return [name, epoch, runner, slots]
    })
    return { pid, kept }
  }
  const write = { environment: ENVIRONMENT, service: 'backend', slot: 'blue', epoch: 1 }
  const known = {
    // Wrong as it is: a right one may well end an environment.
    'PUT /environments': { environments: [{ name: ENVIRONMENT, host: '127.0.0.1', table: { services: [] } }] },
    'PUT /apply': { ...write, replicas: 1, run: platform.run() },
    'PUT /roll': { ...write, minReadyMs: 10, run: platform.run() },
    'PUT /floor': { ...write, replicas: 1 },
    'PUT /retire': { ...write, slot: 'green' },
    'PUT /epoch': { environment: ENVIRONMENT, epoch: 1 },
    'PUT /runner': { environment: 'nowhere' },
  }
  let refused = 0
  await fc.assert(
    fc.asyncProperty(wrongRequests(known), async (sent) => {
      fc.pre(!isEnd(sent))
      const before = lasting(await platform.snapshot())
      const status = await expectAnswer(socket, sent)
      if (status < 400) return
      refused++
      expect(lasting(await platform.snapshot())).toEqual(before)
    }),
    { ...runs, numRuns: 200 },
  )
  expect(refused).toBeGreaterThan(100)
  const { pid } = await platform.snapshot()
  await fc.assert(
    fc.asyncProperty(garbage, (bytes) => sendGarbage(socket, bytes)),
    { ...runs, numRuns: 150 },
  )
  expect((await platform.snapshot()).pid).toBe(pid)
})
