import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, constants, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { OperatingError } from '../../../errors/catalogue.ts'
import { readIfExists, readJson } from '../durable.ts'
import { makeStateFolders, type StatePaths } from '../paths.ts'
import { isAlive, type ProcessIdentity, signalProcess } from '../processes/identity.ts'
import type { SupervisorSnapshot } from '../protocol.ts'
import { type SocketClient, socketClient } from '../socket-client.ts'

const STARTS_MS = 15_000
const STOPS_MS = 10_000
const ANSWERS_MS = 5000
const LAST_LINES = 15

export const supervisorLog = (paths: StatePaths): string => join(paths.state, 'supervisor.log')
/** Identity of the running supervisor, as JSON. */
export const supervisorPidFile = (paths: StatePaths): string => join(paths.state, 'supervisor.pid')

export interface LaunchOptions {
  readonly paths: StatePaths
  /** Absolute folder of moodify.yaml. */
  readonly root: string
  readonly version: string
  /** How to start ourselves, from `prepareRuntime`. */
  readonly command: readonly string[]
}

/**
 * Makes sure that a supervisor of this version runs for this folder. One of another version is replaced; replicas,
 * front and runner do not notice.
 *
 * @throws OperatingError PLATFORM_FAILED with the last lines of its log when it does not answer in time
 */
export async function ensureSupervisor(options: LaunchOptions): Promise<{ started: boolean }> {
  const client = socketClient(options.paths.supervisorSocket)
  try {
    const running = await snapshotOf(client)
    if (running?.version === options.version) return { started: false }
    if (running) await endSupervisor(options.paths)
    await startSupervisor(options, client)
    return { started: true }
  } finally {
    client.close()
  }
}

/**
 * Copies Node and our bundle to where neither `npm ci` nor `git clean` reaches.
 *
 * @param bundle  absolute path of the built `moodify.mjs`
 * @returns how to start ourselves from there
 */
export function prepareRuntime(paths: StatePaths, bundle: string): string[] {
  makeStateFolders(paths)
  const content = readFileSync(bundle)
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 12)
  const node = join(dirname(paths.state), 'runtime', `node-${process.version}`)
  const copy = join(paths.state, 'runtime', `moodify-${hash}.mjs`)
  copyOnce(bundle, copy)
  if (!existsSync(node)) {
    copyOnce(process.execPath, node)
    chmodSync(node, 0o755)
  }
  return [runs(node) ? node : process.execPath, copy]
}

async function startSupervisor(options: LaunchOptions, client: SocketClient): Promise<void> {
  const { paths, root, command } = options
  makeStateFolders(paths)
  const log = openSync(supervisorLog(paths), 'a', 0o600)
  const [program, ...args] = [...command, 'internal', 'supervisor', '--root', root]
  const child = spawn(program!, args, { cwd: paths.state, detached: true, stdio: ['ignore', log, log] })
  let failure: string | null = null
  child.once('error', (error) => {
    failure = error.message
  })
  child.once('exit', (code, signal) => {
    failure = `it ended with ${signal ?? `status ${code}`}`
  })
  child.unref()
  const deadline = performance.now() + STARTS_MS
  while (!(await snapshotOf(client))) {
    if (failure) throw didNotStart(paths, failure)
    if (performance.now() > deadline) throw didNotStart(paths, `it does not answer after ${STARTS_MS} ms`)
    await sleep(30)
  }
}

async function snapshotOf(client: SocketClient): Promise<SupervisorSnapshot | null> {
  // One that hangs is not told from none here: the new one finds its lock held and says so.
  return client.request<SupervisorSnapshot>('GET', '/snapshot', undefined, { timeoutMs: ANSWERS_MS }).catch(() => null)
}

async function endSupervisor(paths: StatePaths): Promise<void> {
  const identity = readJson<ProcessIdentity>(supervisorPidFile(paths))
  if (!identity) return
  signalProcess(identity, 'SIGTERM')
  const deadline = performance.now() + STOPS_MS
  while (isAlive(identity)) {
    if (performance.now() > deadline) signalProcess(identity, 'SIGKILL')
    await sleep(20)
  }
}

function didNotStart(paths: StatePaths, reason: string): OperatingError {
  const lines = (readIfExists(supervisorLog(paths)) ?? '').trimEnd().split('\n').slice(-LAST_LINES)
  return new OperatingError(
    'PLATFORM_FAILED',
    `The embedded platform did not start: ${reason}.\n${lines.join('\n')}`,
    `Its whole log is ${supervisorLog(paths)}`,
  )
}

function copyOnce(from: string, to: string): void {
  if (existsSync(to)) return
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
  const temporary = `${to}.${process.pid}.new`
  copyFileSync(from, temporary, constants.COPYFILE_FICLONE)
  renameSync(temporary, to)
}

/** A Node that needs libraries beside it does not run from another folder. */
function runs(node: string): boolean {
  try {
    execFileSync(node, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
