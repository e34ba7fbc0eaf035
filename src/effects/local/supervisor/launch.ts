import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { OperatingError } from '../../../errors/catalogue.ts'
import { readIfExists, readJson } from '../durable.ts'
import { makeStateFolders, type StatePaths } from '../paths.ts'
import { withoutCoreFile } from '../processes/detached.ts'
import { isAlive, type ProcessIdentity, signalProcess } from '../processes/identity.ts'
import type { SupervisorSnapshot } from '../protocol.ts'
import { type SocketClient, socketClient } from '../socket-client.ts'

const STARTS_MS = 15_000
const MOST_STARTS = 3
const STOPS_MS = 10_000
const ANSWERS_MS = 5000
const LAST_LINES = 15
/** A command that has just copied its bundle may not have started anything from it yet. */
const BUNDLE_KEEP_MS = 10 * 60_000
/** Beside the bundles: the copy of Node that they were started with last. */
const NODE_NOTE = 'node'

export const supervisorLog = (paths: StatePaths): string => join(paths.state, 'supervisor.log')
/** Identity of the running supervisor, as JSON. */
export const supervisorPidFile = (paths: StatePaths): string => join(paths.state, 'supervisor.pid')

export interface LaunchOptions {
  readonly paths: StatePaths
  /** Absolute folder of moodify.yaml. */
  readonly root: string
  /** From `buildOf`. */
  readonly build: string
  /** How to start ourselves, from `prepareRuntime`. */
  readonly command: readonly string[]
}

/**
 * Makes sure that a supervisor of this build runs for this folder. One of another build is replaced; replicas do not
 * notice, and it replaces fronts and runners in its turn.
 *
 * @throws OperatingError PLATFORM_FAILED with the last lines of its log when it does not answer in time
 */
export async function ensureSupervisor(options: LaunchOptions): Promise<{ started: boolean }> {
  const client = socketClient(options.paths.supervisorSocket)
  try {
    // A front may start the one before again at the same moment.
    for (let starts = 0; ; starts++) {
      const running = await snapshotOf(client)
      if (running?.build === options.build || starts === MOST_STARTS) return { started: starts > 0 }
      if (running) await endSupervisor(options.paths)
      await startSupervisor(options, client)
    }
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
  const node = join(nodesFolder(paths), `node-${process.version}`)
  const copy = join(runtimeFolder(paths), bundleName(hashOf(bundle)))
  copyOnce(bundle, copy)
  const now = new Date()
  utimesSync(copy, now, now)
  if (!existsSync(node)) {
    copyOnce(process.execPath, node)
    chmodSync(node, 0o755)
  }
  utimesSync(node, now, now)
  writeFileSync(join(runtimeFolder(paths), NODE_NOTE), basename(node), { mode: 0o600 })
  return [runs(node) ? node : process.execPath, copy]
}

/** What tells one program from another: `0.1.0+3f2a9c0d1e5b`, its version and the hash of its bundle. */
export function buildOf(version: string, bundle: string): string {
  return `${version}+${hashOf(bundle)}`
}

/** Removes bundles that nothing runs from. @param builds  those in use */
export function pruneRuntime(paths: StatePaths, builds: ReadonlySet<string | null>): void {
  const folder = runtimeFolder(paths)
  if (!existsSync(folder)) return
  const used = new Set([...builds].map((build) => bundleName(build?.split('+').at(-1) ?? '')))
  for (const name of readdirSync(folder)) {
    const isYoung = Date.now() - statSync(join(folder, name)).mtimeMs < BUNDLE_KEEP_MS
    if (name !== NODE_NOTE && !used.has(name) && !isYoung) rmSync(join(folder, name), { force: true })
  }
}

/**
 * Removes copies of Node that no project of this user runs from: each notes which one it has started with. While one
 * has not noted anything, because it runs an older moodify, all stay.
 */
export function pruneNodes(paths: StatePaths): void {
  const projects = dirname(paths.state)
  const notes = readdirSync(projects)
    .map((project) => join(projects, project, 'runtime'))
    .filter((folder) => folder !== nodesFolder(paths) && existsSync(folder))
    .map((folder) => readIfExists(join(folder, NODE_NOTE)))
  if (notes.includes(null) || !existsSync(nodesFolder(paths))) return
  for (const name of readdirSync(nodesFolder(paths))) {
    const isYoung = Date.now() - statSync(join(nodesFolder(paths), name)).mtimeMs < BUNDLE_KEEP_MS
    if (!notes.includes(name) && !isYoung) rmSync(join(nodesFolder(paths), name), { force: true })
  }
}

/** Program and arguments of a supervisor. */
export function supervisorCommand(command: readonly string[], root: string): string[] {
  return [...command, 'internal', 'supervisor', '--root', root]
}

async function startSupervisor(options: LaunchOptions, client: SocketClient): Promise<void> {
  const { paths, root, command } = options
  makeStateFolders(paths)
  const log = openSync(supervisorLog(paths), 'a', 0o600)
  const [program, ...args] = withoutCoreFile(supervisorCommand(command, root))
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
    if (failure && !(await snapshotOf(client))) throw didNotStart(paths, failure)
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
    if (performance.now() > deadline) {
      // Without this a front would take it for killed by accident, and start it again.
      rmSync(supervisorPidFile(paths), { force: true })
      signalProcess(identity, 'SIGKILL')
    }
    await sleep(20)
  }
}

/** Of all projects. */
const nodesFolder = (paths: StatePaths): string => join(dirname(paths.state), 'runtime')
const runtimeFolder = (paths: StatePaths): string => join(paths.state, 'runtime')
const bundleName = (hash: string): string => `moodify-${hash}.mjs`

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 12)
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
