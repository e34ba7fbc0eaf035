// What is printed from the journal of a whole story: a first release, a canary that works and one that is taken back.
import { beforeAll, describe, expect, it } from 'vitest'
import type { JournalRecord } from '../../src/engine/record.ts'
import type { StatusFacts } from '../../src/verbs/status.ts'
import { eventJson, eventLine } from '../../src/views/cli/event-lines.ts'
import { explainText, historyText } from '../../src/views/cli/explain-text.ts'
import { historyRows } from '../../src/views/projections/history.ts'
import { statusReport } from '../../src/views/projections/status-report.ts'
import { decisionInWords } from '../../src/views/projections/timeline.ts'
import { configText, fakeEnvironment } from '../support/fake-environment.ts'
import { plain } from './samples.ts'

const secretConfig = configText.replace('replicas: 3', "replicas: 3\n    env: { GREETING: 'not for a log' }")
const environment = fakeEnvironment({ config: secretConfig, behaviours: { 'v1.2.0': { failureShare: 0.3 } } })
let records: readonly JournalRecord[] = []
const ofRelease = (release: string) => records.filter((record) => record.release === release)

beforeAll(async () => {
  for (const version of ['v1.0.0', 'v1.1.0', 'v1.2.0']) {
    await environment.deploy(version)
    await environment.run()
  }
  records = await environment.journal.read()
})

describe('explain', () => {
  it('of a release that was taken back gives the end first, and each decision with its evidence', () => {
    expect(explainText(ofRelease('r-3'), plain, { timeZone: 'UTC' })).toMatchInlineSnapshot(`
      "r-3: v1.2.0 by canary, in place of v1.1.0; asked for by ana at 2026-01-06 10:01:32
      r-3: rolled-back, because backend: 9 of 30 requests failed (30 %), limit 5 %, evidence 2,400 : 1; stable: 0 of 270 requests failed (0 %)

      10:01:32  ana typed deploy: start the release of v1.2.0
      10:01:32  release r-3: v1.2.0 by canary
      10:01:32  fetch backend v1.2.0
      10:01:32  backend v1.2.0 is ready to start
      10:01:32  start 3 × backend v1.2.0 in blue, wait until ready (60 s at most)
      10:01:32  3 × v1.2.0 are starting in blue
      10:01:32  waiting: backend v1.2.0 in blue is not ready yet; for 1 min at most, then the release goes back
      10:01:33  3 × v1.2.0 ready in blue
      10:01:33  smoke-test backend in blue at its own address (GET /health)
      10:01:33  smoke tests passed: GET /health: 200
      10:01:33  send backend traffic: 90 % green, 10 % blue
      10:01:33  asked for 90 % green, 10 % blue (generation 5)
      10:01:33  waiting: the data plane does not follow generation 5 of backend yet; for 10 s at most, then the release goes back
      10:01:33  the data plane follows (generation 5)
      10:01:33  judge backend at 10 % for 20 s
      10:01:33  waiting: the analysis at 10 %; for 20 s at most, then it advances when healthy
      10:01:36  going back: backend: 9 of 30 requests failed (30 %), limit 5 %, evidence 2,400 : 1; stable: 0 of 270 requests failed (0 %)
                verdict   unhealthy by error-rate
                evidence  9 bad of 30 (30 %), limit 5 %, 2.6 s of data
                control   0 bad of 270 (0 %)
                tests     no bad cell yet, back at 4; evidence 1 : 1, back at 1,000 : 1; 0 of 1 % α spent
      10:01:36  v1.1.0 is still warm in green
      10:01:36  send backend traffic: 100 % green
      10:01:36  asked for 100 % green (generation 6)
      10:01:36  waiting: the data plane does not follow generation 6 of backend yet; for 10 s at most, then it is said again
      10:01:36  the data plane follows (generation 6)
      10:01:36  drain backend in blue (30 s at most)
      10:01:36  waiting: requests in flight in blue; for 30 s at most, then what is left is cut
      10:01:36  nothing is in flight
      10:01:36  end backend in blue
      10:01:36  blue is ending
      10:01:36  blue is empty
      10:01:36  rolled-back: backend: 9 of 30 requests failed (30 %), limit 5 %, evidence 2,400 : 1; stable: 0 of 270 requests failed (0 %)
      10:01:36  the release has ended: rolled-back"
    `)
  })

  it('says where the evidence is weaker', () => {
    expect(explainText(ofRelease('r-2'), plain, { timeZone: 'UTC' })).toContain(
      'verdict   healthy; weaker evidence: nothing ran beside it to compare with',
    )
  })

  it('names who let a stage pass without a verdict', () => {
    const judged = ofRelease('r-2').find(({ body }) => body.kind === 'stepFinished' && body.passedBy === 'verdict')!
    const body = { ...judged.body, passedBy: 'person', verdict: null } as JournalRecord['body']
    const actor = { kind: 'pipeline', name: 'jenkins' } as const
    const text = explainText([ofRelease('r-2')[1]!, { ...judged, body, actor, reason: 'promoted' }], plain)
    expect(text).toContain('it passed because a person said so')
    expect(text).toContain('asked for by jenkins (pipeline)')
  })

  it('of no records says so', () => {
    expect(explainText([], plain)).toBe('There is nothing to explain: no release is in these records.')
  })
})

describe('history', () => {
  it('has the newest release first, with the reason of each that was taken back', () => {
    expect(historyText(historyRows(records), plain, { timeZone: 'UTC', width: 100 })).toMatchInlineSnapshot(`
      "RELEASE  VERSION  FROM    STRATEGY  OUTCOME      STARTED                    TOOK  BY
      r-3      v1.2.0   v1.1.0  canary    rolled-back  2026-01-06 10:01:32       3.9 s  ana
               because backend: 9 of 30 requests failed (30 %), limit 5 %, evidence 2,400 : 1; stable: 0
               of 270 requests failed (0 %)
      r-2      v1.1.0   v1.0.0  canary    released     2026-01-06 10:00:01  1 min 31 s  ana
      r-1      v1.0.0   –       first     released     2026-01-06 10:00:00       1.1 s  ana"
    `)
  })

  it('is folded from the records, oldest first', () => {
    expect(historyRows(records).at(-1)).toEqual({
      release: 'r-3',
      version: 'v1.2.0',
      strategy: 'canary',
      outcome: 'rolled-back',
      startedAt: '2026-01-06T10:01:32.400Z',
      endedAt: '2026-01-06T10:01:36.300Z',
      actor: 'ana',
      reason: expect.stringContaining('requests failed'),
      from: 'v1.1.0',
    })
  })

  it('tells a running release from one that goes back, and one whose old version is kept warm', () => {
    const until = (release: string, kind: string) => {
      const mine = ofRelease(release)
      const rows = historyRows(mine.slice(0, mine.findIndex(({ body }) => body.kind === kind) + 1))
      return historyText(rows, plain, { timeZone: 'UTC' }).split('\n')[1]
    }
    expect(until('r-2', 'stepStarted')).toContain('running')
    expect(until('r-2', 'outcomeReached')).toContain('released, kept warm')
    expect(until('r-3', 'turnedBack')).toContain('going back')
  })

  it('of an empty journal says how to begin', () => {
    expect(historyText(historyRows([]), plain)).toContain('moodify deploy -v VERSION')
  })
})

describe('events', () => {
  it('are one line each, and none only repeats its neighbour', () => {
    const lines = ofRelease('r-3').filter((record) => decisionInWords(record) !== null)
    expect(lines.map((record) => eventLine(record)).join('\n')).toMatchInlineSnapshot(`
      "2026-01-06T10:01:32Z  ana typed deploy: start the release of v1.2.0
      2026-01-06T10:01:32Z  release r-3: v1.2.0 by canary
      2026-01-06T10:01:32Z  fetch backend v1.2.0
      2026-01-06T10:01:32Z  start 3 × backend v1.2.0 in blue, wait until ready (60 s at most)
      2026-01-06T10:01:33Z  3 × v1.2.0 ready in blue
      2026-01-06T10:01:33Z  smoke-test backend in blue at its own address (GET /health)
      2026-01-06T10:01:33Z  smoke tests passed: GET /health: 200
      2026-01-06T10:01:33Z  send backend traffic: 90 % green, 10 % blue
      2026-01-06T10:01:33Z  the data plane follows (generation 5)
      2026-01-06T10:01:33Z  judge backend at 10 % for 20 s
      2026-01-06T10:01:36Z  going back: backend: 9 of 30 requests failed (30 %), limit 5 %, evidence 2,400 : 1; stable: 0 of 270 requests failed (0 %)
      2026-01-06T10:01:36Z  v1.1.0 is still warm in green
      2026-01-06T10:01:36Z  send backend traffic: 100 % green
      2026-01-06T10:01:36Z  the data plane follows (generation 6)
      2026-01-06T10:01:36Z  drain backend in blue (30 s at most)
      2026-01-06T10:01:36Z  nothing is in flight
      2026-01-06T10:01:36Z  end backend in blue
      2026-01-06T10:01:36Z  blue is empty
      2026-01-06T10:01:36Z  rolled-back: backend: 9 of 30 requests failed (30 %), limit 5 %, evidence 2,400 : 1; stable: 0 of 270 requests failed (0 %)
      2026-01-06T10:01:36Z  the release has ended: rolled-back"
    `)
  })

  it('have local times with their offset when a time zone is given', () => {
    expect(eventLine(records[0]!, { timeZone: 'Europe/Berlin' })).toBe(
      '2026-01-06T11:00:00+01:00  a runner took over: test (epoch 1)',
    )
  })

  it('as JSON are one line each with the same fields, and carry the evidence', () => {
    const documents = records.map((record) => eventJson(record))
    expect(documents.every((text) => !text.includes('\n'))).toBe(true)
    const fields = new Set(documents.map((text) => Object.keys(JSON.parse(text)).join(' ')))
    expect([...fields]).toEqual(['seq at environment release kind reason actor text data'])
    const back = documents.map((text) => JSON.parse(text)).find(({ kind }) => kind === 'turnedBack')
    expect(back.data.cause.verdict.evidence).toMatchObject({ units: 30, bad: 9, limit: 0.05 })
  })

  it('as JSON never carry the environment of a service', () => {
    expect(JSON.stringify(records)).toContain('not for a log')
    expect(records.map((record) => eventJson(record)).join('')).not.toContain('not for a log')
  })
})

describe('the status report of a running release', () => {
  async function reportOf(running: ReturnType<typeof fakeEnvironment>, more: Partial<StatusFacts> = {}) {
    const snapshot = await running.platform.observer.snapshot()
    return statusReport({
      application: 'moodify',
      environment: 'production',
      platform: 'local',
      url: 'http://127.0.0.1:8080',
      now: running.clock.wall(),
      runnerPid: 4711,
      state: more.state ?? (await running.state()),
      records: await running.journal.read(),
      snapshot: more.snapshot ?? snapshot,
      cells: {},
      services: ['backend'],
    })
  }

  it('tells the versions of a slot that rolls apart', async () => {
    const rolling = fakeEnvironment()
    await rolling.deploy('v1.0.0')
    await rolling.run()
    await rolling.deploy('v1.1.0', 'rolling')
    await rolling.runUntil((point) => point === 'after effect rollInPlace')
    await rolling.clock.sleep(1500)
    const [slot] = (await reportOf(rolling)).services[0]!.slots
    expect(Object.keys(slot!.readyByVersion).sort()).toEqual(['v1.0.0', 'v1.1.0'])
    expect(Object.values(slot!.readyByVersion).reduce((sum, ready) => sum + ready, 0)).toBe(slot!.ready)
  })

  it('carries the failure of its step', async () => {
    const running = fakeEnvironment()
    await running.deploy('v1.0.0')
    await running.run()
    await running.deploy('v1.1.0')
    await running.runUntil((point) => point === 'after effect setShares')
    const state = await running.state()
    const failed = { code: 'PLATFORM_FAILED', reason: 'the front refused', retryInMs: 500 }
    const release = { ...state.release!, current: { ...state.release!.current!, failed } }
    const report = await reportOf(running, { state: { ...state, release } })
    expect(report.release!.failed).toMatchObject({ reason: 'the front refused', retryInMs: 500 })
    expect(report.phase).toBe('held')
  })
  it('knows versions from the journal while the workloads do not answer', async () => {
    const running = fakeEnvironment()
    await running.deploy('v1.0.0')
    await running.run()
    const seen = await running.platform.observer.snapshot()
    const services = { backend: { slots: {}, route: seen.services['backend']!.route } }
    const snapshot = { ...seen, complete: false, missing: ['the supervisor does not answer'], services }
    const [slot] = (await reportOf(running, { snapshot })).services[0]!.slots
    expect(slot).toMatchObject({ slot: 'blue', version: 'v1.0.0', sharePercent: 100, ready: 0 })
  })
})
