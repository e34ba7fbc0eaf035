import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { drainRule, SETTLE_MS } from '../../src/domain/drain.ts'
import type { FrontReplica, FrontStatus } from '../../src/effects/local/protocol.ts'
import { afterExit, isCrashLooping, pauseMs } from '../../src/effects/local/supervisor/exit-history.ts'
import { drainFacts } from '../../src/effects/local/supervisor/front-link.ts'
import { PortRange } from '../../src/effects/local/supervisor/ports.ts'
import { loadRecords, newRecord, pruneEnded, saveRecord } from '../../src/effects/local/supervisor/replica-record.ts'
import { defaultTuning } from '../../src/effects/local/supervisor/tuning.ts'
import { rotateLog } from '../../src/effects/local/supervisor/upkeep.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'moodify-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('restarts: the pause doubles with each exit, up to half a minute', () => {
  let history: readonly number[] = []
  const pauses: number[] = []
  for (let exit = 0; exit < 7; exit++) {
    history = afterExit(history, { atMs: exit, ranMs: 10 }, defaultTuning)
    pauses.push(pauseMs(history, defaultTuning) / 1000)
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30])
})

test('restarts: one that ran for long begins with the shortest pause', () => {
  const history = afterExit([1, 2, 3], { atMs: 90_000, ranMs: 60_000 }, defaultTuning)
  expect(history).toEqual([90_000])
  expect(pauseMs(history, defaultTuning)).toBe(1000)
})

test('crash loop: three exits within the window, until it has run for long again', () => {
  const history = [0, 1000, 3000]
  expect(isCrashLooping(history.slice(1), 3000, 0, defaultTuning)).toBe(false)
  expect(isCrashLooping(history, 3000, 0, defaultTuning)).toBe(true)
  expect(isCrashLooping(history, 3000, 59_000, defaultTuning)).toBe(true)
  expect(isCrashLooping(history, 3000, 60_000, defaultTuning)).toBe(false)
  expect(isCrashLooping(history, 300_001, 0, defaultTuning)).toBe(false)
})

const target = { service: 'backend', slot: 'blue', replica: 'r1', drainMs: 5000 }

function statusWith(replicas: readonly FrontReplica[]): FrontStatus {
  const slots = { blue: { inFlight: 0, outOfRotationMs: null, endpoints: 0, replicas } }
  return { services: { backend: { generation: 1, shares: {}, slots } } } as unknown as FrontStatus
}

test('drain: what the front says of the replica is what counts', () => {
  const known = { replica: 'r1', revision: 'one', inFlight: 3, outOfRotationMs: 900 }
  expect(drainFacts(statusWith([known]), target, true, 60_000)).toMatchObject({ inFlight: 3, outOfRotationMs: 900 })
})

test('drain: a replica may not be ended before the front has been told', () => {
  const facts = drainFacts(statusWith([]), target, false, 60_000)
  expect(drainRule(facts, target.drainMs).mayEnd).toBe(false)
})

test('drain: one that the front does not know may be ended once the counters have settled', () => {
  const mayEnd = (sinceMs: number) =>
    drainRule(drainFacts(statusWith([]), target, true, sinceMs), target.drainMs).mayEnd
  expect(mayEnd(SETTLE_MS - 1)).toBe(false)
  expect(mayEnd(SETTLE_MS)).toBe(true)
})

test('drain: while the front does not answer, the whole drain time is waited', () => {
  const mayEnd = (sinceMs: number) => drainRule(drainFacts(null, target, false, sinceMs), target.drainMs).mayEnd
  expect(mayEnd(4999)).toBe(false)
  expect(mayEnd(5000)).toBe(true)
})

test('ports: none is given twice, one in use is passed over, and a released one is given again', async () => {
  const occupied = createServer().listen(21_990, '127.0.0.1')
  onTestFinished(() => void occupied.close())
  const range = new PortRange('21990-21992', 0)
  const first = await range.take(null)
  const second = await range.take(null)
  expect([first, second].toSorted()).toEqual([21_991, 21_992])
  await expect(range.take(null)).rejects.toMatchObject({ code: 'PLATFORM_FAILED' })
  range.release(first)
  expect(await range.take(second)).toBe(first)
})

test('ports: a range that makes no sense is refused', () => {
  for (const range of ['20000', '20010-20000', 'a-b', '1-70000']) {
    expect(() => new PortRange(range, 0), range).toThrow(/MOODIFY_PORTS/)
  }
})

test('logs: a large one is copied and emptied, and two old ones are kept', () => {
  const log = join(temporaryFolder(), 'log')
  for (const text of ['first', 'second', 'third', '-']) {
    writeFileSync(log, text)
    rotateLog(log, { logMaxBytes: 4, logKeep: 2 })
  }
  expect([log, `${log}.1`, `${log}.2`].map((file) => readFileSync(file, 'utf8'))).toEqual(['-', 'third', 'second'])
})

test('records: of ended replicas the newest are kept, and those of other slots', () => {
  const folder = temporaryFolder()
  const run = { revision: 'one' } as Parameters<typeof newRecord>[2]
  const add = (slot: string, ended: boolean) => saveRecord(folder, { ...newRecord('backend', slot, run), ended })
  for (let number = 0; number < 4; number++) add('blue', true)
  add('blue', false)
  add('green', true)
  pruneEnded(folder, 'backend', 'blue', 2)
  const left = loadRecords(folder).map(({ slot, ended }) => `${slot} ${ended}`)
  expect(left.toSorted()).toEqual(['blue false', 'blue true', 'blue true', 'green true'])
})
