// Runs a service of the sample application as a process of its own and talks to it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const appFolder = fileURLToPath(new URL('../../examples/moodify', import.meta.url))

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly [field: string]: unknown
}

export interface Service {
  readonly url: string
  readonly port: number
  readonly process: ChildProcess
  /** Everything logged so far. */
  readonly lines: readonly LogLine[]
  logged(message: string, fields?: Record<string, unknown>): Promise<LogLine>
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>
  kill(): void
}

const DEADLINE_MS = 20_000

export async function startService(
  name: 'backend' | 'frontend',
  { root = appFolder, env = {} }: { root?: string; env?: Record<string, string> } = {},
): Promise<Service> {
  const child = spawn(process.execPath, ['server.mjs'], {
    cwd: `${root}/${name}`,
    env: { PATH: process.env['PATH'], PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: LogLine[] = []
  const reader = createInterface({ input: child.stdout! })
  reader.on('line', (line) => lines.push(JSON.parse(line)))
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const logged = (message: string, fields: Record<string, unknown> = {}) =>
    until(`the log line "${message}"`, () =>
      lines.find(
        (line) => line.message === message && Object.entries(fields).every(([key, value]) => line[key] === value),
      ),
    )
  const kill = () => void child.kill('SIGKILL')
  try {
    const port = Number((await logged('listening'))['port'])
    return { url: `http://127.0.0.1:${port}`, port, process: child, lines, logged, exited, kill }
  } catch (error) {
    kill()
    throw error
  }
}

/** Waits until `look` finds something; the deadline is only for a broken test. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS
  while (performance.now() < deadline) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`waited ${DEADLINE_MS} ms for ${what}`)
}
