// Users of the end-to-end tests: pages, streamed uploads whose digest is checked, and web sockets, over kept and short
// connections, nothing retried; and what is claimed of what came back.
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { TrafficClient, type TrafficReport } from '../../demo/traffic.ts'
import type { RequestKind } from '../../demo/traffic-mix.ts'

const page: RequestKind = { name: 'page', weight: 75, make: () => ({ method: 'GET', path: '/' }) }

const upload: RequestKind = {
  name: 'upload',
  weight: 15,
  make: (random) => {
    const chunks = Array.from({ length: 6 }, () => `${random()}`.repeat(200))
    const digest = createHash('sha256').update(chunks.join('')).digest('hex')
    return { method: 'POST', path: '/upload', headers: { 'x-digest': digest }, chunks }
  },
}

const longPage: RequestKind = {
  name: 'long page',
  weight: 10,
  make: (random) => ({ method: 'GET', path: `/?ms=${Math.round(300 * random())}` }),
}

/** Under way for nearly a second, and not to be repeated by anybody: what ends without a drain cuts some. */
export const longRequests: readonly RequestKind[] = [
  { name: 'order', weight: 1, make: () => ({ method: 'POST', path: '/?ms=800', chunks: ['two', ' tickets'] }) },
]

export interface LoadOptions {
  readonly requestsPerSecond?: number
  readonly sockets?: number
  readonly kinds?: readonly RequestKind[]
}

export type Load = TrafficClient & AsyncDisposable

export function startLoad(url: string, options: LoadOptions = {}): Load {
  const { requestsPerSecond = 300, sockets = 10, kinds = [page, upload, longPage] } = options
  const client = new TrafficClient({
    url,
    requestsPerSecond,
    kinds,
    ...(sockets > 0
      ? { sockets: { url: `${url.replace('http', 'ws')}/echo`, sessions: sockets, messageEveryMs: 100 } }
      : {}),
  })
  client.start()
  return Object.assign(client, {
    async [Symbol.asyncDispose]() {
      await client.stop()
    },
  })
}

/** What a stretch of traffic came to. */
export interface Stretch {
  readonly requests: number
  readonly dropped: number
  readonly hurt: number
  /** Of those hurt: answers with an error. */
  readonly errors: number
  readonly socketsCut: number
}

export function stretch(before: TrafficReport, after: TrafficReport): Stretch {
  return {
    requests: after.requests - before.requests,
    dropped: after.dropped - before.dropped,
    hurt: after.hurt - before.hurt,
    errors: after.errors - before.errors,
    socketsCut: after.sockets.streamsCut - before.sockets.streamsCut,
  }
}

/** The claim itself, with the drops where it does not hold; and that the client did what it was to do. */
export function expectNothingDropped(report: TrafficReport): void {
  const { dropped, drops, notSent, ownFailures, sockets } = report
  expect({ dropped, drops }).toEqual({ dropped: 0, drops: [] })
  expect({ notSent, ownFailures, wrongEchoes: sockets.wrongEchoes }).toEqual({
    notSent: 0,
    ownFailures: 0,
    wrongEchoes: 0,
  })
  expect(report.statuses[422], 'uploads that arrived changed').toBe(undefined)
  expect(report.requests).toBeGreaterThan(0)
}

/** One line for the log of the tests, so that figures can be quoted. */
export function figures(what: string, report: TrafficReport): string {
  const { requests, dropped, hurt, elapsedMs, droppedUpperBound95, sockets } = report
  const bound = droppedUpperBound95 === null ? '' : ` (at most ${(100 * droppedUpperBound95).toPrecision(2)} % at 95 %)`
  const cut = `${sockets.opened} web sockets, ${sockets.roundTrips} echoes, ${sockets.streamsCut} cut with 1001`
  return `${what}: ${dropped} of ${requests} requests dropped${bound}, ${hurt} hurt, ${Math.round(elapsedMs / 1000)} s; ${cut}`
}
