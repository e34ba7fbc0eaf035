// Single steps on the fake platform: what they do, and what they refuse.
import { beforeEach, describe, expect, test } from 'vitest'
import type { Host } from '../../src/effects/ports/host.ts'
import type { Context } from '../../src/verbs/context.ts'
import { monitorStep } from '../../src/verbs/steps/monitor.ts'
import { activeSlotOf, promoteStep, switchStep, weightStep } from '../../src/verbs/steps/traffic.ts'
import { applyStep, scaleDownStep, verifyStep } from '../../src/verbs/steps/workloads.ts'
import { fakeEnvironment, someone } from '../support/fake-environment.ts'

const service = 'backend'
const said: string[] = []
const say = (line: string) => void said.push(line)

let world: ReturnType<typeof fakeEnvironment>
let context: Context
beforeEach(async () => {
  said.length = 0
  world = fakeEnvironment({
    behaviours: { bad: { failureShare: 0.5 }, 'fails-smoke': { smokeFails: true }, unready: { neverReady: true } },
  })
  const { config, journal, platform, clock, revisionOf } = world
  context = {
    config,
    environment: config.environments['production']!,
    journal,
    platform,
    clock,
    host: {} as Host,
    smokeUrl: async () => [],
    versions: { revisions: async (_, version) => ({ backend: revisionOf('backend', version) }) },
    actor: someone,
  }
  await world.deploy('v1', 'blue-green')
  await world.run()
})

const active = () => activeSlotOf(context, service)
const other = async () => ((await active()) === 'blue' ? 'green' : 'blue')

/** Gives a slot the part of a canary that the platform of the test lacks. */
function withVisitor(): void {
  const { workloads } = context.platform
  const layouts = { backend: { slots: ['blue', 'green'], visitor: 'canary' } }
  const capabilities = { ...workloads.capabilities, layouts }
  context = { ...context, platform: { ...context.platform, workloads: { ...workloads, capabilities } } }
}

test('a version is put into the slot that is not live, as many as are live, and gets no traffic', async () => {
  const target = await other()
  expect(await applyStep(context, { service, version: 'v2' }, say)).toEqual({ slot: target })
  expect(world.platform.versionsIn(service, target)).toEqual(['v2', 'v2', 'v2'])
  expect(world.platform.sharesOf(service)[target] ?? 0).toBe(0)
})

test('nothing is put into the slot that is live', async () => {
  const live = (await active())!
  await expect(applyStep(context, { service, version: 'v2', slot: live }, say)).rejects.toMatchObject({
    code: 'REFUSED',
    message: expect.stringContaining('gets 100 % of the traffic'),
  })
  expect(world.platform.versionsIn(service, live)).toEqual(['v1', 'v1', 'v1'])
})

test('the whole way by hand: apply, verify, switch, scale down, and no request is lost', async () => {
  const old = (await active())!
  const { slot } = await applyStep(context, { service, version: 'v2' }, say)
  const verified = await verifyStep(context, { service, slot }, say)
  expect(verified).toEqual([{ slot, results: [{ name: 'GET /health', passed: true, saw: '200' }] }])
  expect(await switchStep(context, { service }, say)).toEqual({ [slot]: 100 })
  expect(await active()).toBe(slot)
  await scaleDownStep(context, { service, slot: old }, say)
  expect(world.platform.versionsIn(service, old)).toEqual([])
  expect(world.platform.dropped()).toBe(0)
})

describe('switch', () => {
  test('refuses a slot that has nothing ready', async () => {
    await expect(switchStep(context, { service }, say)).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('0 ready'),
    })
    expect(world.platform.dropped()).toBe(0)
  })

  test('says so when the data plane does not follow', async () => {
    await applyStep(context, { service, version: 'v2' }, say)
    world.platform.deaf = true
    await expect(switchStep(context, { service }, say)).rejects.toMatchObject({
      code: 'PLATFORM_FAILED',
      message: expect.stringContaining('After 60 s'),
    })
  })
})

describe('weight', () => {
  test('shares out, and 0 gives everything back', async () => {
    const live = (await active())!
    const { slot } = await applyStep(context, { service, version: 'v2' }, say)
    expect(await weightStep(context, { service, percent: 25 }, say)).toEqual({ [live]: 75, [slot]: 25 })
    expect(await weightStep(context, { service, percent: 0 }, say)).toEqual({ [live]: 100 })
  })

  test('refuses what is not ready to carry it', async () => {
    await applyStep(context, { service, version: 'unready' }, say).catch(() => {})
    await expect(weightStep(context, { service, percent: 10 }, say)).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('0 ready'),
    })
    expect(world.platform.dropped()).toBe(0)
  })
})

test('while a canary has all of the traffic, the live slot is the one behind it, and gets it back', async () => {
  withVisitor()
  const live = (await active())!
  await applyStep(context, { service, version: 'v2', slot: 'canary' }, say)
  await weightStep(context, { service, percent: 100 }, say)
  const { observer } = context.platform
  const snapshot = async () => {
    const seen = await observer.snapshot()
    const facts = seen.services[service]!
    return { ...seen, services: { [service]: { ...facts, route: { ...facts.route, selected: live } } } }
  }
  context = { ...context, platform: { ...context.platform, observer: { ...observer, snapshot } } }
  expect(await active()).toBe(live)
  await expect(scaleDownStep(context, { service, slot: 'canary' }, say)).rejects.toThrow(/gets 100 %/)
  await weightStep(context, { service, percent: 0 }, say)
  await scaleDownStep(context, { service, slot: 'canary' }, say)
  expect(world.platform.sharesOf(service)).toEqual({ [live]: 100 })
  expect(world.platform.dropped()).toBe(0)
})

describe('scale-down', () => {
  test('refuses what is live', async () =>
    await expect(scaleDownStep(context, { service, slot: (await active())! }, say)).rejects.toMatchObject({
      code: 'REFUSED',
    }))

  test('refuses what still gets a share', async () => {
    const { slot } = await applyStep(context, { service, version: 'v2' }, say)
    await weightStep(context, { service, percent: 10 }, say)
    await expect(scaleDownStep(context, { service, slot }, say)).rejects.toThrow(/gets 10 % of the traffic/)
    expect(world.platform.versionsIn(service, slot)).toHaveLength(3)
  })
})

describe('promote', () => {
  test('moves what the canary runs to the slot that is not live, and the traffic after it', async () => {
    withVisitor()
    const old = (await active())!
    const target = await other()
    await applyStep(context, { service, version: 'v2', slot: 'canary' }, say)
    expect(world.platform.versionsIn(service, 'canary')).toEqual(['v2'])
    await weightStep(context, { service, percent: 25 }, say)
    expect(await promoteStep(context, { service, version: 'v2' }, say)).toEqual({ slot: target })
    expect(world.platform.sharesOf(service)).toEqual({ [target]: 100 })
    expect(world.platform.versionsIn(service, old)).toEqual(['v1', 'v1', 'v1'])
    expect(world.platform.dropped()).toBe(0)
  })

  test('refuses a version that the canary does not run', async () => {
    withVisitor()
    await applyStep(context, { service, version: 'v2', slot: 'canary' }, say)
    await expect(promoteStep(context, { service, version: 'v3' }, say)).rejects.toThrow(/was not tried/)
  })

  test('moves no traffic to a version that fails its smoke tests', async () => {
    withVisitor()
    const live = (await active())!
    await applyStep(context, { service, version: 'fails-smoke', slot: 'canary' }, say)
    await expect(promoteStep(context, { service, version: 'fails-smoke' }, say)).rejects.toMatchObject({
      code: 'CHECK_FAILED',
    })
    expect(world.platform.sharesOf(service)).toEqual({ [live]: 100 })
  })
})

describe('monitor', () => {
  test('calls a version that is well healthy', async () =>
    expect(await monitorStep(context, { service, seconds: 20 }, say)).toMatchObject({ kind: 'healthy' }))

  test('calls one that fails half of its requests unhealthy, and changes nothing', async () => {
    await applyStep(context, { service, version: 'bad' }, say)
    await switchStep(context, { service }, say)
    const shares = world.platform.sharesOf(service)
    expect(await monitorStep(context, { service, seconds: 60 }, say)).toMatchObject({ kind: 'unhealthy' })
    expect(world.platform.sharesOf(service)).toEqual(shares)
  })
})

test('a version that never becomes ready is said to, with what was missing', async () => {
  await expect(applyStep(context, { service, version: 'unready' }, say)).rejects.toMatchObject({
    code: 'PLATFORM_FAILED',
    message: expect.stringMatching(/0 of 3 ready/),
  })
})

test('every step that writes is refused while a release runs, and nothing is changed', async () => {
  await world.deploy('v2')
  await world.runUntil((point) => point.includes('after append stepStarted'))
  const { release } = await world.state()
  expect(release).not.toBeNull()
  const refusal = { code: 'REFUSED', message: expect.stringContaining(`Release ${release?.id} runs`) }
  await expect(weightStep(context, { service, percent: 0 }, say)).rejects.toMatchObject(refusal)
  await expect(switchStep(context, { service, slot: 'blue' }, say)).rejects.toMatchObject(refusal)
})

test('a release that has its outcome and only keeps the version before warm is in no step’s way', async () => {
  const old = await active()
  await world.deploy('v2', 'blue-green')
  await world.runUntil((point) => point.includes('after append outcomeReached'))
  expect((await world.state()).release).toMatchObject({ outcome: 'released' })
  expect(await active()).not.toBe(old)
  await switchStep(context, { service }, say)
  expect(await active()).toBe(old)
  expect(world.platform.dropped()).toBe(0)
})

test('a step takes over from a runner that was there before: its writes are refused from then on', async () => {
  await applyStep(context, { service, version: 'v2' }, say)
  const epochs = (await world.journal.read()).filter(({ body }) => body.kind === 'epochTaken')
  const before = epochs.at(-1)!.epoch - 1
  await expect(
    world.platform.traffic.setShares({ service, shares: { blue: 100 }, generation: 99 }, before),
  ).rejects.toMatchObject({ code: 'STALE_EPOCH' })
})

test('a service and a slot that do not exist are named, with those that do', async () => {
  await expect(activeSlotOf(context, 'database')).rejects.toThrow(/no service database; it has backend/)
  await expect(switchStep(context, { service, slot: 'red' }, say)).rejects.toThrow(/no slot red; it has blue, green/)
})
