import type { Agent as HttpAgent, IncomingMessage } from 'node:http'
import { catalogue, type ErrorCode, OperatingError } from '../../errors/catalogue.ts'
import { Agent, request as httpRequest } from './http.ts'
import type { ProtocolError } from './protocol.ts'

export interface SocketClient {
  /**
   * One request with a JSON body and a JSON answer. Every request of the protocol states a whole desired end,
   * so one that fails on a kept connection is sent once more.
   *
   * @param url  path and query, such as `/cells?service=backend`
   * @returns    the parsed answer; text when it is not JSON, undefined when it is empty
   * @throws     OperatingError PLATFORM_DOWN when nobody listens, PLATFORM_FAILED when the answer does not come in
   *             time or makes no sense, else with the code that the other side gave
   */
  request<T>(method: string, url: string, body?: unknown, options?: { timeoutMs?: number }): Promise<T>
  /** Closes kept connections. The client may still be used afterwards. */
  close(): void
}

const DEFAULT_TIMEOUT_MS = 10_000
const LARGEST_ANSWER_BYTES = 64 * 1024 * 1024

/** JSON over HTTP on a Unix socket, as described in protocol.ts. Kept connections never hold a process up. */
export function socketClient(socketPath: string): SocketClient {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 2, timeout: 4000 })

  async function request<T>(
    method: string,
    url: string,
    body?: unknown,
    { timeoutMs = DEFAULT_TIMEOUT_MS }: { timeoutMs?: number } = {},
  ): Promise<T> {
    const call: Call = { agent, socketPath, method, url, timeoutMs, body }
    try {
      return parseAnswer(call, await exchange(call)) as T
    } catch (error) {
      if (!isLostConnection(error)) throw asOperatingError(call, error)
    }
    try {
      // Not on another kept connection: whoever has closed one has closed all.
      return parseAnswer(call, await exchange({ ...call, agent: false })) as T
    } catch (error) {
      throw asOperatingError(call, error)
    }
  }

  return { request, close: () => agent.destroy() }
}

interface Call {
  readonly agent: HttpAgent | false
  readonly socketPath: string
  readonly method: string
  readonly url: string
  readonly timeoutMs: number
  readonly body: unknown
}

interface Answer {
  readonly status: number
  readonly json: boolean
  readonly text: string
}

/** A kept connection that the other side had just closed. */
class LostConnection extends Error {}
const isLostConnection = (error: unknown): boolean => error instanceof LostConnection

function exchange({ agent, socketPath, method, url, timeoutMs, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers = payload === undefined ? {} : { 'content-type': 'application/json' }
    const request = httpRequest({ agent, socketPath, method, path: url, headers }, (response) => {
      collect(response).then(resolve, reject)
    })
    const deadline = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    request.on('error', (error: NodeJS.ErrnoException) => {
      const lost = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      reject(lost ? new LostConnection(error.message) : error)
    })
    request.on('close', () => clearTimeout(deadline))
    request.end(payload)
  })
}

async function collect(response: IncomingMessage): Promise<Answer> {
  let text = ''
  response.setEncoding('utf8')
  for await (const part of response) {
    text += part
    if (text.length > LARGEST_ANSWER_BYTES) throw new Error(`the answer is larger than ${LARGEST_ANSWER_BYTES} bytes`)
  }
  const json = /^application\/json\b/.test(response.headers['content-type'] ?? '')
  return { status: response.statusCode!, json, text }
}

function parseAnswer(call: Call, { status, json, text }: Answer): unknown {
  const value = text === '' ? undefined : json ? JSON.parse(text) : text
  if (status >= 200 && status < 300) return value
  const error = (value as Partial<ProtocolError> | undefined)?.error
  if (error && error.code in catalogue) {
    throw new OperatingError(error.code as ErrorCode, error.message, error.hint ?? null)
  }
  // A code of a newer version than ours, or no error of the protocol at all.
  throw failed(call, error ? `${error.code}: ${error.message}` : `status ${status}`)
}

function asOperatingError(call: Call, error: unknown): OperatingError {
  if (error instanceof OperatingError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new OperatingError(
      'PLATFORM_DOWN',
      `Nothing listens on ${call.socketPath}.`,
      'Start the embedded platform with: moodify up',
    )
  }
  return failed(call, message)
}

function failed(call: Call, reason: string): OperatingError {
  return new OperatingError(
    'PLATFORM_FAILED',
    `${call.method} ${call.url} on ${call.socketPath} failed: ${reason}.`,
    'See what runs with: moodify status',
  )
}
