// Users of a gateway who count everything: kept connections, a steady rate, and no request is ever sent twice.
import { Agent, request } from 'node:http'

export interface UsersOptions {
  readonly host?: string
  readonly port: number
  readonly hostHeader: string
  readonly requestsPerSecond?: number
  readonly connections?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Every request on a connection of its own. */
  readonly short?: boolean
}

/** Answers per version, as the answering pod names it; `none` where no pod has answered. */
export type Versions = Readonly<Record<string, number>>

export interface Users extends AsyncDisposable {
  /** Sends this many more requests and says who answered those that were sent after this call. */
  next(requests: number): Promise<Versions>
  readonly requests: number
  /** Who answered, of all requests ever sent. */
  readonly versions: Versions
  /** Answers that were not 200, and transport errors, by what they were: of all requests ever sent. */
  readonly failures: Readonly<Record<string, number>>
}

const TIMEOUT_MS = 20_000

export function startUsers(options: UsersOptions): Users {
  const { host = '127.0.0.1', port, hostHeader, requestsPerSecond = 200, connections = 8, headers = {} } = options
  const keepAlive = !options.short
  const agents = Array.from({ length: connections }, () => new Agent({ keepAlive, maxSockets: 1 }))
  const pauseMs = (1000 * connections) / requestsPerSecond
  let stopped = false
  let count = 0
  const failures: Record<string, number> = {}
  const versions: Record<string, number> = {}
  let stretch = newStretch(Number.POSITIVE_INFINITY)

  const ask = (agent: Agent) =>
    new Promise<void>((resolve) => {
      const mine = stretch
      const done = (version: string, failure: string | null) => {
        count++
        if (failure) failures[failure] = (failures[failure] ?? 0) + 1
        versions[version] = (versions[version] ?? 0) + 1
        mine.take(version)
        resolve()
      }
      const sent = request({ host, port, path: '/', agent, headers: { ...headers, host: hostHeader } }, (answer) => {
        const version = String(answer.headers['x-version'] ?? 'none')
        answer.on('end', () => done(version, answer.statusCode === 200 ? null : String(answer.statusCode)))
        answer.on('error', (error) => done(version, error.message))
        answer.resume()
      })
      sent.setTimeout(TIMEOUT_MS, () => sent.destroy(new Error('no answer in time')))
      sent.on('error', (error) => done('none', error.message))
      sent.end()
    })

  const user = async (agent: Agent) => {
    while (!stopped) {
      const startedMs = performance.now()
      await ask(agent)
      const restMs = Math.max(0, pauseMs - (performance.now() - startedMs))
      await new Promise((resolve) => setTimeout(resolve, restMs))
    }
  }
  const running = agents.map(user)

  return {
    next(requests) {
      stretch = newStretch(requests)
      return stretch.whole
    },
    get requests() {
      return count
    },
    versions,
    failures,
    async [Symbol.asyncDispose]() {
      stopped = true
      await Promise.all(running)
      for (const agent of agents) agent.destroy()
    },
  }
}

function newStretch(requests: number) {
  const versions: Record<string, number> = {}
  const { promise, resolve } = Promise.withResolvers<Versions>()
  let taken = 0
  return {
    whole: promise,
    take(version: string) {
      versions[version] = (versions[version] ?? 0) + 1
      if (++taken >= requests) resolve({ ...versions })
    },
  }
}
