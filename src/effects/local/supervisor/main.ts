import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { OperatingError } from '../../../errors/catalogue.ts'
import { type FileLock, lock, readJson, tryLock, writeDurably } from '../durable.ts'
import { makeStateFolders, type StatePaths, statePaths } from '../paths.ts'
import { type ProcessIdentity, startedOf } from '../processes/identity.ts'
import { socketClient } from '../socket-client.ts'
import { serveOnSocket } from '../socket-server.ts'
import { supervisorPidFile } from './launch.ts'
import { PortRange } from './ports.ts'
import { StateStore } from './state.ts'
import { Supervisor } from './supervisor.ts'
import { defaultTuning, type Tuning } from './tuning.ts'

// The supervisor of one folder: it keeps replicas, fronts and runners alive. It may die at any moment; none of
// them notices, and the next one finds them again.

/** A supervisor that no longer answers needs no longer than this to end. */
const ENDS_MS = 5000

export interface SupervisorOptions {
  readonly paths: StatePaths
  /** Absolute folder of moodify.yaml. */
  readonly root: string
  readonly version: string
  /** From `buildOf`. */
  readonly build: string
  /** How to start ourselves, such as `[node, moodify.mjs]`. */
  readonly command: readonly string[]
  readonly tuning?: Partial<Tuning>
}

/**
 * Runs until `POST /down` has ended everything, or SIGTERM ends the supervisor alone.
 *
 * `MOODIFY_PORTS=20000-20999` gives the ports of replicas. `MOODIFY_UNSAFE_NO_DRAIN=1` ends replicas without the
 * drain rule and so drops requests; it exists for the control of the test that counts dropped requests.
 *
 * @throws OperatingError REFUSED when another supervisor of this folder runs
 */
export async function runSupervisor(options: SupervisorOptions): Promise<void> {
  const { paths, root, version, build, command, tuning } = options
  makeStateFolders(paths)
  const held = await lockFolder(paths)
  const identity: ProcessIdentity = { pid: process.pid, started: startedOf(process.pid)! }
  try {
    writeDurably(supervisorPidFile(paths), JSON.stringify(identity))
  } catch (error) {
    // A full disk is no reason for replicas to have no supervisor; only, nobody would see that this one was killed.
    console.error(`The supervisor could not note who it is: ${(error as Error).message}`)
  }
  const supervisor = new Supervisor(
    {
      paths,
      root,
      command,
      build,
      store: new StateStore(paths.state),
      ports: new PortRange(process.env['MOODIFY_PORTS'], Number.parseInt(paths.hash.slice(0, 8), 16)),
      tuning: { ...defaultTuning, ...tuning },
      say: (line) => console.log(`${new Date().toISOString()} ${line}`),
    },
    version,
  )
  const server = await serveOnSocket(paths.supervisorSocket, supervisor.routes)
  const terminated = Promise.withResolvers<void>()
  process.once('SIGTERM', terminated.resolve)
  await Promise.race([supervisor.isDown, terminated.promise])
  await server.close()
  rmSync(supervisorPidFile(paths), { force: true })
  held.release()
  process.exit(0)
}

/** Arguments of the hidden command `internal supervisor`. */
export function supervisorFromArguments(argv: readonly string[]): Pick<SupervisorOptions, 'paths' | 'root'> {
  const { values } = parseArgs({ args: [...argv], options: { root: { type: 'string' } } })
  if (!values.root) throw new OperatingError('BAD_FLAG', 'A supervisor needs --root.')
  return { paths: statePaths(values.root), root: values.root }
}

/** @throws OperatingError REFUSED when another supervisor runs; one that is just ending is waited for */
async function lockFolder(paths: StatePaths): Promise<FileLock> {
  const file = join(paths.state, 'supervisor.lock')
  const held = tryLock(file)
  if (held) return held
  const wait = (await isServed(paths.supervisorSocket)) ? AbortSignal.abort() : AbortSignal.timeout(ENDS_MS)
  return lock(file, wait).catch(() => {
    throw alreadyRuns(paths)
  })
}

async function isServed(socketPath: string): Promise<boolean> {
  const client = socketClient(socketPath)
  const served = await client.request('GET', '/snapshot').then(
    () => true,
    () => false,
  )
  client.close()
  return served
}

function alreadyRuns(paths: StatePaths): OperatingError {
  const running = readJson<ProcessIdentity>(supervisorPidFile(paths))
  return new OperatingError(
    'REFUSED',
    `A supervisor of this folder runs already${running ? ` (pid ${running.pid})` : ''}.`,
    'See what runs with: moodify status',
  )
}
