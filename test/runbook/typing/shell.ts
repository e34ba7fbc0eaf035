// One shell into which commands are typed one after the other, as a person would, Ctrl-C included.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Answer {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** It did not end by itself within the deadline, and was ended. */
  readonly late: boolean
}

export interface TypeOptions {
  /** Ctrl-C after this long. */
  readonly interruptMs?: number
  readonly deadlineMs?: number
}

const DEADLINE_MS = 600_000

export class Shell {
  readonly #bash: ChildProcess
  readonly #folder: string
  #output = { stdout: '', stderr: '' }
  #ended = false
  #count = 0

  /**
   * @param folder     where it starts
   * @param scratch    for the files that hold what is typed
   * @param variables  its whole environment
   */
  constructor(folder: string, scratch: string, variables: NodeJS.ProcessEnv) {
    this.#folder = scratch
    this.#bash = spawn('bash', ['--noprofile', '--norc', '-s'], { cwd: folder, env: variables })
    for (const name of ['stdout', 'stderr'] as const) {
      this.#bash[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.#output[name] += text
      })
    }
    this.#bash.on('exit', () => {
      this.#ended = true
    })
    // Each command gets a process group, as in a terminal, so that Ctrl-C reaches it and not the shell; the
    // trap is what keeps a shell without a terminal from ending with it.
    this.#bash.stdin?.write('set -m; trap : INT\n')
  }

  async type(command: string, { interruptMs, deadlineMs = DEADLINE_MS }: TypeOptions = {}): Promise<Answer> {
    if (this.#ended) return { exitCode: -1, stdout: '', stderr: 'the shell has ended', late: false }
    this.#count += 1
    const mark = `-- typed ${this.#count} --`
    const file = join(this.#folder, `typed-${this.#count}.sh`)
    writeFileSync(file, `${command}\n`)
    this.#output = { stdout: '', stderr: '' }
    // Its input is empty: the rest of what is typed is not for the command. The marks stand on a line of their own:
    // Ctrl-C takes the rest of the command's line with it.
    const marks = `printf '\\n%s %d\\n' '${mark}' $?; printf '%s' '${mark}' >&2`
    this.#bash.stdin?.write(`eval "$(cat '${file}')" </dev/null\n${marks}\n`)
    const interrupt = interruptMs === undefined ? undefined : setTimeout(() => this.#signal('SIGINT'), interruptMs)
    let late = false
    const deadline = setTimeout(() => {
      late = true
      this.#signal('SIGKILL')
    }, deadlineMs)
    const isDone = () => this.#output.stdout.includes(mark) && this.#output.stderr.includes(mark)
    while (!isDone() && !this.#ended) await new Promise((resolve) => setTimeout(resolve, 20))
    clearTimeout(interrupt)
    clearTimeout(deadline)
    const [stdout = '', code = ''] = this.#output.stdout.split(`\n${mark} `)
    const exitCode = this.#ended ? (this.#bash.exitCode ?? -1) : Number.parseInt(code, 10)
    return { exitCode, stdout, stderr: this.#output.stderr.replace(mark, ''), late }
  }

  async close(): Promise<void> {
    if (this.#ended) return
    this.#signal('SIGKILL')
    this.#bash.stdin?.end('exit\n')
    await once(this.#bash, 'exit')
  }

  /** To the process groups of what the shell runs now. */
  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#bash
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean)
    for (const child of children) {
      try {
        process.kill(-Number(child), signal)
      } catch {
        // It has ended in the meantime.
      }
    }
  }
}
