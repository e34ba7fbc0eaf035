import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, type ProcessIdentity, signalGroup } from './identity.ts'

// Processes that outlive the one that started them, and can be found again by the next.
//
// Each runs under a small shell shim in a session of its own. The shim writes its id and start time before it
// starts the command, sends all output to a log file and writes the exit status to another. So nobody needs to
// hold a pipe or wait for a child: who comes later reads the files. All of one start is in one folder, which is
// made by whoever comes first, the shim or someone who decides that this start shall not happen any more.

export interface Launch {
  /** Of this start alone; must not exist yet. */
  readonly folder: string
  readonly log: string
  readonly command: readonly string[]
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
}

export interface Exit {
  /** 128 + signal for a command that a signal ended; null when the shim itself was killed. */
  readonly code: number | null
}

export interface DetachedProcess {
  /** Leader of the process group. */
  readonly identity: ProcessIdentity
  readonly exited: Promise<Exit>
  /** Monotonic milliseconds; of an adopted one, when it was adopted. */
  readonly since: number
  /** Sends a signal to the whole group; false when it is gone. */
  signal(signal: NodeJS.Signals): boolean
}

const POLL_MS = 100
/** The shim needs milliseconds between making its folder and writing its id. */
const SHIM_WRITES_MS = 5000
/** A signal that comes between a shell's fork and exec is lost in the child, which has the shell's trap until then. */
const COMMAND_STARTS_MS = 200

// What the shim writes is its owner's alone, what the command writes is as its owner has set; and no command leaves
// a core file, in which the values of its environment would stand.
//
// The shim leads the group and must outlive the command, so it catches signals; a trap, other than `ignore`, is
// reset for the command. The shell runs the trap only after the command has ended.
const SHIM = `
folder=$1 log=$2 mask=$(umask)
shift 2
umask 077
ulimit -c 0
mkdir "$folder" || exit 1
exec >>"$log" 2>&1
started() {
  if [ -r /proc/$$/stat ]; then
    read -r line </proc/$$/stat
    set -- \${line##*) }
    read -r boot </proc/sys/kernel/random/boot_id
    echo "$boot \${20}"
  else
    LC_ALL=C ps -o lstart= -p $$
  fi
}
echo "$$ $(started)" >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid" || exit 1
trap : TERM INT HUP
umask "$mask"
"$@"
status=$?
umask 077
echo $status >"$folder/exit.new" && mv "$folder/exit.new" "$folder/exit"
`

/** The command, leaving no core file when it is killed. */
export function withoutCoreFile(command: readonly string[]): string[] {
  return ['/bin/sh', '-c', 'ulimit -c 0; exec "$@"', 'moodify', ...command]
}

/** A line of shell as a command that ends with the status of what it runs when a signal comes, and starts nothing more. */
export function shellCommand(line: string): string[] {
  return ['/bin/sh', '-c', `trap 'exit $?' TERM INT HUP\n${line}`]
}

/** @throws Error when the shim could not write its id, such as on a full disk or with a folder that does not exist */
export async function startDetached(launch: Launch): Promise<DetachedProcess> {
  return (await start(launch, [])).started
}

/**
 * The same for a command that is Node, with a channel for messages and sockets between it and us, which the shim
 * passes through. The process outlives the channel.
 */
export function startLinked(launch: Launch): Promise<{ started: DetachedProcess; channel: ChildProcess }> {
  return start(launch, ['ipc'])
}

async function start(
  launch: Launch,
  more: readonly 'ipc'[],
): Promise<{ started: DetachedProcess; channel: ChildProcess }> {
  mkdirSync(dirname(launch.folder), { recursive: true, mode: 0o700 })
  const child = spawn('/bin/sh', ['-c', SHIM, 'moodify', launch.folder, launch.log, ...launch.command], {
    cwd: launch.directory,
    env: launch.env,
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', ...more],
  })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('exit', () => resolve())
    child.once('error', reject)
  })
  ended.catch(() => {})
  const identity = await identityOf(launch.folder, child)
  if (!identity) {
    await ended
    throw new Error(`the process did not start in ${launch.directory}`)
  }
  return { started: detached(launch.folder, identity, ended), channel: child }
}

/**
 * Finds a process that was started earlier, perhaps by another process, perhaps ended since.
 *
 * @returns null when it never started; it will not start after this call either
 */
export async function adoptDetached(folder: string): Promise<DetachedProcess | null> {
  if (claim(folder)) return null
  const identity = await identityOf(folder)
  return identity && detached(folder, identity, watchUntilGone(identity))
}

/** Whether the process of this start runs at this moment. */
export function isRunning(folder: string): boolean {
  const identity = readIdentity(folder)
  return identity !== null && isAlive(identity)
}

/** Sends SIGTERM, after `graceMs` SIGKILL, and waits until the process is gone. */
export async function terminate(running: DetachedProcess, graceMs: number): Promise<void> {
  const ageMs = performance.now() - running.since
  await Promise.race([running.exited, sleep(Math.max(0, COMMAND_STARTS_MS - ageMs))])
  running.signal('SIGTERM')
  const timer = setTimeout(() => running.signal('SIGKILL'), graceMs)
  await running.exited
  clearTimeout(timer)
}

function detached(folder: string, identity: ProcessIdentity, ended: Promise<void>): DetachedProcess {
  return {
    identity,
    since: performance.now(),
    exited: ended.then(() => ({ code: readExitCode(folder) })),
    signal: (signal) => signalGroup(identity, signal),
  }
}

function claim(folder: string): boolean {
  mkdirSync(dirname(folder), { recursive: true, mode: 0o700 })
  try {
    mkdirSync(folder)
    return true
  } catch {
    return false
  }
}

async function identityOf(folder: string, child?: ChildProcess): Promise<ProcessIdentity | null> {
  const deadline = performance.now() + SHIM_WRITES_MS
  for (;;) {
    const over = child ? hasEnded(child) : performance.now() > deadline
    const identity = readIdentity(folder)
    if (identity || over) return identity
    await sleep(5)
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

function readIdentity(folder: string): ProcessIdentity | null {
  const [, pid, started] = /^(\d+) (.+)\n/.exec(readIfThere(join(folder, 'pid'))) ?? []
  return pid ? { pid: Number(pid), started: started!.trim() } : null
}

function readExitCode(folder: string): number | null {
  const text = readIfThere(join(folder, 'exit'))
  return text === '' ? null : Number(text)
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

async function watchUntilGone(identity: ProcessIdentity): Promise<void> {
  while (isAlive(identity)) await sleep(POLL_MS)
}
