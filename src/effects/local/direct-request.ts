import { request } from './http.ts'

export interface DirectRequest {
  readonly port: number
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  /** For the whole exchange. */
  readonly timeoutMs: number
  /** It speaks TLS. It is our own on this machine, so nobody asks whose certificate it has. */
  readonly encrypted?: boolean
}

export interface DirectAnswer {
  readonly status: number
  /** The first MiB. */
  readonly body: string
  readonly tookMs: number
}

const BODY_LIMIT = 1024 * 1024

/**
 * Sends one request straight to a replica, on a connection of its own.
 *
 * @throws Error when there is no complete answer in time, with the cause in its message
 */
export async function directRequest(asked: DirectRequest, signal?: AbortSignal): Promise<DirectAnswer> {
  const started = performance.now()
  const timeout = AbortSignal.timeout(asked.timeoutMs)
  const { promise, resolve, reject } = Promise.withResolvers<DirectAnswer>()
  const send = asked.encrypted ? process.getBuiltinModule('node:https').request : request
  const sent = send({
    host: '127.0.0.1',
    port: asked.port,
    method: asked.method,
    path: asked.path,
    headers: asked.headers,
    agent: false,
    rejectUnauthorized: false,
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  })
  sent.on('error', reject)
  sent.on('response', (answer) => {
    const chunks: Buffer[] = []
    let length = 0
    answer.on('error', reject)
    answer.on('data', (chunk: Buffer) => {
      if (length < BODY_LIMIT) chunks.push(chunk)
      length += chunk.length
    })
    answer.on('end', () => {
      const body = Buffer.concat(chunks).subarray(0, BODY_LIMIT).toString()
      resolve({ status: answer.statusCode ?? 0, body, tookMs: performance.now() - started })
    })
  })
  sent.end(asked.body ?? undefined)
  try {
    return await promise
  } catch (error) {
    if (timeout.aborted) throw new Error(`no answer in ${asked.timeoutMs} ms`)
    throw error
  }
}
