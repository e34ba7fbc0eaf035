// The whole program on real processes: a project in a folder of its own, its platform, and the command line as a
// child process without a terminal, as a pipeline has it.
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { program } from '../../demo/command.ts'
import { readJson } from '../../src/effects/local/durable.ts'
import { type StatePaths, statePaths } from '../../src/effects/local/paths.ts'
import { type ProcessIdentity, startedOf } from '../../src/effects/local/processes/identity.ts'
import type { SupervisorSlot, SupervisorSnapshot } from '../../src/effects/local/protocol.ts'
import { socketClient } from '../../src/effects/local/socket-client.ts'
import { supervisorPidFile } from '../../src/effects/local/supervisor/launch.ts'
import { fold } from '../../src/engine/evolve.ts'
import type { JournalRecord } from '../../src/engine/record.ts'
import { currentStep, type EnvironmentState } from '../../src/engine/state.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { openSqliteJournal } from '../../src/journal/sqlite.ts'
import { processesOf } from './processes.ts'
import { until } from './until.ts'

const ENVIRONMENT = 'production'
/** A command that takes longer hangs. */
const RUN_MS = 45_000
export const SERVICE = 'backend'

/** What a version of `embedded-app.mjs` does. */
const versions = {
  good: {},
  good2: {},
  good3: {},
  failing: { failEvery: 2 },
  slow: { answerMs: 900 },
  leaking: { leakMb: 1 },
  exits: { exitsAtOnce: true },
  neverReady: { neverReady: true },
  chatty: { chatty: true },
} as const
export type VersionName = keyof typeof versions

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  /** What it has printed so far. */
  printed(): string
  readonly ended: Promise<Ran>
}

/** Changes to the settings of moodify.yaml, key by key. */
export type Settings = Readonly<Record<string, unknown>> & {
  readonly replicas?: number
  readonly drainSeconds?: number
  /** Keys of the service. */
  readonly service?: Readonly<Record<string, unknown>>
  /** Keys of the environment. */
  readonly environment?: Readonly<Record<string, unknown>>
}

export interface Embedded extends AsyncDisposable {
  readonly folder: string
  /** Folder of moodify.yaml. */
  readonly root: string
  readonly paths: StatePaths
  /** Folder of the journal. */
  readonly journalFolder: string
  configure(settings: Settings): void
  /** Starts the program with these arguments in the project's folder. */
  start(args: readonly string[], options?: { env?: NodeJS.ProcessEnv; cwd?: string }): Running
  run(args: readonly string[], options?: { env?: NodeJS.ProcessEnv; cwd?: string }): Promise<Ran>
  /** Runs a command that must end with 0. */
  moodify(...args: string[]): Promise<Ran>
  json<T>(...args: string[]): Promise<T>
  /** Starts the platform and ships this version as the first. */
  serve(version?: VersionName): Promise<void>
  /** Where users reach it. */
  url(): Promise<string>
  records(): Promise<readonly JournalRecord[]>
  state(): Promise<EnvironmentState>
  stableVersion(): Promise<string | undefined>
  /** Waits until the release that runs has come to this step, as in `backend.analyse-50`, and waits in it. */
  atStep(id: string): Promise<void>
  /** Waits until no release is under way, not even one that is only kept. */
  settled(): Promise<EnvironmentState>
  snapshot(): Promise<SupervisorSnapshot['environments'][string]>
  slot(name: string): Promise<SupervisorSlot>
  supervisorPid(): number
  /** Kills with SIGKILL and waits until the process is gone. */
  kill(pid: number, signal?: NodeJS.Signals): Promise<void>
}

/** @param more  environment variables of all its processes */
export function embedded(settings: Settings = {}, more: NodeJS.ProcessEnv = {}): Embedded {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'mdf-'))
  const root = join(folder, 'project')
  const env = {
    ...process.env,
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_RUNTIME_DIR: folder,
    NO_COLOR: '1',
    CI: '',
    ...more,
  }
  for (const [version, behaviour] of Object.entries(versions))
    writeVersion(join(root, 'versions', version), version, behaviour)
  const paths = statePaths(root, env)
  const supervisor = socketClient(paths.supervisorSocket)
  const children = new Set<ChildProcess>()
  let journal: Journal | null = null
  const openJournal = () => {
    journal ??= openSqliteJournal(paths.journal(ENVIRONMENT), ENVIRONMENT, { wall: () => new Date().toISOString() })
    return journal
  }

  const platform: Embedded = {
    folder,
    root,
    paths,
    journalFolder: dirname(paths.journal(ENVIRONMENT)),
    configure: (changed) => writeFileSync(join(root, 'moodify.yaml'), configText(changed)),
    start(args, options = {}) {
      const running = startProgram(args, { cwd: options.cwd ?? root, env: { ...env, ...options.env } })
      children.add(running.child)
      return running
    },
    run: (args, options) => platform.start(args, options).ended,
    async moodify(...args) {
      const ran = await platform.run(args)
      if (ran.code !== 0)
        throw new Error(`moodify ${args.join(' ')} ended with ${ran.code}\n${ran.stdout}${ran.stderr}`)
      return ran
    },
    json: async (...args) => JSON.parse((await platform.moodify(...args, '--json')).stdout),
    async serve(version = 'good') {
      await platform.moodify('up')
      await platform.moodify('deploy', '-v', version, '--yes')
      await platform.settled()
    },
    async url() {
      return (await platform.json<{ url: string }>('status')).url
    },
    records: () => openJournal().read(),
    async state() {
      const { base, records } = await openJournal().newest()
      return fold(records, base.state)
    },
    async stableVersion() {
      return (await platform.state()).services[SERVICE]?.stable?.revision.version
    },
    async atStep(id) {
      await until(`the step ${id}`, async () => {
        const { release } = await platform.state()
        return release?.current?.effected && currentStep(release)?.id === id
      })
    },
    settled: () =>
      until('no release is under way', async () => {
        const state = await platform.state()
        return state.release === null && state.queued === null && state
      }),
    async snapshot() {
      return (await supervisor.request<SupervisorSnapshot>('GET', '/snapshot')).environments[ENVIRONMENT]!
    },
    async slot(name) {
      return (await platform.snapshot()).services[SERVICE]!.slots[name]!
    },
    supervisorPid: () => readJson<ProcessIdentity>(supervisorPidFile(paths))!.pid,
    async kill(pid, signal = 'SIGKILL') {
      const started = startedOf(pid)
      if (started === null) throw new Error(`there is no process ${pid}`)
      process.kill(pid, signal)
      await until(`the end of process ${pid}`, () => startedOf(pid) !== started)
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill('SIGKILL')
      const down = await platform
        .run(['down', '--yes'])
        .catch((error: Error) => ({ code: 1, stdout: '', stderr: error.message }))
      supervisor.close()
      journal?.close()
      const left = processesOf(folder)
      for (const { pid } of left) killIfAlive(pid)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
      if (down.code !== 0) throw new Error(`moodify down ended with ${down.code}: ${down.stderr}`)
      if (left.length > 0) throw new Error(`moodify down has left ${left.map(({ command }) => command).join('; ')}`)
    },
  }
  platform.configure(settings)
  return platform
}

/** Process ids of the replicas of a slot, in order of their ids. */
export function replicaPids(slot: SupervisorSlot): (number | null)[] {
  return Object.entries(slot.addresses)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { pid }]) => pid)
}

function writeVersion(target: string, version: string, behaviour: object): void {
  mkdirSync(target, { recursive: true })
  copyFileSync(join(import.meta.dirname, 'embedded-app.mjs'), join(target, 'server.mjs'))
  const full = { version, failEvery: 0, answerMs: 5, modules: import.meta.url, ...behaviour }
  writeFileSync(join(target, 'behaviour.json'), JSON.stringify(full))
}

/** A bad version is found in the first seconds. What the tests find out is not how well it is judged. */
export const quickTriggers = { mode: 'threshold', p95Seconds: 5, minRequests: 20, minBad: 3, windowSeconds: 5 }

function configText({ replicas = 2, drainSeconds = 2, service, environment, ...settings }: Settings): string {
  const health = { startup: '/health', ready: '/health', live: '/health', periodSeconds: 0.25, timeoutSeconds: 5 }
  const smoke = [{ request: 'GET /?ms=0', status: 200 }]
  const start = `${process.execPath} server.mjs`
  return stringify({
    name: 'shop',
    artifacts: { from: 'directory', pattern: 'versions/{version}' },
    services: {
      [SERVICE]: { start, replicas, drainSeconds, graceSeconds: 2, health, smoke, ...service },
    },
    environments: { [ENVIRONMENT]: { platform: 'local', listen: 0, strategy: 'blue-green', ...environment } },
    canary: { weights: [10, 50, 100], stageSeconds: 1 },
    blueGreen: { monitorSeconds: 1 },
    rolling: { monitorSeconds: 1, minReadySeconds: 0.2 },
    triggers: quickTriggers,
    keepSeconds: 0,
    ...settings,
  })
}

function startProgram(args: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }): Running {
  const child = spawn(process.execPath, [program, ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const tooLong = setTimeout(() => child.kill('SIGKILL'), RUN_MS)
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(tooLong)
      if (code === null) reject(new Error(`moodify ${args.join(' ')} was ended by ${signal}\n${stdout}${stderr}`))
      else resolve({ code, stdout, stderr })
    })
  })
  // Who waits for it is told; after a failed test nobody does.
  ended.catch(() => {})
  return { child, printed: () => stdout, ended }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
