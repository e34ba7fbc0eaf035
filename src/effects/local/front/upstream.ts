// Connections to replicas.
//
// A kept connection can be closed by the other side at the very moment we send on it, and then nobody knows
// whether the request was seen. So one is used again only well before its owner's announced timeout, and for a
// request that must not be sent twice only if it was in use a moment ago.
import type { ClientRequest, ClientRequestArgs } from 'node:http'
import { connect as connectSocket, type Socket } from 'node:net'
import { request } from '../http.ts'
import type { Replica } from './rotation.ts'

export interface Connection {
  readonly socket: Socket
  readonly replica: Replica
  /** It has carried a request before. */
  used: boolean
  idleSinceMs: number
  /** How long it may idle and still be used. */
  keepMs: number
}

const CONNECT_TIMEOUT_MS = 5000
/** What servers that announce nothing are known to keep: Node and uvicorn 5 s. */
const DEFAULT_TIMEOUT_MS = 5000
const FRESH_MS = 1000
const MOST_IDLE = 256
const MAX_HEADER_BYTES = 64 * 1024

export class Upstreams {
  private readonly now: () => number
  /** The one used last is at the end. */
  private readonly idle = new Map<Replica, Connection[]>()

  constructor(now: () => number = () => performance.now()) {
    this.now = now
  }

  /** A kept connection that is still good, or null. */
  take(replica: Replica, { repeatable }: { repeatable: boolean }): Connection | null {
    const kept = this.idle.get(replica)
    if (!kept) return null
    const nowMs = this.now()
    for (let connection = kept.pop(); connection; connection = kept.pop()) {
      const idleMs = nowMs - connection.idleSinceMs
      if (idleMs >= connection.keepMs || !isOpen(connection.socket)) {
        connection.socket.destroy()
      } else if (repeatable || idleMs <= FRESH_MS) {
        return connection
      } else {
        kept.push(connection)
        return null
      }
    }
    return null
  }

  open(replica: Replica, done: (error: Error | null, connection: Connection | null) => void): void {
    const socket = connectSocket({ host: '127.0.0.1', port: replica.port, noDelay: true })
    const connection: Connection = { socket, replica, used: false, idleSinceMs: 0, keepMs: DEFAULT_TIMEOUT_MS / 2 }
    const fail = (error: Error) => {
      socket.destroy()
      done(error, null)
    }
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => fail(new Error('no connection in time')))
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.setTimeout(0)
      socket.removeAllListeners('timeout')
      socket.removeListener('error', fail)
      // While it idles nobody else listens; whoever uses it sees the error too.
      socket.on('error', () => {})
      socket.on('free', () => this.keep(connection))
      done(null, connection)
    })
  }

  /** It may be used again. Node emits `free` on its socket when a response was read to its end. */
  keep(connection: Connection): void {
    const { replica, socket } = connection
    let kept = this.idle.get(replica)
    if (!replica.listed || !isOpen(socket) || (kept && kept.length >= MOST_IDLE)) {
      socket.destroy()
      return
    }
    if (!kept) {
      kept = []
      this.idle.set(replica, kept)
    }
    connection.idleSinceMs = this.now()
    kept.push(connection)
  }

  /** Closes connections that are not used again. */
  closeIdle(): void {
    const nowMs = this.now()
    for (const [replica, kept] of this.idle) {
      let old = 0
      while (old < kept.length && (!replica.listed || nowMs - kept[old]!.idleSinceMs >= kept[old]!.keepMs)) old++
      for (const { socket } of kept.splice(0, old)) socket.destroy()
      if (kept.length === 0) this.idle.delete(replica)
    }
  }

  closeAll(): void {
    for (const kept of this.idle.values()) for (const { socket } of kept) socket.destroy()
    this.idle.clear()
  }
}

/** A request on this very connection. No header is added to `headers`. */
export function requestOn(
  connection: Connection,
  { method, path, headers }: { method: string; path: string; headers: string[] },
): ClientRequest {
  connection.used = true
  const options: ClientRequestArgs & { connection: Connection } = {
    method,
    path,
    headers,
    connection,
    agent: handOver as never,
    setDefaultHeaders: false,
    maxHeaderSize: MAX_HEADER_BYTES,
  }
  return request(options)
}

// The part of http.Agent that http.request needs, with the choice of a socket already made.
const handOver = {
  protocol: 'http:',
  defaultPort: 80,
  keepAlive: true,
  addRequest: (outgoing: ClientRequest, { connection }: { connection: Connection }) =>
    outgoing.onSocket(connection.socket),
}

function isOpen(socket: Socket): boolean {
  return socket.writable && socket.readable && !socket.destroyed
}
