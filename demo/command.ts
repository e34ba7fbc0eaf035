// The program as a user runs it: a command, its lines as they come, its exit code.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const program = fileURLToPath(new URL('../bin/moodify.mjs', import.meta.url))

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly seconds: number
}

export interface Shell {
  /** Runs a command and shows its lines. */
  show(...args: string[]): Promise<Ran>
  /** Runs a command quietly. */
  ask(...args: string[]): Promise<Ran>
  json<T>(...args: string[]): Promise<T>
}

/** @param folder where the commands run; `say` gets each line */
export function shellIn(folder: string, env: NodeJS.ProcessEnv, say: (line: string) => void): Shell {
  const run = (args: readonly string[], shown: boolean): Promise<Ran> => {
    const started = performance.now()
    if (shown) say(`$ moodify ${args.join(' ')}`)
    const child = spawn(process.execPath, [program, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let pending = ''
    const take = (chunk: Buffer) => {
      pending += chunk
      const lines = pending.split('\n')
      pending = lines.pop()!
      if (shown) for (const line of lines) say(`  ${line}`)
    }
    child.stdout.on('data', (chunk) => {
      stdout += chunk
      take(chunk)
    })
    child.stderr.on('data', take)
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => resolve({ code: code ?? 1, stdout, seconds: (performance.now() - started) / 1000 }))
    })
  }
  return {
    show: (...args) => run(args, true),
    ask: (...args) => run(args, false),
    async json<T>(...args: string[]) {
      const { stdout } = await run([...args, '--json'], false)
      return JSON.parse(stdout) as T
    },
  }
}
