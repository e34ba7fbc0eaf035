import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { newTicket, setCookie, ticketIn } from './affinity.ts'
import type { Replica, Rotation, Service } from './rotation.ts'
import type { Upstreams } from './upstream.ts'

/** Says which answers are the platform's own, and why. */
export const ERROR_HEADER = 'x-moodify-error'

export const platformErrors = {
  'bad-request': { status: 400, means: 'The request cannot be sent on safely.' },
  'head-too-large': { status: 431, means: 'The head of the request is over 32 KiB.' },
  'too-slow': { status: 408, means: 'The request did not come in time.' },
  'expectation-failed': { status: 417, means: 'The only expectation that can be met is 100-continue.' },
  'method-not-allowed': { status: 405, means: 'CONNECT is not for a front.' },
  'no-service': { status: 404, means: 'No service has this path.' },
  'unknown-slot': { status: 404, means: 'The slot that the request is pinned to has no replica.' },
  'no-endpoints': { status: 503, means: 'No slot of the service has both a share and a replica.' },
  'connection-failed': { status: 502, means: 'The replica does not accept connections.' },
  'no-answer': { status: 502, means: 'The replica ended the connection without an answer.' },
  'drain-time-over': { status: 503, means: 'The replica was ended before it answered.' },
} as const
export type PlatformErrorName = keyof typeof platformErrors

/** After these it is not known where the next request begins. */
const LAST_ANSWERS = new Set<number>([400, 408, 431])

/** What the parts of a front share. */
export interface Core {
  readonly rotation: Rotation
  readonly upstreams: Upstreams
  readonly events: Events
  /** How long a client may take for the next bytes of a body. */
  readonly bodyTimeoutMs: number
  /** Once true, every answer closes its connection. */
  stopping: boolean
  readonly makeId: () => string
  readonly now: () => number
}

/** Counts of what no replica is the reason for. */
export interface Events {
  /** Streams, WebSockets and requests cut at the drain time. */
  streamsCut: number
  /** Requests that were sent once more on another connection. */
  retries: number
  connections: number
  readonly answered: Record<PlatformErrorName, number>
}

export function newEvents(): Events {
  const none = Object.keys(platformErrors).map((name) => [name, 0])
  return { streamsCut: 0, retries: 0, connections: 0, answered: Object.fromEntries(none) }
}

/** Ids that are unique across processes and cost next to nothing. */
export function idMaker(): () => string {
  const prefix = randomBytes(6).toString('hex')
  let count = 0
  return () => `${prefix}-${(++count).toString(36)}`
}

export function errorBody(name: PlatformErrorName, message: string = platformErrors[name].means): string {
  return `${JSON.stringify({ error: { code: name, message } })}\n`
}

/** Answers in the platform's own name. */
export function answerError(core: Core, response: ServerResponse, name: PlatformErrorName, message?: string): void {
  core.events.answered[name]++
  const body = errorBody(name, message)
  const { status } = platformErrors[name]
  const headers = [
    'content-type',
    'application/json',
    'content-length',
    `${Buffer.byteLength(body)}`,
    ERROR_HEADER,
    name,
  ]
  if (core.stopping || LAST_ANSWERS.has(status)) headers.push('connection', 'close')
  response.writeHead(status, headers)
  response.end(body)
}

export interface Session {
  readonly ticket: string
  /** The header that gives the ticket to who has none; null for who has one. */
  readonly setCookie: string | null
}

/** Null where sessions mean nothing: the service has no affinity, or the request is pinned to a slot. */
export function sessionOf(service: Service, request: IncomingMessage, pin: string | null): Session | null {
  const affinity = service.route?.affinity
  if (!affinity || pin !== null) return null
  const known = ticketIn(request.headers.cookie, affinity)
  if (known !== null) return { ticket: known, setCookie: null }
  const ticket = newTicket()
  return { ticket, setCookie: setCookie(ticket, affinity, 'encrypted' in request.socket) }
}

/** The replica for a new request, or the error to answer with. */
export function chooseReplica(
  { rotation }: Core,
  service: Service,
  { pin, session }: { pin: string | null; session: Session | null },
): Replica | PlatformErrorName {
  if (pin === null) return rotation.pick(service, session?.ticket ?? null) ?? 'no-endpoints'
  const slot = service.slots.get(pin)
  return (slot && rotation.pickIn(slot)) ?? 'unknown-slot'
}
