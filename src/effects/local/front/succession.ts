// What two fronts of one environment say to each other, from the moment in which the old one has started the new
// one until the old one has ended. As with protocol.ts, fields are only ever added.
//
//   new  ready ─▶                     it runs
//   old  state ─▶                     all that it was told; from here on nobody changes it
//   new  prepared ─▶                  it serves its control socket, under another name
//   old  listen + socket ─▶           both accept, with the same shares
//   new  listening ─▶
//   old  committed ─▶                 the control socket has its name; the old one accepts nothing any more
//   new  change, stop ─▶              what the old one has to know for requests on its kept connections
//   old  report …, ended ─▶           what is in flight there, and what was counted
//
// Until the old one has committed it can go back: it kills the new one and goes on.
//
// A worker (workers.ts) is a front that only ever follows: it hears `state` and `listen`, and then what an old one hears.
import type { Server } from 'node:net'
import type { Cell } from '../../../domain/counts.ts'
import type { FrontStatus, FrontSupervisor } from '../protocol.ts'
import type { TlsFiles } from './encryption.ts'
import type { SavedState } from './schemas.ts'
import type { Totals } from './totals.ts'

export type FromOld =
  | {
      readonly kind: 'state'
      readonly state: SavedState
      /** The same moment on the clock that cells are counted by, and on the machine's monotonic clock. */
      readonly clock: { readonly nowMs: number; readonly systemMs: number }
      readonly countsSource: string
      readonly supervisor: FrontSupervisor | null
      readonly report: Report
      /** For a worker, which has no arguments of its own. */
      readonly tls?: TlsFiles | null
    }
  | { readonly kind: 'listen' }
  | { readonly kind: 'committed' }
  | { readonly kind: 'report'; readonly report: Report }
  | { readonly kind: 'ended'; readonly report: Report }

export type FromNew =
  | { readonly kind: 'ready' }
  | { readonly kind: 'prepared'; readonly controlSocket: string }
  | { readonly kind: 'listening' }
  | { readonly kind: 'change'; readonly number: number; readonly state: SavedState }
  | { readonly kind: 'stop'; readonly deadlineMs: number; readonly idleMs?: number }

export interface Report {
  /** Number of the last change that the old front follows. */
  readonly applied: number
  readonly services: FrontStatus['services']
  readonly streamsCut: number
  /** Process ids of this front and then of those before it. */
  readonly draining: readonly number[]
  /** By service; what no report had before. */
  readonly cells: Readonly<Record<string, readonly Cell[]>>
  /** All cells up to this second have been reported; null when none is left to come. */
  readonly second: number | null
  /** Everything that was counted, for `/metrics`; not in every report. */
  readonly totals?: Totals | undefined
}

/** Monotonic milliseconds that all processes of this machine share. */
export function systemMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

/** The clock of another process, from a moment of it, as one of this process. */
export function sameClock({ nowMs, systemMs: thenMs }: { nowMs: number; systemMs: number }): () => number {
  const aheadMs = systemMs() - performance.now() + nowMs - thenMs
  return () => performance.now() + aheadMs
}

/** A process at the other end of a channel; `process` itself in the one that was started. */
export interface Channel {
  readonly connected: boolean
  on<Message>(event: 'message', listener: (message: Message) => void): unknown
  once(event: 'disconnect', listener: () => void): unknown
  send?(message: object, handle: Server | undefined, sent: (error: Error | null) => void): boolean
}

/** Resolves when the message is on its way, also when nobody is there to get it. */
export function say(channel: Channel, message: FromOld | FromNew, handle?: Server): Promise<void> {
  return new Promise((resolve) => {
    if (channel.connected) channel.send?.(message, handle, () => resolve())
    else resolve()
  })
}
