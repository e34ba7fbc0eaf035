// The runner of a real release is killed with SIGKILL at one point: before and after each kind of effect and around
// appends. The supervisor starts the next one, which goes on from the journal. One platform serves light traffic
// through all of it; a supervisor of its own gives each runner the point at which to die.
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JournalRecord } from '../../src/engine/record.ts'
import { killMarker } from '../../src/runner/kill-point.ts'
import { type Embedded, embedded, SERVICE } from '../support/embedded.ts'
import { expectNothingDropped, figures, type Load, startLoad } from '../support/load.ts'
import { until } from '../support/until.ts'

const QUICK = {
  canary: { weights: [50, 100], stageSeconds: 0.5 },
  blueGreen: { monitorSeconds: 0.5 },
  rolling: { monitorSeconds: 0.5, minReadySeconds: 0 },
}

let platform: Embedded
let traffic: Load | undefined
let receiver: Server
let webhook: string
/** Idempotency keys in the order in which the webhook got them. */
const told: string[] = []

beforeAll(async () => {
  receiver = createServer((request, response) => {
    told.push(String(request.headers['idempotency-key']))
    response.end()
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
  platform = embedded()
  await platform.serve()
  traffic = startLoad(await platform.url(), { requestsPerSecond: 60, sockets: 0 })
})

afterAll(async () => {
  const report = await traffic?.stop()
  await platform?.[Symbol.asyncDispose]()
  receiver?.close()
  if (!report) return
  console.info(figures('runners killed at every kind of point', report))
  expectNothingDropped(report)
})

/** Replaces supervisor and runner by ones that know where the next runner is to die. */
async function dieAt(point: string): Promise<void> {
  const { runner } = await platform.snapshot()
  // Ended on purpose: one that is killed would be started again by the front, without knowing the point.
  await platform.kill(platform.supervisorPid(), 'SIGTERM')
  // With nothing left to do it may just have ended by itself.
  if (runner.pid !== null) await platform.kill(runner.pid).catch(() => {})
  const { code, stderr } = await platform.run(['up'], { env: { MOODIFY_TEST_KILL_AT: point } })
  expect(code, stderr).toBe(0)
}

async function nextVersion(): Promise<string> {
  return (await platform.stableVersion()) === 'good' ? 'good2' : 'good'
}

const wasKilled = (point: string) => existsSync(killMarker(point, platform.journalFolder))

async function recordsOfLast(): Promise<readonly JournalRecord[]> {
  const { last } = await platform.state()
  return (await platform.records()).filter(({ release }) => release === last!.id)
}

/** The newest release has ended as released, and every step of its plan was done, once and in order. */
async function expectWhole(version: string): Promise<void> {
  const { last } = await platform.settled()
  expect(last).toMatchObject({ outcome: 'released', plan: { version } })
  const finished = (await recordsOfLast()).flatMap(({ body }) => (body.kind === 'stepFinished' ? [body] : []))
  expect(finished.map(({ step }) => step.id)).toEqual(last!.plan.steps.map(({ id }) => id))
  expect(finished.filter(({ passedBy }) => passedBy === 'skipped')).toEqual([])
  expect(await platform.stableVersion()).toBe(version)
  expectNothingDropped(traffic!.snapshot())
}

const effects = [
  ['prepare', 'blue-green'],
  ['applyRevision', 'blue-green'],
  ['smoke', 'blue-green'],
  ['setShares', 'canary', 2],
  ['retire', 'blue-green'],
  ['notify', 'blue-green'],
  ['rollInPlace', 'rolling'],
] as const

const points = [
  ...effects.flatMap(([kind, strategy, occurrence = 1]) =>
    ['before', 'after'].map((when) => [`${when} effect ${kind}#${occurrence}`, strategy] as const),
  ),
  ['before append commanded, releaseStarted#1', 'blue-green'],
  ['after append commanded, releaseStarted#1', 'blue-green'],
  ['before append effectSucceeded#3', 'blue-green'],
  ['after append rolesChanged, stepFinished#1', 'blue-green'],
  ['before append outcomeReached, stepFinished#1', 'canary'],
  ['after append releaseEnded#1', 'blue-green'],
] as const

describe('a runner killed', () => {
  test.each(points)('%s (%s): the next one ends the release as if nothing had happened', async (point, strategy) => {
    platform.configure({ ...QUICK, notify: { webhook } })
    const version = await nextVersion()
    await dieAt(point)
    await platform.moodify('deploy', '-v', version, '-s', strategy, '--yes')
    await expectWhole(version)
    expect(wasKilled(point), 'the runner was really killed').toBe(true)
    const { last } = await platform.state()
    expect(new Set(told.filter((key) => key.includes(`/${last!.id}/`))).size).toBe(1)
  })

  describe('around a hook, whose result is then unknown', () => {
    const marks = () => join(platform.root, 'hook-marks')
    const hooks = { beforeTraffic: 'echo "$MOODIFY_RELEASE" >>hook-marks' }
    const runsOf = (release: string) =>
      existsSync(marks())
        ? readFileSync(marks(), 'utf8')
            .split('\n')
            .filter((line) => line === release).length
        : 0

    test.each([
      ['before effect runHook#1', '--redo', 1],
      ['after effect runHook#1', '--done', 1],
      ['before append effectSucceeded#4', '--redo', 2],
    ] as const)('%s: the release holds, and goes on with resume %s', async (point, answer, runs) => {
      platform.configure({ ...QUICK, hooks })
      const version = await nextVersion()
      const live = await platform.stableVersion()
      await dieAt(point)
      const held = await platform.run(['deploy', '-v', version, '--yes'])
      expect(held.code, held.stdout).toBe(5)
      expect(wasKilled(point)).toBe(true)
      const { release } = await platform.state()
      expect(release?.wait).toMatchObject({ needsPerson: true, next: expect.stringContaining('moodify resume --done') })
      expect(await platform.stableVersion()).toBe(live)
      await platform.moodify('resume', answer, 'beforeTraffic')
      await expectWhole(version)
      expect(runsOf(release!.id)).toBe(runs)
    })
  })
})

test('a runner killed in the middle of an analysis is replaced, and the release ends as released', async () => {
  platform.configure(QUICK)
  const version = await nextVersion()
  const deploy = platform.run(['deploy', '-v', version, '-s', 'canary', '-m', '3', '--yes'])
  await platform.atStep(`${SERVICE}.analyse-50`)
  const { runner } = await platform.snapshot()
  await platform.kill(runner.pid!)
  await until('another runner', async () => {
    const { pid } = (await platform.snapshot()).runner
    return pid !== null && pid !== runner.pid
  })
  expect((await deploy).code).toBe(0)
  await expectWhole(version)
})
