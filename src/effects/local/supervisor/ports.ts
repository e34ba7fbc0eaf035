import { createServer } from 'node:net'
import { OperatingError } from '../../../errors/catalogue.ts'

const DEFAULT_RANGE = { first: 20_000, last: 29_999 }

/** Ports for replicas, from a range below the one that the system gives to outgoing connections. */
export class PortRange {
  readonly #first: number
  readonly #count: number
  readonly #used = new Set<number>()
  #next: number

  /**
   * @param range  such as `20000-20999`; from `MOODIFY_PORTS`
   * @param seed   where to begin, so that supervisors of several folders rarely try the same port
   * @throws OperatingError BAD_FLAG when the range makes no sense
   */
  constructor(range: string | undefined, seed: number) {
    const { first, last } = range ? parseRange(range) : DEFAULT_RANGE
    this.#first = first
    this.#count = last - first + 1
    this.#next = seed % this.#count
  }

  /**
   * Takes a port that nobody listens on.
   *
   * @param preferred  taken when it is still free
   * @throws OperatingError PLATFORM_FAILED when the whole range is in use
   */
  async take(preferred: number | null): Promise<number> {
    if (preferred !== null && (await this.#try(preferred))) return preferred
    for (let tried = 0; tried < this.#count; tried++) {
      const port = this.#first + this.#next
      this.#next = (this.#next + 1) % this.#count
      if (await this.#try(port)) return port
    }
    const last = this.#first + this.#count - 1
    throw new OperatingError(
      'PLATFORM_FAILED',
      `No port from ${this.#first} to ${last} is free for a replica.`,
      'Give another range in MOODIFY_PORTS, such as 30000-30999, and run: moodify down, then moodify up',
    )
  }

  /** Marks the port of a replica that runs already. */
  reserve(port: number): void {
    this.#used.add(port)
  }

  release(port: number): void {
    this.#used.delete(port)
  }

  async #try(port: number): Promise<boolean> {
    if (this.#used.has(port)) return false
    this.#used.add(port)
    if (await canListen('127.0.0.1', port)) return true
    this.#used.delete(port)
    return false
  }
}

export function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

export function portBusy(environment: string, host: string, port: number): OperatingError {
  return new OperatingError(
    'PORT_BUSY',
    `The front of ${environment} cannot listen on ${host}:${port}: another program does.`,
    `End that program, or change "listen" of ${environment} in moodify.yaml, and run: moodify up`,
  )
}

function parseRange(range: string): { first: number; last: number } {
  const [, first, last] = /^(\d+)-(\d+)$/.exec(range) ?? []
  if (!first || Number(first) < 1 || Number(last) > 65_535 || Number(first) > Number(last)) {
    throw new OperatingError('BAD_FLAG', `MOODIFY_PORTS is "${range}".`, 'Give a range such as 20000-20999.')
  }
  return { first: Number(first), last: Number(last) }
}
