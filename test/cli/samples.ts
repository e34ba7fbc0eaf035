// Reports as `statusReport` makes them, for what prints them.
import { createStyle } from '../../src/views/cli/style.ts'
import type {
  ReleaseReport,
  ServiceReport,
  SlotReport,
  StatusReport,
} from '../../src/views/projections/status-report.ts'

export const plain = createStyle({ color: false })

export function slot(change: Partial<SlotReport> = {}): SlotReport {
  return {
    slot: 'blue',
    role: 'stable',
    version: 'v1.0.0',
    readyByVersion: { 'v1.0.0': 3 },
    sharePercent: 100,
    ready: 3,
    desired: 3,
    restarts: 0,
    crashLooping: false,
    inFlight: 0,
    requestsPerSecond: 92.1,
    errorPercent: 0,
    p95Ms: 25,
    ...change,
  }
}

export const candidate = slot({
  slot: 'green',
  role: 'candidate',
  version: 'v1.1.0',
  readyByVersion: { 'v1.1.0': 3 },
  sharePercent: 10,
  requestsPerSecond: 10.2,
  errorPercent: 1.96,
  p95Ms: 50,
})

export function service(name: string, ...slots: SlotReport[]): ServiceReport {
  return { name, slots }
}

export const release: ReleaseReport = {
  id: 'r-2',
  version: 'v1.1.0',
  strategy: 'canary',
  direction: 'forward',
  actor: 'ana',
  startedAt: '2026-01-06T09:58:40.000Z',
  paused: false,
  outcome: null,
  step: {
    number: 5,
    of: 14,
    says: 'judge backend at 10 % for 5 min',
    startedAt: '2026-01-06T10:00:05.000Z',
  },
  wait: {
    blocker: 'the analysis at 10 %',
    deadlineMs: 300_000,
    atDeadline: 'it advances when healthy',
    next: 'moodify promote, or moodify abort',
    needsPerson: false,
    since: '2026-01-06T10:00:05.000Z',
  },
  failed: null,
  cause: null,
}

/** A canary at 10 %. */
export function canary(change: Partial<StatusReport> = {}): StatusReport {
  return {
    environment: 'production',
    platform: 'local',
    application: 'moodify',
    url: 'http://127.0.0.1:8080',
    at: '2026-01-06T10:01:53.000Z',
    phase: 'forward',
    runnerPid: 4711,
    unwatched: false,
    release,
    last: null,
    services: [service('backend', slot({ sharePercent: 90 }), candidate)],
    missing: [],
    decisions: [
      {
        seq: 40,
        at: '2026-01-06T09:59:58.000Z',
        text: 'smoke-test backend in green at its own address (GET /health)',
      },
      { seq: 41, at: '2026-01-06T10:00:02.000Z', text: 'smoke tests passed: GET /health: 200' },
      { seq: 42, at: '2026-01-06T10:00:02.000Z', text: 'send backend traffic: 90 % blue, 10 % green' },
      { seq: 43, at: '2026-01-06T10:00:05.000Z', text: 'judge backend at 10 % for 5 min' },
    ],
    ...change,
  }
}

/** No release runs. */
export function settled(change: Partial<StatusReport> = {}): StatusReport {
  return canary({
    phase: 'settled',
    release: null,
    services: [service('backend', slot(), slot({ ...candidate, role: null, sharePercent: 0, ready: 0, desired: 0 }))],
    decisions: [],
    last: { id: 'r-1', version: 'v1.0.0', outcome: 'released', reason: null },
    ...change,
  })
}
