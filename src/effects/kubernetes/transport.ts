// Requests to an API server: kept connections, a limit on how many a second, and patience where an answer says "later".
import type { IncomingMessage } from 'node:http'
import type { RequestOptions as HttpsOptions } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, ApiUnreachable } from './api.ts'
import type { ConnectOptions, Credentials } from './connect-options.ts'
import { loadCredentials } from './credentials.ts'

// Without `import`: see the embedded platform's http.ts.
const { Agent: HttpAgent, request: httpRequest } = process.getBuiltinModule('node:http')
const { Agent: HttpsAgent, request: httpsRequest } = process.getBuiltinModule('node:https')

/** Requests a second that we allow ourselves, and how many at once after a pause. */
const REQUESTS_PER_SECOND = 40
const BURST = 80
const TIMEOUT_MS = 15_000
const KEEP_ALIVE = { keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 8 }
/** Pauses before a request is made again; how many there are is how often. */
const PAUSES_MS = [100, 300, 900, 2000]
const LONGEST_PAUSE_MS = 10_000

export interface Ask {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** For the whole exchange; of a stream, for its head. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface Transport {
  /** Any answer resolves. @throws ApiUnreachable */
  exchange(ask: Ask): Promise<Answer>
  /** The same, made again a few times where that is harmless: after 429 always, after 5xx or no answer when it only reads. */
  patiently(ask: Ask): Promise<Answer>
  /** The answer as it comes, and a signal-driven end. */
  stream(ask: Ask): Promise<{ readonly status: number; readonly chunks: AsyncIterable<Buffer> }>
  credentials(): Promise<Credentials>
  close(): void
}

export function createTransport(options: ConnectOptions): Transport {
  let loading: Promise<Credentials> | null = null
  const credentials = () => {
    // A kubeconfig that is mended while we run is read again.
    loading ??= loadCredentials(options).catch((error: unknown) => {
      loading = null
      throw error
    })
    return loading
  }
  const secure = new HttpsAgent(KEEP_ALIVE)
  const plain = new HttpAgent(KEEP_ALIVE)
  const turn = turns(REQUESTS_PER_SECOND, BURST)

  async function open(ask: Ask, signal: AbortSignal): Promise<IncomingMessage> {
    const { server, agent, apply } = await credentials()
    const { agent: _, ...identity } = await apply()
    await turn(signal)
    const isSecure = server.protocol === 'https:'
    const base = server.pathname.replace(/\/$/, '')
    const target: HttpsOptions = {
      ...identity,
      protocol: server.protocol,
      hostname: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port || (isSecure ? 443 : 80),
      path: `${base}${ask.path}`,
      method: ask.method,
      headers: { 'user-agent': 'moodify', ...identity.headers, ...lengthOf(ask.body), ...ask.headers },
      agent: agent ?? (isSecure ? secure : (plain as never)),
      signal,
    }
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const sent = (isSecure ? httpsRequest : httpRequest)(target)
    sent.on('error', reject)
    sent.on('response', resolve)
    sent.end(ask.body)
    return promise
  }

  async function exchange(ask: Ask): Promise<Answer> {
    const timeoutMs = ask.timeoutMs ?? TIMEOUT_MS
    await credentials()
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = ask.signal ? AbortSignal.any([ask.signal, timeout]) : timeout
    try {
      const answer = await open(ask, signal)
      const chunks: Buffer[] = []
      for await (const chunk of answer) chunks.push(chunk as Buffer)
      return { status: answer.statusCode ?? 0, headers: headersOf(answer), body: Buffer.concat(chunks).toString() }
    } catch (error) {
      ask.signal?.throwIfAborted()
      throw unreachable(error, timeout.aborted ? `no answer in ${timeoutMs / 1000} s` : null)
    }
  }

  return {
    exchange,

    async patiently(ask) {
      const reads = ask.method === 'GET'
      for (const pauseMs of PAUSES_MS) {
        try {
          const answer = await exchange(ask)
          if (answer.status !== 429 && !(reads && answer.status >= 500)) return answer
          await pause(Math.max(pauseMs, retryAfterMs(answer)), ask.signal)
        } catch (error) {
          if (!reads || !(error instanceof ApiUnreachable)) throw error
          await pause(pauseMs, ask.signal)
        }
      }
      return exchange(ask)
    },

    async stream(ask) {
      const head = new AbortController()
      const timer = setTimeout(() => head.abort(), ask.timeoutMs ?? TIMEOUT_MS)
      const signal = ask.signal ? AbortSignal.any([ask.signal, head.signal]) : head.signal
      try {
        const answer = await open(ask, signal)
        return { status: answer.statusCode ?? 0, chunks: chunksOf(answer) }
      } catch (error) {
        ask.signal?.throwIfAborted()
        throw unreachable(error, head.signal.aborted ? 'no answer in time' : null)
      } finally {
        clearTimeout(timer)
      }
    },

    credentials,

    close() {
      secure.destroy()
      plain.destroy()
    },
  }
}

async function* chunksOf(answer: IncomingMessage): AsyncIterable<Buffer> {
  try {
    for await (const chunk of answer) yield chunk as Buffer
  } catch (error) {
    throw unreachable(error, null)
  }
}

function unreachable(error: unknown, because: string | null): unknown {
  const { code, name, message } = error as NodeJS.ErrnoException
  const isNetwork = code !== undefined || name === 'AbortError' || name === 'TimeoutError'
  if (!isNetwork || name === 'OperatingError') return error
  return new ApiUnreachable(`the API server does not answer: ${because ?? message}`, { cause: error })
}

function lengthOf(body: string | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
}

function headersOf(answer: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]))
}

function retryAfterMs({ headers }: Answer): number {
  const seconds = Number(headers['retry-after'] ?? 0)
  return Number.isFinite(seconds) ? Math.min(seconds * 1000, LONGEST_PAUSE_MS) : 0
}

/** Not all at once when many were told to wait. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms * (0.8 + 0.4 * Math.random()), undefined, signal ? { signal } : {})
}

/** A token bucket: resolves when it is the caller's turn. */
function turns(perSecond: number, burst: number): (signal: AbortSignal) => Promise<void> {
  let tokens = burst
  let filledAtMs = performance.now()
  return async (signal) => {
    const nowMs = performance.now()
    tokens = Math.min(burst, tokens + ((nowMs - filledAtMs) / 1000) * perSecond)
    filledAtMs = nowMs
    tokens -= 1
    if (tokens < 0) await sleep((-tokens / perSecond) * 1000, undefined, { signal })
  }
}
