import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { ArtifactsConfig, Config, ServiceConfig } from '../../src/config/config.ts'
import type { Revision } from '../../src/domain/revision.ts'
import {
  directoryOf,
  knownVersions,
  makeRevision,
  prepareArtifact,
  pruneArtifacts,
  resolveVersion,
} from '../../src/effects/local/artifacts.ts'
import { statePaths } from '../../src/effects/local/paths.ts'
import { until } from '../supervisor/platform.ts'

const probe = { path: '/', periodMs: 1000, timeoutMs: 1000, failureThreshold: 3, successThreshold: 1 }
const never = new AbortController().signal

/** A project in a git repository with tags v1.0.0, v1.1.0 and v2.0.0, or in releases/ with the same names. */
function project(artifacts: ArtifactsConfig = { from: 'git', keep: 2 }, subfolder = '.') {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'moodify-')))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const repository = join(folder, 'project')
  const root = join(repository, subfolder)
  mkdirSync(join(root, 'app'), { recursive: true })
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', repository, '-c', 'user.name=Ana', '-c', 'user.email=ana@example.org', ...args], {
      encoding: 'utf8',
    }).trim()
  const commits: Record<string, string> = {}
  if (artifacts.from === 'git') git('init', '--quiet', '--initial-branch=main')
  for (const version of ['v1.0.0', 'v1.1.0', 'v2.0.0']) {
    const target = artifacts.from === 'git' ? join(root, 'app') : join(root, 'releases', version, 'app')
    mkdirSync(target, { recursive: true })
    writeFileSync(join(target, 'version'), version)
    if (artifacts.from !== 'git') continue
    git('add', '.')
    git('commit', '--quiet', '--message', version)
    git('tag', version)
    commits[version] = git('rev-parse', 'HEAD')
  }
  const config = { root, file: join(root, 'moodify.yaml'), artifacts } as Config
  return { root, repository, config, commits, git, paths: statePaths(root, { XDG_STATE_HOME: join(folder, 'state') }) }
}

function service(change: Partial<ServiceConfig> = {}): ServiceConfig {
  return {
    name: 'backend',
    directory: 'app',
    build: null,
    start: 'node server.mjs',
    container: { image: 'backend', port: 8000, metricsPath: '/metrics' },
    replicas: 1,
    path: '/',
    stripPath: false,
    affinity: null,
    env: { LEVEL: 'info' },
    envFile: null,
    probes: { startup: probe, ready: probe, live: probe },
    graceMs: 1000,
    drainMs: 1000,
    memoryLimitMb: null,
    smoke: [],
    ...change,
  }
}

async function revisionOf(
  { config, paths }: ReturnType<typeof project>,
  version: string,
  change: Partial<ServiceConfig> = {},
): Promise<Revision> {
  const { source } = await resolveVersion(config, version)
  return makeRevision(config, service(change), source, version, paths)
}

test('versions: a tag, a branch and a commit are pinned to the full commit', async () => {
  const { config, commits, repository } = project()
  const source = (commit: string) => ({ kind: 'git', repository, commit })
  expect((await resolveVersion(config, 'v1.1.0')).source).toEqual(source(commits['v1.1.0']!))
  expect((await resolveVersion(config, 'main')).source).toEqual(source(commits['v2.0.0']!))
  expect((await resolveVersion(config, commits['v1.0.0']!.slice(0, 10))).source).toEqual(source(commits['v1.0.0']!))
})

test('versions: an unknown one is refused with the three nearest names', async () => {
  const { config } = project()
  await expect(resolveVersion(config, 'v1.0.1')).rejects.toMatchObject({
    code: 'UNKNOWN_VERSION',
    hint: 'Did you mean v1.0.0, v1.1.0, v2.0.0?',
  })
})

test('versions: a name that git or a path would give a meaning to is no version', async () => {
  const inGit = project()
  const inFolders = project({ from: 'directory', pattern: 'releases/{version}', keep: 2 })
  for (const name of [
    '--output=x',
    '-h',
    'v1.0.0~1',
    'HEAD^',
    'v1.0.0..main',
    '@{-1}',
    ':/v1',
    '',
    '../app',
    'a/../..',
    'v1.0.0;id',
    'v1 0',
  ]) {
    for (const { config } of [inGit, inFolders]) {
      await expect(resolveVersion(config, name), name).rejects.toMatchObject({ code: 'UNKNOWN_VERSION' })
    }
  }
})

test('versions: folders of a pattern are known by their names and pinned to their content', async () => {
  const { config, root } = project({ from: 'directory', pattern: 'releases/{version}/app', keep: 2 })
  expect((await knownVersions(config)).toSorted()).toEqual(['v1.0.0', 'v1.1.0', 'v2.0.0'])
  const first = await resolveVersion(config, 'v1.0.0')
  expect(first.source).toMatchObject({ kind: 'directory', path: join(root, 'releases/v1.0.0/app') })
  expect(await resolveVersion(config, 'v1.0.0')).toEqual(first)
  chmodSync(join(root, 'releases/v1.0.0/app/version'), 0o755)
  const executable = await resolveVersion(config, 'v1.0.0')
  expect(executable.source).not.toEqual(first.source)
  writeFileSync(join(root, 'releases/v1.0.0/app/version'), 'changed')
  expect((await resolveVersion(config, 'v1.0.0')).source).not.toEqual(executable.source)
})

test('versions: without a repository the message says what to do', async () => {
  const { config, repository } = project()
  rmSync(join(repository, '.git'), { recursive: true })
  await expect(resolveVersion(config, 'v1.0.0')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('revisions: the id covers artifact, configuration and the values of the environment file, and shows none', async () => {
  const at = project()
  const envFile = join(at.root, 'secrets.env')
  writeFileSync(envFile, 'TOKEN=a\n')
  const first = await revisionOf(at, 'v1.0.0', { envFile: 'secrets.env' })
  expect(first.id).toMatch(/^[0-9a-f]{12}$/)
  expect(first.workload.envFile).toBe(envFile)
  expect(JSON.stringify(first)).not.toContain('TOKEN')
  expect(await revisionOf(at, 'v1.0.0', { envFile: 'secrets.env' })).toEqual(first)
  writeFileSync(envFile, 'TOKEN=b\n')
  const ids = [
    first.id,
    (await revisionOf(at, 'v1.0.0', { envFile: 'secrets.env' })).id,
    (await revisionOf(at, 'v1.0.0')).id,
    (await revisionOf(at, 'v1.1.0')).id,
    (await revisionOf(at, 'v1.0.0', { env: { LEVEL: 'debug' } })).id,
    (await revisionOf(at, 'v1.0.0', { name: 'frontend' })).id,
  ]
  expect(new Set(ids).size).toBe(ids.length)
  expect(statSync(join(at.paths.state, 'revision-key')).mode & 0o777).toBe(0o600)
})

test('revisions: an environment file that is not there is refused', async () => {
  await expect(revisionOf(project(), 'v1.0.0', { envFile: 'none.env' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  })
})

test('artifacts: a version is built once, from its own commit, and needs the repository no more', async () => {
  const at = project()
  const revision = await revisionOf(at, 'v1.0.0', { build: 'echo "$MOODIFY_VERSION $LEVEL" >>built' })
  await prepareArtifact(at.paths, revision, never)
  rmSync(join(at.repository, '.git'), { recursive: true })
  await prepareArtifact(at.paths, revision, never)
  const directory = directoryOf(at.paths, revision)
  expect(readFileSync(join(directory, 'version'), 'utf8')).toBe('v1.0.0')
  expect(readFileSync(join(directory, 'built'), 'utf8')).toBe('v1.0.0 info\n')
  expect(directory.startsWith(at.paths.state)).toBe(true)
})

test('artifacts: nothing is left in the repository', async () => {
  const at = project()
  await prepareArtifact(at.paths, await revisionOf(at, 'v1.0.0', { build: 'echo x >x' }), never)
  expect(at.git('status', '--porcelain')).toBe('')
  expect(at.git('worktree', 'list').split('\n')).toHaveLength(1)
})

test('artifacts: moodify.yaml may be in a folder of the repository', async () => {
  const at = project({ from: 'git', keep: 2 }, 'services/shop')
  const revision = await revisionOf(at, 'v1.1.0')
  expect(revision.workload.directory).toBe('services/shop/app')
  await prepareArtifact(at.paths, revision, never)
  expect(readFileSync(join(directoryOf(at.paths, revision), 'version'), 'utf8')).toBe('v1.1.0')
})

test('artifacts: a folder of a release is copied, links and all, and refused once it has changed', async () => {
  const at = project({ from: 'directory', pattern: 'releases/{version}', keep: 2 })
  symlinkSync('version', join(at.root, 'releases/v1.0.0/app/link'))
  const revision = await revisionOf(at, 'v1.0.0')
  const other = await revisionOf(at, 'v1.1.0')
  await prepareArtifact(at.paths, revision, never)
  expect(readFileSync(join(directoryOf(at.paths, revision), 'link'), 'utf8')).toBe('v1.0.0')
  writeFileSync(join(at.root, 'releases/v1.1.0/app/version'), 'changed')
  await expect(prepareArtifact(at.paths, other, never)).rejects.toMatchObject({
    code: 'PLATFORM_FAILED',
    message: expect.stringContaining('has changed since the release was planned'),
  })
})

test('artifacts: a build that fails says so with its last lines, and is tried again from the start', async () => {
  const at = project()
  const allowed = join(at.root, 'allowed')
  const build = `echo one >>trace; echo "it is broken" >&2; test -e ${allowed}`
  const revision = await revisionOf(at, 'v1.0.0', { build })
  await expect(prepareArtifact(at.paths, revision, never)).rejects.toMatchObject({
    code: 'BUILD_FAILED',
    message: expect.stringMatching(/backend v1\.0\.0 ended with status 1:\nit is broken$/),
    hint: expect.stringContaining('build.log'),
  })
  writeFileSync(allowed, '')
  await prepareArtifact(at.paths, revision, never)
  expect(readFileSync(join(directoryOf(at.paths, revision), 'trace'), 'utf8')).toBe('one\n')
})

test('artifacts: a version without the folder of the service is refused', async () => {
  const at = project()
  await expect(
    prepareArtifact(at.paths, await revisionOf(at, 'v1.0.0', { directory: 'api' }), never),
  ).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'Version v1.0.0 has no folder api for backend.',
  })
})

test('artifacts: an aborted build is ended, and a later one is whole', async () => {
  const at = project()
  const build = 'echo $$ >>pid; test -e go || exec sleep 600'
  const revision = await revisionOf(at, 'v1.0.0', { build })
  const abort = new AbortController()
  const pidFile = join(directoryOf(at.paths, revision), 'pid')
  const preparing = prepareArtifact(at.paths, revision, abort.signal)
  const pid = await until('the build runs', () => existsSync(pidFile) && readFileSync(pidFile, 'utf8').trim())
  abort.abort()
  await expect(preparing).rejects.toMatchObject({ name: 'AbortError' })
  expect(existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toBeFalsy()
})

test('artifacts: two who prepare the same version at the same time build it once', async () => {
  const at = project()
  const counter = join(at.root, 'counter')
  const revision = await revisionOf(at, 'v1.0.0', { build: `echo x >>${counter}; sleep 0.3` })
  await Promise.all([prepareArtifact(at.paths, revision, never), prepareArtifact(at.paths, revision, never)])
  expect(readFileSync(counter, 'utf8')).toBe('x\n')
})

test('artifacts: the build of a process that was killed is waited for, not begun again', async () => {
  const at = project()
  const [counter, go] = [join(at.root, 'counter'), join(at.root, 'go')]
  const build = `echo x >>${counter}; while ! test -e ${go}; do sleep 0.02; done; echo done >result`
  const revision = await revisionOf(at, 'v1.0.0', { build })
  const program = `
    const { prepareArtifact } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/effects/local/artifacts.ts'))})
    const { statePaths } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/effects/local/paths.ts'))})
    await prepareArtifact(statePaths(${JSON.stringify(at.root)}), ${JSON.stringify(revision)}, new AbortController().signal)`
  const first = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: 'inherit',
    env: { ...process.env, XDG_STATE_HOME: join(at.paths.state, '../..') },
  })
  await until('the build runs', () => existsSync(counter))
  first.kill('SIGKILL')
  await once(first, 'exit')
  const second = prepareArtifact(at.paths, revision, never)
  writeFileSync(go, '')
  await second
  expect(readFileSync(counter, 'utf8')).toBe('x\n')
  expect(readFileSync(join(directoryOf(at.paths, revision), 'result'), 'utf8')).toBe('done\n')
})

test('artifacts: files that were copied by half are copied again', async () => {
  const at = project()
  const revision = await revisionOf(at, 'v1.0.0')
  const folder = join(directoryOf(at.paths, revision), '../..')
  mkdirSync(join(folder, 'tree.new/app'), { recursive: true })
  writeFileSync(join(folder, 'tree.new/app/version'), 'half')
  await prepareArtifact(at.paths, revision, never)
  expect(readFileSync(join(directoryOf(at.paths, revision), 'version'), 'utf8')).toBe('v1.0.0')
  expect(readdirSync(folder).toSorted()).toEqual(['complete', 'tree'])
})

test('artifacts: the newest of each service, those in use and those prepared lately are kept', async () => {
  const at = project()
  const prepared = async (version: string, hoursAgo: number, change: Partial<ServiceConfig> = {}) => {
    const revision = await revisionOf(at, version, change)
    await prepareArtifact(at.paths, revision, never)
    const directory = directoryOf(at.paths, revision)
    const time = new Date(Date.now() - hoursAgo * 3_600_000)
    utimesSync(join(directory, '../../complete'), time, time)
    return directory
  }
  const directories = [
    await prepared('v1.0.0', 5),
    await prepared('v1.1.0', 4),
    await prepared('v1.0.0', 3, { name: 'front-end' }),
    await prepared('v1.0.0', 0.5, { build: 'true' }),
    await prepared('v2.0.0', 0),
  ]
  await pruneArtifacts(at.paths, 1, [directories[0]!])
  expect(directories.map((directory) => existsSync(directory))).toEqual([true, false, true, true, true])
})
