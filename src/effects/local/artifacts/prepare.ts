import { createHash } from 'node:crypto'
import { existsSync, statSync, utimesSync } from 'node:fs'
import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArtifactSource, Revision } from '../../../domain/revision.ts'
import { invariant, OperatingError } from '../../../errors/catalogue.ts'
import { lock, readIfExists, tryLock, writeDurably } from '../durable.ts'
import type { StatePaths } from '../paths.ts'
import { adoptDetached, type DetachedProcess, shellCommand, startDetached, terminate } from '../processes/detached.ts'
import { git } from './git.ts'
import { treeDigest } from './resolve.ts'

// An artifact is a copy of a version's files in the state folder, built once, apart for each service and build
// command. It does not refer to the repository, so nothing done there can reach it.
//
//   <state>/artifacts/<key>/tree       the files; appears by a rename, so it is never half there
//   <state>/artifacts/<key>/build      start folder of the build, see processes/detached.ts
//   <state>/artifacts/<key>/build.log
//   <state>/artifacts/<key>/complete   written last
//
// The build runs detached: when the one who waits for it is killed, the next one waits for the same build. It runs
// where the files stay, because many builds write absolute paths into what they make.

const LAST_LINES = 20
const ABORT_GRACE_MS = 2000
const LATELY_MS = 3_600_000

/** Absolute folder in which replicas of this revision run. */
export function directoryOf(paths: StatePaths, revision: Revision): string {
  return join(folderOf(paths, revision), 'tree', revision.workload.directory)
}

/**
 * Makes the artifact of a revision ready to run. Does nothing when it is.
 *
 * @throws OperatingError BUILD_FAILED with the last lines of the build's output, CONFIG_INVALID when the version
 *         lacks the service's folder, PLATFORM_FAILED when the files cannot be had
 */
export async function prepareArtifact(paths: StatePaths, revision: Revision, signal: AbortSignal): Promise<void> {
  const folder = folderOf(paths, revision)
  const complete = join(folder, 'complete')
  const held = await lock(`${folder}.lock`, signal)
  try {
    if (existsSync(complete)) return void utimesSync(complete, new Date(), new Date())
    await build(paths, revision, signal)
    writeDurably(complete, revision.version)
  } finally {
    held.release()
  }
}

/**
 * Removes artifacts except those in use, the newest of each service, and what was prepared lately: a release
 * prepares an artifact some time before anything runs from it.
 *
 * @param keep   number of newest artifacts of each service
 * @param inUse  absolute folders in which something runs or shall run
 */
export async function pruneArtifacts(paths: StatePaths, keep: number, inUse: readonly string[]): Promise<void> {
  const root = join(paths.state, 'artifacts')
  const folders = (await readdir(root, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  const byService = Map.groupBy(folders, ({ name }) => serviceOf(name))
  const spare = [...byService.values()].flatMap((own) =>
    own
      .map(({ name }) => join(root, name))
      .toSorted((a, b) => lastUse(b) - lastUse(a))
      .slice(keep),
  )
  for (const folder of spare) {
    const used = inUse.some((directory) => directory.startsWith(`${folder}/`))
    if (!used && Date.now() - lastUse(folder) > LATELY_MS) await removeUnlessLocked(folder)
  }
}

function filesOf({ workload: { source } }: Revision): ArtifactSource {
  invariant(source.kind !== 'image', 'an image runs on a cluster, not on this machine')
  return source
}

function folderOf(paths: StatePaths, revision: Revision): string {
  const { service, workload } = revision
  const { build: command, directory } = workload
  const source = filesOf(revision)
  const pinned = source.kind === 'git' ? source.commit : source.digest
  const how = createHash('sha256')
    .update(JSON.stringify([command, directory]))
    .digest('hex')
  return join(paths.state, 'artifacts', `${pinned.slice(0, 12)}-${service}-${how.slice(0, 8)}`)
}

/** Of an artifact's folder name. */
function serviceOf(name: string): string {
  return name.slice(13, -9)
}

async function build(paths: StatePaths, revision: Revision, signal: AbortSignal): Promise<void> {
  const folder = folderOf(paths, revision)
  const earlier = await earlierBuild(folder)
  if (earlier && (await finish(earlier, signal)) === 0) return
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await copyFiles(filesOf(revision), folder, signal)
  const directory = directoryOf(paths, revision)
  if (!existsSync(directory)) throw lacksFolder(revision)
  if (revision.workload.build === null) return
  const log = join(folder, 'build.log')
  const started = await startDetached({
    folder: join(folder, 'build'),
    log,
    command: shellCommand(revision.workload.build),
    directory,
    env: { ...process.env, ...revision.workload.env, MOODIFY_VERSION: revision.version },
  })
  const code = await finish(started, signal)
  if (code !== 0) throw buildFailed(revision, code, log)
}

/** The build that somebody started who has died since; perhaps it still runs. */
async function earlierBuild(folder: string): Promise<DetachedProcess | null> {
  return existsSync(join(folder, 'build')) ? adoptDetached(join(folder, 'build')) : null
}

/** @returns its status; null when it was killed */
async function finish(building: DetachedProcess, signal: AbortSignal): Promise<number | null> {
  const abort = () => void terminate(building, ABORT_GRACE_MS)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  const { code } = await building.exited
  signal.removeEventListener('abort', abort)
  signal.throwIfAborted()
  return code
}

async function copyFiles(source: ArtifactSource, folder: string, signal: AbortSignal): Promise<void> {
  const unfinished = join(folder, 'tree.new')
  try {
    if (source.kind === 'git') await checkOut(source.repository, source.commit, folder, unfinished, signal)
    else await copyFolder(source.path, source.digest, unfinished)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof OperatingError) throw error
    const message = `The files of the version cannot be had: ${(error as Error).message.trim()}`
    throw new OperatingError('PLATFORM_FAILED', message, 'Repair that and deploy the version again.')
  }
  await rename(unfinished, join(folder, 'tree'))
}

/** Not `git worktree`, which leaves records in the repository, and not `git archive`, which leaves out `export-ignore`. */
async function checkOut(
  repository: string,
  commit: string,
  folder: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const index = join(folder, 'index')
  const options = { env: { GIT_INDEX_FILE: index }, signal }
  await mkdir(target)
  await git(repository, ['read-tree', commit], options)
  await git(repository, ['checkout-index', '--all', '--force', `--prefix=${target}/`], options)
  await rm(index)
}

async function copyFolder(path: string, digest: string, target: string): Promise<void> {
  await cp(path, target, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  if ((await treeDigest(target)) === digest) return
  throw new OperatingError(
    'PLATFORM_FAILED',
    `The folder ${path} has changed since the release was planned.`,
    'Deploy the version again, and leave its folder alone from then on.',
  )
}

function lastUse(folder: string): number {
  const complete = join(folder, 'complete')
  return statSync(existsSync(complete) ? complete : folder).mtimeMs
}

async function removeUnlessLocked(folder: string): Promise<void> {
  const held = tryLock(`${folder}.lock`)
  if (!held) return
  try {
    // The mark goes first: what is only partly removed must not look complete.
    await rm(join(folder, 'complete'), { force: true })
    await rm(folder, { recursive: true, force: true })
  } finally {
    held.release()
  }
}

function lacksFolder({ service, version, workload }: Revision): OperatingError {
  return new OperatingError(
    'CONFIG_INVALID',
    `Version ${version} has no folder ${workload.directory} for ${service}.`,
    `Correct services.${service}.directory in moodify.yaml.`,
  )
}

function buildFailed({ service, version }: Revision, code: number | null, log: string): OperatingError {
  const lines = (readIfExists(log) ?? '').trimEnd().split('\n').slice(-LAST_LINES)
  return new OperatingError(
    'BUILD_FAILED',
    `The build of ${service} ${version} ended with ${code === null ? 'a signal' : `status ${code}`}:\n${lines.join('\n')}`,
    `Its whole output is ${log}`,
  )
}
