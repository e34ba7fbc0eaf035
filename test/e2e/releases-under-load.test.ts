// Every way in which a release can go, one after the other on one platform, under one stretch of traffic that is never
// interrupted. Each test starts from whatever version is live.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Embedded, embedded, quickTriggers, SERVICE } from '../support/embedded.ts'
import { expectNothingDropped, figures, type Load, type Stretch, startLoad, stretch } from '../support/load.ts'
import { until } from '../support/until.ts'

let platform: Embedded
let traffic: Load | undefined
const stretches: [string, Stretch][] = []

beforeAll(async () => {
  platform = embedded()
  await platform.serve()
  traffic = startLoad(await platform.url())
})

afterAll(async () => {
  const report = await traffic?.stop()
  await platform?.[Symbol.asyncDispose]()
  if (!report) return
  for (const [what, { requests, dropped, hurt, socketsCut }] of stretches)
    console.info(`${what}: ${dropped} of ${requests} dropped, ${hurt} hurt, ${socketsCut} web sockets cut with 1001`)
  console.info(figures('all releases under load', report))
  expectNothingDropped(report)
})

async function underLoad(what: string, act: () => Promise<void>): Promise<Stretch> {
  const before = traffic!.snapshot()
  await act()
  const after = traffic!.snapshot()
  const seen = stretch(before, after)
  stretches.push([what, seen])
  expectNothingDropped(after)
  return seen
}

/** What is live, and two good versions that are not. */
async function versions(): Promise<[live: string, next: string, other: string]> {
  const live = (await platform.stableVersion())!
  const [next, other] = ['good', 'good2', 'good3'].filter((version) => version !== live)
  return [live, next!, other!]
}

const deploy = (version: string, ...flags: string[]) => platform.run(['deploy', '-v', version, '--yes', ...flags])

async function expectDeployed(version: string, ...flags: string[]): Promise<void> {
  const { code, stdout, stderr } = await deploy(version, ...flags)
  expect(code, stdout + stderr).toBe(0)
  await platform.settled()
  expect(await platform.stableVersion()).toBe(version)
}

describe('under load nothing is dropped by', () => {
  test('a blue-green switch; the web sockets of the old version are told to go away', async () => {
    const [, next] = await versions()
    const { socketsCut, errors } = await underLoad('blue-green', () => expectDeployed(next, '-s', 'blue-green'))
    expect(socketsCut).toBeGreaterThanOrEqual(10)
    expect(errors).toBe(0)
  })

  test('a canary of three stages', async () => {
    const [, next] = await versions()
    await underLoad('canary', () => expectDeployed(next, '-s', 'canary', '--weights', '10,50,100', '-m', '1'))
  })

  test('a canary that a person promotes stage by stage', async () => {
    const [, next] = await versions()
    await underLoad('canary promoted by hand', async () => {
      await deploy(next, '-s', 'canary', '-m', '300', '--detach')
      for (const weight of [10, 50, 100]) {
        await platform.atStep(`${SERVICE}.analyse-${weight}`)
        await platform.moodify('promote')
      }
      await platform.settled()
    })
    expect(await platform.stableVersion()).toBe(next)
  })

  test('an abort in the middle of a canary; web sockets that the canary has got are told to go away', async () => {
    const [live, next] = await versions()
    await underLoad('abort', async () => {
      await deploy(next, '-s', 'canary', '-m', '300', '--weights', '50,100', '--detach')
      await platform.atStep(`${SERVICE}.analyse-50`)
      await using newcomers = startLoad(await platform.url(), { requestsPerSecond: 20, sockets: 20 })
      await until('new web sockets', () => newcomers.snapshot().sockets.roundTrips > 100)
      await platform.moodify('abort', '--yes')
      await platform.settled()
      const report = await newcomers.stop()
      expectNothingDropped(report)
      expect(report.sockets.streamsCut).toBeGreaterThan(0)
    })
    expect(await platform.stableVersion()).toBe(live)
    expect((await platform.state()).last).toMatchObject({ outcome: 'rolled-back', plan: { version: next } })
  })

  test('a release that supersedes another in the middle', async () => {
    const [, next, other] = await versions()
    await underLoad('supersede', async () => {
      await deploy(next, '-s', 'canary', '-m', '300', '--detach')
      await platform.atStep(`${SERVICE}.analyse-10`)
      await expectDeployed(other, '--supersede')
    })
    const [first, second] = (await platform.json<{ version: string; outcome: string }[]>('history')).slice(-2)
    expect(first).toMatchObject({ version: next, outcome: 'rolled-back' })
    expect(second).toMatchObject({ version: other, outcome: 'released' })
  })

  test('a rolling release', async () => {
    const [, next] = await versions()
    const before = await platform.state()
    await underLoad('rolling', () => expectDeployed(next, '-s', 'rolling'))
    const after = await platform.state()
    expect(after.services[SERVICE]!.stable!.slot).toBe(before.services[SERVICE]!.stable!.slot)
  })

  test('a rollback by hand to a version that is still warm', async () => {
    const [live, next] = await versions()
    platform.configure({ keepSeconds: 300 })
    await underLoad('rollback to a warm version', async () => {
      expect((await deploy(next, '-s', 'blue-green')).code).toBe(0)
      const warm = (await platform.state()).services[SERVICE]!.previous!
      const before = await platform.slot(warm.slot)
      await platform.moodify('rollback', '--yes')
      expect((await platform.slot(warm.slot)).addresses).toEqual(before.addresses)
      await platform.settled()
    })
    platform.configure({})
    expect(await platform.stableVersion()).toBe(live)
  })

  test('a rollback by hand to a version that has ended', async () => {
    const [live, next] = await versions()
    await underLoad('rollback to an ended version', async () => {
      await expectDeployed(next, '-s', 'blue-green', '--again')
      const { previous } = (await platform.state()).services[SERVICE]!
      expect((await platform.slot(previous!.slot)).replicas).toEqual([])
      await platform.moodify('rollback', '--yes')
      await platform.settled()
    })
    expect(await platform.stableVersion()).toBe(live)
  })

  test.each(['blue-green', 'rolling'])('more replicas and then fewer, by %s', async (strategy) => {
    const [, next, other] = await versions()
    const readyReplicas = async () => {
      const { slot } = (await platform.state()).services[SERVICE]!.stable!
      return (await platform.slot(slot)).replicas.filter(({ ready, ending }) => ready && !ending).length
    }
    await underLoad(`3 replicas by ${strategy}`, async () => {
      platform.configure({ replicas: 3 })
      await expectDeployed(next, '-s', strategy, '--again')
      expect(await readyReplicas()).toBe(3)
    })
    await underLoad(`1 replica by ${strategy}`, async () => {
      platform.configure({ replicas: 1 })
      await expectDeployed(other, '-s', strategy, '--again')
      expect(await readyReplicas()).toBe(1)
    })
    platform.configure({})
  })

  test.each([
    ['failing', /fail|error/i],
    ['slow', /longer|slow|p95|latency/i],
  ])('taking a %s canary back', async (version, why) => {
    const [live] = await versions()
    platform.configure({ triggers: { ...quickTriggers, p95Seconds: 0.5 } })
    const { hurt } = await underLoad(`${version} canary`, async () => {
      expect((await deploy(version, '-s', 'canary', '-m', '5')).code).toBe(3)
      await platform.settled()
    })
    platform.configure({})
    expect(hurt).toBeGreaterThan(0)
    expect(await platform.stableVersion()).toBe(live)
    expect((await platform.state()).last?.cause?.reason).toMatch(why)
  })

  test('taking a failing rolling release back', async () => {
    const [live] = await versions()
    await underLoad('failing rolling release', async () => {
      expect((await deploy('failing', '-s', 'rolling', '-m', '5', '--again')).code).toBe(3)
      await platform.settled()
    })
    expect(await platform.stableVersion()).toBe(live)
  })
})
