// Runs hooks with `sh -c`.
//
// A hook may be half a migration, so nothing ends it but its own timeout or an abort: it runs in a process group of
// its own, and its output goes to a file and not into a pipe, which would end it with SIGPIPE once nobody reads.
// When the process that started it is killed, it goes on; whether it succeeded is then unknown, because its exit
// code is lost. The engine treats an intent without a result so.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { OperatingError } from '../../errors/catalogue.ts'
import type { HookRun, Hooks } from '../ports/messages.ts'
import { lastLines } from './output.ts'

/** What a hook may still do between SIGTERM and SIGKILL. */
const GRACE_MS = 5_000
const POLL_MS = 50
/** The end of the output that is looked at. */
const TAIL_BYTES = 64 * 1024

export interface ShellHooksOptions {
  /** Absolute folder in which hooks run. */
  readonly directory: string
  readonly env?: NodeJS.ProcessEnv
  readonly graceMs?: number
}

/**
 * Resolves with the exit code, also when it is not 0; a hook that a signal ended has 128 and the signal's number.
 * What a hook leaves running in the background after a normal end is left alone.
 *
 * @throws OperatingError HOOK_FAILED when it cannot be started, or its time is over (its whole group is ended)
 * @throws the signal's reason when aborted (its whole group is ended)
 */
export function shellHooks({ directory, env = process.env, graceMs = GRACE_MS }: ShellHooksOptions): Hooks {
  return {
    async run(hook, signal) {
      signal.throwIfAborted()
      const variables = { ...env, ...contextVariables(hook.context) }
      const output = openOutput()
      try {
        const options = { cwd: directory, env: variables, detached: true }
        const child = spawn('sh', ['-c', hook.command], { ...options, stdio: ['ignore', output, output] })
        const end = await ended(child, hook, { signal, graceMs })
        const lines = lastLines(tailOf(output), variables)
        if (end.kind === 'aborted') throw signal.reason
        if (end.kind === 'timeout') throw tookTooLong(hook, lines)
        return { exitCode: end.exitCode, lastLines: lines }
      } finally {
        closeSync(output)
      }
    },
  }
}

/** `fromVersion` becomes MOODIFY_FROM_VERSION. */
function contextVariables(context: HookRun['context']): Record<string, string> {
  const variableOf = (name: string) => `MOODIFY_${name.replace(/(?<=[a-z\d])(?=[A-Z])|-/g, '_').toUpperCase()}`
  return Object.fromEntries(Object.entries(context).map(([name, value]) => [variableOf(name), value]))
}

type End =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'aborted' }

interface EndOptions {
  readonly signal: AbortSignal
  readonly graceMs: number
}

async function ended(child: ChildProcess, hook: HookRun, { signal, graceMs }: EndOptions): Promise<End> {
  const over = new AbortController()
  const exit = exitOf(child, hook)
  const cutShort = setTimeout(hook.timeoutMs, 'timeout' as const, { signal: AbortSignal.any([signal, over.signal]) })
  try {
    const end = await Promise.race([exit, cutShort.catch(() => 'aborted' as const)])
    if (typeof end === 'object') return end
    await endGroup(child.pid!, graceMs)
    await exit
    return { kind: end }
  } finally {
    over.abort()
  }
}

function exitOf(child: ChildProcess, hook: HookRun): Promise<End> {
  return new Promise((resolve, reject) => {
    child.on('exit', (code, endedBy) => resolve({ kind: 'exited', exitCode: exitCodeOf(code, endedBy) }))
    child.on('error', (error: NodeJS.ErrnoException) => {
      const why = `the hook ${hook.name} could not be started (${error.code ?? error.message})`
      reject(new OperatingError('HOOK_FAILED', why, 'check that its folder exists and sh is installed'))
    })
  })
}

function exitCodeOf(code: number | null, endedBy: NodeJS.Signals | null): number {
  return code ?? 128 + (endedBy ? constants.signals[endedBy] : 0)
}

/** The shell may be gone long before what it started has cleaned up, so it is the group that is waited for. */
async function endGroup(group: number, graceMs: number): Promise<void> {
  const deadline = performance.now() + graceMs
  let alive = signalGroup(group, 'SIGTERM')
  while (alive && performance.now() < deadline) {
    await setTimeout(POLL_MS)
    alive = signalGroup(group, 0)
  }
  if (alive) signalGroup(group, 'SIGKILL')
}

/** @returns whether anything of the group was there to get the signal; 0 only asks */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

function tookTooLong(hook: HookRun, lines: string): OperatingError {
  const said = lines === '' ? 'it printed nothing' : `its last lines:\n${lines}`
  const message = `the hook ${hook.name} took longer than ${hook.timeoutMs / 1000} s and was ended; ${said}`
  return new OperatingError('HOOK_FAILED', message, `raise hooks.${hook.name}.timeout, or make the command faster`)
}

/** A file without a name: nothing is left behind, whatever ends us. */
function openOutput(): number {
  const folder = mkdtempSync(join(tmpdir(), 'moodify-hook-'))
  try {
    return openSync(join(folder, 'output'), 'ax+', 0o600)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function tailOf(output: number): string {
  const { size } = fstatSync(output)
  const length = Math.min(size, TAIL_BYTES)
  const buffer = Buffer.alloc(length)
  readSync(output, buffer, 0, length, size - length)
  const text = buffer.toString('utf8')
  // A line that was cut could show the end of a secret that is no longer recognised.
  return size > length ? text.slice(text.indexOf('\n') + 1) : text
}
