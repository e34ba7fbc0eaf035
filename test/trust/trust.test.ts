// Whoever else is on the machine, and whatever is left lying around.
import { spawnSync } from 'node:child_process'
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { program } from '../../demo/command.ts'
import { makeStateFolders, statePaths } from '../../src/effects/local/paths.ts'
import { type Embedded, embedded } from '../support/embedded.ts'
import { expectNothingDropped, startLoad } from '../support/load.ts'
import { processesOf } from '../support/processes.ts'

const SECRET = 'correct-horse-battery-staple-4711'
const NOBODY = 65_534
let platform: Embedded
/** Everything that was printed by any command. */
let printed = ''

/** Why the tests with another user cannot run here; null when they can. */
function cannotBeNobody(): string | null {
  if (process.getuid?.() !== 0) return 'only root can become another user'
  const ran = asNobody(process.execPath, ['--version'])
  return ran.status === 0 ? null : `another user cannot run ${process.execPath}`
}

function asNobody(command: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  return spawnSync(command, args, { ...options, uid: NOBODY, gid: NOBODY, encoding: 'utf8', timeout: 20_000 })
}

async function run(...args: string[]) {
  const ran = await platform.run(args)
  printed += ran.stdout + ran.stderr
  return ran
}

beforeAll(async () => {
  platform = embedded()
  // Else the test's own folder would hide everything in it.
  chmodSync(platform.folder, 0o755)
  writeFileSync(join(platform.root, 'secrets.env'), `PASSWORD=${SECRET}\n`, { mode: 0o600 })
  const backend = {
    start: `${process.execPath} server.mjs`,
    replicas: 2,
    drainSeconds: 1,
    envFile: 'secrets.env',
    health: { startup: '/health', ready: '/health', live: '/health', periodSeconds: 0.25, timeoutSeconds: 5 },
  }
  platform.configure({ services: { backend } })
  await platform.serve()
  const load = startLoad(await platform.url(), { requestsPerSecond: 100, sockets: 0 })
  expect((await run('deploy', '-v', 'good2', '--yes', '--json')).code).toBe(0)
  await platform.settled()
  expectNothingDropped(await load.stop())
})
afterAll(() => platform[Symbol.asyncDispose]())

interface Found {
  readonly path: string
  readonly mode: number
  readonly kind: 'file' | 'folder' | 'socket' | 'other'
}

function everythingIn(folder: string): Found[] {
  return ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })].map((name) => {
    const path = join(folder, name)
    const stat = lstatSync(path)
    const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : stat.isSocket() ? 'socket' : 'other'
    return { path, mode: stat.mode & 0o777, kind }
  })
}

/** The copied Node and the versions that were shipped: what runs, and no secret. */
const isProgram = (path: string) => /\/(versions|artifacts|checkouts)\/|\.mjs$/.test(path)

test('trust: every file, folder and socket of the platform is its owner’s alone', () => {
  const { state, runtime } = platform.paths
  const found = [...everythingIn(state), ...everythingIn(runtime)]
  const open = found.filter(({ path, mode }) => (mode & 0o077) !== 0 && !isProgram(path))
  expect(open.map(({ path, mode }) => `${relative(platform.folder, path)} ${mode.toString(8)}`)).toEqual([])
  expect(found.filter(({ kind }) => kind === 'socket')).toHaveLength(2)
  expect(found.some(({ path }) => path.endsWith('journal.db'))).toBe(true)
  expect(found.some(({ path }) => path.endsWith('.env'))).toBe(true)
})

test('trust: none of its processes leaves a core file', () => {
  const limits = processesOf(platform.folder).map(({ pid, command }) => {
    const [limit] = /^Max core file size.*$/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))!
    return `${command.split(' ').slice(-4).join(' ')}: ${limit.replaceAll(/\s+/g, ' ').trim()}`
  })
  expect(limits.length).toBeGreaterThanOrEqual(4)
  expect(limits.filter((limit) => !limit.endsWith('size 0 0 bytes'))).toEqual([])
})

test('trust: a secret stands in the environment of the replicas and in one file, and nowhere else', async () => {
  for (const args of [
    ['status', '--json'],
    ['status'],
    ['history', '--json'],
    ['explain', '--json'],
    ['explain', 'r-1'],
    ['doctor', '--json'],
    ['plan', '-v', 'good3', '--json'],
    ['deploy', '-v', 'nothing', '--yes', '--json'],
    ['logs'],
  ]) {
    await run(...args)
  }
  // Errors about the file itself.
  writeFileSync(join(platform.root, 'secrets.env'), `PASSWORD="${SECRET}\n=${SECRET}\n`)
  await run('plan', '-v', 'good3')
  expect(printed.length).toBeGreaterThan(1000)
  expect(printed).not.toContain(SECRET)

  const { state, runtime } = platform.paths
  const files = [...everythingIn(state), ...everythingIn(runtime)].filter(({ kind }) => kind === 'file')
  const holding = files.filter(({ path }) => readFileSync(path).includes(SECRET)).map(({ path }) => path)
  expect(
    holding.every((path) => path.endsWith('.env')),
    holding.join(),
  ).toBe(true)
  expect(holding.length).toBeGreaterThan(0)

  const commands = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const lines = commands.map((pid) => textOf(`/proc/${pid}/cmdline`)).join('\n')
  expect(lines).not.toContain(SECRET)
  const environments = processesOf(platform.folder).filter(({ pid }) => textOf(`/proc/${pid}/environ`).includes(SECRET))
  expect(environments.length).toBeGreaterThan(0)
  expect(environments.filter(({ command }) => !command.includes('server.mjs'))).toEqual([])
})

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

const why = cannotBeNobody()

test.skipIf(why)(
  `trust: another user reads nothing and is connected to nothing${why ? ` (skipped: ${why})` : ''}`,
  () => {
    const { state, runtime } = platform.paths
    const paths = [...everythingIn(state), ...everythingIn(runtime)].map(({ path }) => path)
    const attack = `
    const { openSync, readdirSync, writeFileSync, readFileSync } = require('node:fs')
    const { connect } = require('node:net')
    const opened = []
    const pids = JSON.parse(process.argv[2])
    for (const path of JSON.parse(process.argv[1])) {
      for (const how of ['r', 'a']) try { openSync(path, how); opened.push(how + ' ' + path) } catch {}
      try { readdirSync(path); opened.push('list ' + path) } catch {}
      const socket = connect(path)
      socket.on('connect', () => { opened.push('connect ' + path); socket.destroy() }).on('error', () => {})
    }
    for (const pid of pids) {
      try { readFileSync('/proc/' + pid + '/environ'); opened.push('environ ' + pid) } catch {}
      try { process.kill(pid, 0); opened.push('signal ' + pid) } catch {}
    }
    process.on('exit', () => console.log(JSON.stringify({ uid: process.getuid(), opened })))`
    const pids = processesOf(platform.folder).map(({ pid }) => pid)
    expect(pids.length).toBeGreaterThan(0)
    const ran = asNobody(process.execPath, ['-e', attack, JSON.stringify(paths), JSON.stringify(pids)])
    expect(JSON.parse(ran.stdout), ran.stderr).toEqual({ uid: NOBODY, opened: [] })
  },
)

test.skipIf(why)(`trust: another user commands nothing${why ? ` (skipped: ${why})` : ''}`, async () => {
  const before = { state: await platform.state(), pid: (await platform.snapshot()).front.pid }
  const env = { ...process.env, XDG_STATE_HOME: join(platform.folder, 'state'), XDG_RUNTIME_DIR: platform.folder }
  for (const args of [['rollback', '--yes'], ['deploy', '-v', 'good', '--yes'], ['down', '--yes'], ['status']]) {
    const ran = asNobody(process.execPath, [program, ...args], { cwd: platform.root, env })
    expect(ran.status, args.join(' ') + ran.stderr).toBe(6)
    expect(ran.stderr).toMatch(/^error [A-Z_]+: /)
    expect(ran.stderr).not.toMatch(/\n\s+at /)
  }
  expect({ state: await platform.state(), pid: (await platform.snapshot()).front.pid }).toEqual(before)
})

test.skipIf(why)(
  `trust: a folder for sockets that another user has made first is refused${why ? ` (skipped: ${why})` : ''}`,
  () => {
    const shared = join(platform.folder, 'shared')
    mkdirSync(shared, { mode: 0o777 })
    chmodSync(shared, 0o777)
    const paths = statePaths('/another/project', {
      XDG_STATE_HOME: join(platform.folder, 'other'),
      XDG_RUNTIME_DIR: shared,
    })
    expect(asNobody('/bin/mkdir', [paths.runtime]).status).toBe(0)
    expect(() => makeStateFolders(paths)).toThrow(/belongs to another user/)
  },
)
