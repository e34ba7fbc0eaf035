import { describe, expect, it } from 'vitest'
import { visibleWidth } from '../../src/views/cli/layout.ts'
import { alerts } from '../../src/views/cli/situation.ts'
import { stateSentence, statusLines, statusText } from '../../src/views/cli/status-text.ts'
import { createStyle } from '../../src/views/cli/style.ts'
import type { StatusReport } from '../../src/views/projections/status-report.ts'
import { canary, candidate, plain, release, service, settled, slot } from './samples.ts'

const print = (report: StatusReport, more: { width?: number; height?: number; now?: string } = {}) =>
  statusText(report, plain, { width: 100, timeZone: 'UTC', ...more })

describe('status: the whole screen', () => {
  it('of a canary at 10 %', () => {
    expect(print(canary())).toMatchInlineSnapshot(`
      "v1.0.0 serves 90 %, v1.1.0 serves 10 % as candidate

      SERVICE  SLOT   ROLE       VERSION              SHARE  READY  REQ/S  ERRORS      P95
      backend  blue   stable     v1.0.0   █████████░   90 %    3/3   92.1     0 %  ≤ 25 ms
               green  candidate  v1.1.0   █░░░░░░░░░   10 %    3/3   10.2     2 %  ≤ 50 ms

      release  r-2: v1.1.0 by canary, started by ana at 09:58:40
      now      step 5 of 14: judge backend at 10 % for 5 min
      waiting  the analysis at 10 %; until 10:05:05 (in 3 min 12 s), then it advances when healthy
      next     moodify promote, or moodify abort

      decisions
      09:59:58  smoke-test backend in green at its own address (GET /health)
      10:00:02  smoke tests passed: GET /health: 200
      10:00:02  send backend traffic: 90 % blue, 10 % green
      10:00:05  judge backend at 10 % for 5 min"
    `)
  })

  it('of a settled environment', () => {
    expect(print(settled())).toMatchInlineSnapshot(`
      "v1.0.0 serves everything; no release is running

      SERVICE  SLOT  ROLE    VERSION              SHARE  READY  REQ/S  ERRORS      P95
      backend  blue  stable  v1.0.0   ██████████  100 %    3/3   92.1     0 %  ≤ 25 ms

      last     r-1: v1.0.0 released
      next     moodify deploy -v VERSION"
    `)
  })

  it('of a locked environment', () => {
    const lock = {
      by: 'ana',
      since: '2026-01-06T09:00:00.000Z',
      until: '2026-01-06T11:30:00.000Z',
      reason: 'the database moves',
    }
    expect(print(settled({ lock })).split('\n').slice(-3)).toEqual([
      'last     r-1: v1.0.0 released',
      'locked   by ana at 09:00:00, until 11:30:00: the database moves; no release starts',
      'next     moodify unlock, or moodify rollback, which no lock refuses',
    ])
  })

  it('of a release that goes back, with its cause, on a narrow terminal', () => {
    const report = canary({
      phase: 'back',
      services: [service('backend', slot(), { ...candidate, sharePercent: 0, inFlight: 2 })],
      release: {
        ...release,
        direction: 'back',
        cause: 'backend: 31 of 120 requests failed (25.8 %, limit 5 %) in the last 8 s; stable: 0 of 1,080',
        step: { number: 3, of: 5, says: 'drain backend in green (30 s at most)', startedAt: null },
        wait: null,
      },
    })
    expect(print(report, { width: 60 })).toMatchInlineSnapshot(`
      "v1.0.0 serves everything; v1.1.0 is being taken back

      SERVICE  SLOT   VERSION  SHARE  READY  ERRORS      P95
      backend  blue   v1.0.0   100 %    3/3     0 %  ≤ 25 ms
               green  v1.1.0     0 %    3/3     2 %  ≤ 50 ms

      release  r-2: v1.1.0 by canary, started by ana at 09:58:40
      because  backend: 31 of 120 requests failed (25.8 %, limit
               5 %) in the last 8 s; stable: 0 of 1,080
      now      way back, step 3 of 5: drain backend in green (30 s
               at most)
      next     nothing to do: it goes back by itself

      decisions
      09:59:58  smoke-test backend in green at its own address
                (GET /health)
      10:00:02  smoke tests passed: GET /health: 200
      10:00:02  send backend traffic: 90 % blue, 10 % green
      10:00:05  judge backend at 10 % for 5 min"
    `)
  })

  it('of an empty environment says how to begin', () => {
    const report = settled({ phase: 'empty', services: [service('backend')], last: null })
    expect(print(report)).toMatchInlineSnapshot(`
      "nothing serves users yet

      next     moodify deploy -v VERSION"
    `)
  })

  it('of a failed release points at its explanation', () => {
    const last = { id: 'r-2', version: 'v1.1.0', outcome: 'rolled-back', reason: 'backend: too many errors' } as const
    expect(print(settled({ last }))).toMatchInlineSnapshot(`
      "v1.0.0 serves everything; no release is running

      SERVICE  SLOT  ROLE    VERSION              SHARE  READY  REQ/S  ERRORS      P95
      backend  blue  stable  v1.0.0   ██████████  100 %    3/3   92.1     0 %  ≤ 25 ms

      last     r-2: v1.1.0 rolled-back: backend: too many errors
      next     moodify explain r-2"
    `)
  })

  it('of two services in the middle of a release names each', () => {
    const shipped = { ...candidate, role: 'stable', sharePercent: 100 } as const
    const report = canary({ services: [service('backend', shipped), service('frontend', slot())] })
    expect(print(report)).toMatchInlineSnapshot(`
      "backend: v1.1.0 serves everything
      frontend: v1.0.0 serves everything

      SERVICE   SLOT   ROLE    VERSION              SHARE  READY  REQ/S  ERRORS      P95
      backend   green  stable  v1.1.0   ██████████  100 %    3/3   10.2     2 %  ≤ 50 ms
      frontend  blue   stable  v1.0.0   ██████████  100 %    3/3   92.1     0 %  ≤ 25 ms

      release  r-2: v1.1.0 by canary, started by ana at 09:58:40
      now      step 5 of 14: judge backend at 10 % for 5 min
      waiting  the analysis at 10 %; until 10:05:05 (in 3 min 12 s), then it advances when healthy
      next     moodify promote, or moodify abort

      decisions
      09:59:58  smoke-test backend in green at its own address (GET /health)
      10:00:02  smoke tests passed: GET /health: 200
      10:00:02  send backend traffic: 90 % blue, 10 % green
      10:00:05  judge backend at 10 % for 5 min"
    `)
  })
})

describe('status: the first sentence says what users get', () => {
  const first = (report: StatusReport) => stateSentence(report)

  it('with a candidate that has no traffic yet', () => {
    const report = canary({ services: [service('backend', slot(), { ...candidate, sharePercent: 0 })] })
    expect(first(report)).toBe('v1.0.0 serves everything; v1.1.0 is being prepared and serves nobody yet')
  })

  it('while one slot rolls from one version to another', () => {
    const rolling = slot({ version: 'v1.1.0', readyByVersion: { 'v1.0.0': 2, 'v1.1.0': 1 } })
    expect(first(canary({ services: [service('backend', rolling)] }))).toBe(
      'v1.0.0 (2 replicas) and v1.1.0 (1 replica) serve everything',
    )
  })

  it('while a roll has begun and no new replica is ready: the old version still serves', () => {
    const rolling = slot({ version: 'v1.1.0' })
    const report = canary({ services: [service('backend', rolling)] })
    expect(first(report)).toBe('v1.0.0 serves everything; v1.1.0 is being prepared and serves nobody yet')
    expect(print(report)).toContain('backend  blue  stable  v1.0.0 → v1.1.0')
  })

  it.each([
    ['approval', 'v1.0.0 serves everything; v1.1.0 waits for approval'],
    ['paused', 'v1.0.0 serves everything; the release is paused'],
    ['held', 'v1.0.0 serves everything; the release holds and needs a person'],
    ['keeping', 'v1.0.0 serves everything; the version before is kept warm'],
    ['back', 'v1.0.0 serves everything; v1.1.0 is being taken back'],
    ['settled', 'v1.0.0 serves everything; no release is running'],
  ] as const)('in the phase %s', (phase, sentence) => {
    expect(first(canary({ phase, services: [service('backend', slot())] }))).toBe(sentence)
  })

  it('when the platform is down', () => {
    const text = print(canary({ url: null, runnerPid: null, unwatched: true, missing: ['the front'], services: [] }))
    expect(text.split('\n')[0]).toBe('the platform is down: users get nothing')
    expect(text).toContain('next     moodify up')
    expect(text).not.toContain('UNWATCHED')
  })

  it('and does not take missing answers for an empty route', () => {
    expect(first(settled({ services: [service('backend')], missing: ['the front does not answer'] }))).toBe(
      'what serves users is not known; no release is running',
    )
  })
})

describe('status: alerts', () => {
  it('are none on a calm day', () => {
    expect(alerts(canary())).toEqual([])
  })

  it('name the remedy of an unwatched release, in red', () => {
    const text = statusText(canary({ unwatched: true }), createStyle({ color: true }), { width: 100 })
    const line = text.split('\n')[1]
    expect(line).toBe(
      '\u001b[31mUNWATCHED: no runner watches r-2, nobody would take it back; next: moodify resume\u001b[39m',
    )
  })

  it('make watching again the next command, and promise no deadline that nobody keeps', () => {
    const text = print(canary({ unwatched: true }))
    expect(text).toContain('next     moodify resume')
    expect(text).not.toContain('until')
  })

  it('put traffic without a ready replica before all else', () => {
    const dead = slot({ ready: 0, readyByVersion: {}, crashLooping: true, restarts: 12 })
    const report = canary({ unwatched: true, services: [service('backend', dead)] })
    expect(alerts(report).map(({ says }) => says)).toEqual([
      'USERS GET ERRORS: backend blue has 100 % of the traffic and no ready replica',
      'UNWATCHED: no runner watches r-2, nobody would take it back',
      'backend v1.0.0 in blue keeps exiting (12 restarts)',
    ])
  })

  it('say which part did not answer, and print no replica counts made up from silence', () => {
    const unseen = slot({ ready: 0, desired: 0, readyByVersion: {} })
    const report = canary({ missing: ['the supervisor does not answer'], services: [service('backend', unseen)] })
    const text = print(report)
    expect(text).toContain('not everything can be seen: the supervisor does not answer; next: moodify doctor')
    expect(text).not.toContain('0/0')
    expect(text).not.toContain('USERS GET ERRORS')
  })
})

describe('status: what the release waits for', () => {
  const waiting = (wait: Partial<NonNullable<typeof release.wait>>, now?: string) =>
    print(canary({ release: { ...release, wait: { ...release.wait!, ...wait } } }), { now })
      .split('\n')
      .find((line) => line.startsWith('waiting'))

  it('has the local time of its deadline and a countdown', () => {
    expect(waiting({})).toBe(
      'waiting  the analysis at 10 %; until 10:05:05 (in 3 min 12 s), then it advances when healthy',
    )
  })

  it('has the date of a deadline on another day', () => {
    expect(waiting({ deadlineMs: 86_400_000 })).toContain('until 2026-01-07 10:00:05 (in 23 h 58 min)')
  })

  it('never counts below zero', () => {
    expect(waiting({}, '2026-01-06T10:07:00Z')).toContain('due since 10:05:05, then')
  })

  it('says so when nothing but a person moves it', () => {
    const wait = { deadlineMs: null, blocker: 'paused by a person', atDeadline: 'it holds' }
    expect(waiting(wait)).toBe('waiting  paused by a person; no deadline: it holds')
  })

  it('shows a failing step with what can be typed', () => {
    const failing = { ...release, wait: null, failed: { reason: 'connect ECONNREFUSED', retryInMs: 1000 } }
    const text = print(canary({ phase: 'held', release: failing }))
    expect(text).toContain('failed   connect ECONNREFUSED; it is tried again by itself')
    expect(text).toContain('next     moodify retry, or moodify abort')
  })
})

describe('status: on a small terminal', () => {
  it.each([
    [100, 30],
    [60, 20],
    [40, 15],
    [40, 8],
    [20, 3],
  ])('of %i × %i no line is too long and none too many, and the first sentence stays', (width, height) => {
    const report = canary({ unwatched: true })
    const lines = statusLines(report, createStyle({ color: true }), { width, height, timeZone: 'UTC' })
    expect(lines.length).toBeLessThanOrEqual(height)
    expect(Math.max(...lines.map(visibleWidth))).toBeLessThanOrEqual(width)
    expect(lines[0]).toContain('v1.0.0 serves')
  })

  it('decisions go first, oldest first; then empty lines, then the numbers, never the next command', () => {
    expect(print(canary(), { height: 13 })).not.toContain('smoke tests passed')
    expect(print(canary(), { height: 13 })).toContain('10:00:05  judge backend')
    expect(print(canary(), { height: 11 })).not.toContain('decisions')
    const short = print(canary(), { height: 6 })
    expect(short).not.toContain('SERVICE')
    expect(short).toContain('next     moodify promote, or moodify abort')
    expect(print(canary(), { height: 2 })).toBe(
      'v1.0.0 serves 90 %, v1.1.0 serves 10 % as candidate\nnext     moodify promote, or moodify abort',
    )
  })

  it('at 40 columns keeps version, share, readiness and errors', () => {
    expect(print(canary(), { width: 40, height: 14 })).toMatchInlineSnapshot(`
      "v1.0.0 serves 90 %, v1.1.0 serves 10 %
      as candidate
      SERVICE  VERSION  SHARE  READY  ERRORS
      backend  v1.0.0    90 %    3/3     0 %
               v1.1.0    10 %    3/3     2 %
      release  r-2: v1.1.0 by canary, started
               by ana at 09:58:40
      now      step 5 of 14: judge backend at
               10 % for 5 min
      waiting  the analysis at 10 %; until
               10:05:05 (in 3 min 12 s), then
               it advances when healthy
      next     moodify promote, or moodify
               abort"
    `)
  })
})

it('status: control characters in a reason cannot forge a screen', () => {
  const decisions = [{ seq: 1, at: '2026-01-06T10:00:00Z', text: 'failed: \u001b[2Jboom\r\nnext line\u0007' }]
  expect(print(canary({ decisions }))).toContain('failed: boom next line')
})
