// Requests that a client sends on one connection without waiting for answers.
//
// Node reads them all at once and sorts the answers. That is good enough for reading; but what changes something has
// to wait for what was asked before it, and nothing may overtake it (RFC 9112, 9.3.2). After an answer that closes
// the connection nothing is done any more.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const LATEST = Symbol('the newest request on this connection')
const DONE = Symbol('nothing more is read on this connection')
interface Turn {
  readonly response: ServerResponse
  /** The next one has to wait for its end. */
  readonly alone: boolean
}
type ClientSocket = Socket & { [LATEST]?: Turn; [DONE]?: true }

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Does the work for a request when it is its turn, at once for most. `response` is null if the connection changes hands. */
export function inTurn(client: ClientSocket, response: ServerResponse | null, work: () => void): void {
  if (client[DONE]) return
  const before = client[LATEST]
  const isFirst = before === undefined || before.response.closed
  const isSafe = response !== null && SAFE.has(response.req.method!)
  const waits = !isFirst && (before.alone || !isSafe)
  if (response) client[LATEST] = { response, alone: waits || !isSafe }
  if (!waits) {
    work()
    return
  }
  before.response.once('close', () => {
    // Meanwhile it may have turned out that it cannot be read.
    if (client.writable && !client[DONE] && !response?.headersSent) work()
  })
}

/** Nothing that follows on this connection is looked at. */
export function endTurns(client: ClientSocket): void {
  client[DONE] = true
}

/** The newest response on this connection, if it is not at its end. */
export function unfinished(client: ClientSocket): ServerResponse | null {
  const latest = client[LATEST]
  return latest && !latest.response.closed ? latest.response : null
}
