import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { OperatingError } from '../../errors/catalogue.ts'

// Everything that lives on after a command of this directory has ended. Outside the repository, so that
// `npm ci` and `git clean` cannot touch it; sockets in a short path, because a Unix socket's is limited to 107 bytes.

/** In the folder of an environment: what its runners have counted. */
export const RUNNER_METRICS_FILE = 'runner-metrics.json'

export interface StatePaths {
  /** First 12 hex digits of the hash of the project's folder. */
  readonly hash: string
  /** `$XDG_STATE_HOME/moodify/<hash>`, owner-only. */
  readonly state: string
  /** Short folder for sockets, owner-only. */
  readonly runtime: string
  readonly supervisorSocket: string
  frontSocket(environment: string): string
  journal(environment: string): string
}

/** @param root absolute folder of moodify.yaml */
export function statePaths(root: string, env: NodeJS.ProcessEnv = process.env): StatePaths {
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 12)
  const state = join(env['XDG_STATE_HOME'] || join(homedir(), '.local/state'), 'moodify', hash)
  const runtime =
    recordedRuntime(state) ?? join(env['XDG_RUNTIME_DIR'] || tmpdir(), `moodify-${process.getuid!()}-${hash}`)
  return {
    hash,
    state,
    runtime,
    supervisorSocket: join(runtime, 'supervisor.sock'),
    frontSocket: (environment) => join(runtime, `front-${environment}.sock`),
    journal: (environment) => join(state, 'environments', environment, 'journal.db'),
  }
}

/**
 * Makes the folders, readable by their owner only, and writes down where the sockets are.
 *
 * @throws OperatingError PLATFORM_FAILED when one of them is somebody else's
 */
export function makeStateFolders(paths: StatePaths): void {
  for (const folder of [paths.state, paths.runtime]) makeOwnFolder(folder)
  if (recordedRuntime(paths.state) !== paths.runtime)
    writeFileSync(join(paths.state, SOCKETS_FILE), paths.runtime, { mode: 0o600 })
}

/** In a temporary folder anybody can have been first: what we put there would be theirs to read and to replace. */
function makeOwnFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { uid, mode } = lstatSync(folder)
    if (uid !== process.getuid!()) throw new Error('it belongs to another user')
    if ((mode & 0o077) !== 0) chmodSync(folder, 0o700)
  } catch (error) {
    throw new OperatingError(
      'PLATFORM_FAILED',
      `The folder ${folder} cannot be used: ${(error as Error).message}.`,
      'Set XDG_STATE_HOME and XDG_RUNTIME_DIR to folders of your own.',
    )
  }
}

/** A shell of cron or sudo has other variables than the one that started the platform; both must find the sockets. */
const SOCKETS_FILE = 'sockets-folder'

function recordedRuntime(state: string): string | null {
  try {
    return readFileSync(join(state, SOCKETS_FILE), 'utf8')
  } catch {
    return null
  }
}
