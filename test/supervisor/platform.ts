// A supervisor with its front for one test, in a folder of its own, and everything of it ended afterwards.
import { copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReplicaFacts } from '../../src/domain/snapshot.ts'
import { readJson } from '../../src/effects/local/durable.ts'
import { type StatePaths, statePaths } from '../../src/effects/local/paths.ts'
import { isAlive, type ProcessIdentity } from '../../src/effects/local/processes/identity.ts'
import type { FrontStatus, RunSpec, SupervisorSlot, SupervisorSnapshot } from '../../src/effects/local/protocol.ts'
import { type SocketClient, socketClient } from '../../src/effects/local/socket-client.ts'
import { ensureSupervisor, supervisorPidFile } from '../../src/effects/local/supervisor/launch.ts'
import type { Tuning } from '../../src/effects/local/supervisor/tuning.ts'

export const ENVIRONMENT = 'production'
export const SERVICE = 'backend'
export const COMMAND = [process.execPath, join(import.meta.dirname, 'entry.ts')]

const DEADLINE_MS = 20_000
const QUICK: Partial<Tuning> = {
  backoffFirstMs: 50,
  backoffMaxMs: 200,
  eagerProbeMs: 30,
  drainPollMs: 30,
  frontTickMs: 100,
  memoryTickMs: 200,
  ownGraceMs: 5000,
  supervisorWatchMs: null,
}

export async function until<T>(
  what: string,
  look: () => Promise<T | null | false | undefined> | T | null | false | undefined,
): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (performance.now() > deadline) throw new Error(`not seen in time: ${what}`)
    await sleep(20)
  }
}

export interface TestPlatform extends AsyncDisposable {
  readonly root: string
  /** Folder in which replicas run. */
  readonly app: string
  readonly paths: StatePaths
  readonly supervisor: SocketClient
  readonly front: SocketClient
  /** @param build  of the supervisor and of what it starts */
  start(build?: string): Promise<void>
  setEnvironments(port?: number): Promise<void>
  run(change?: Partial<RunSpec>): RunSpec
  apply(slot: string, run: RunSpec, replicas: number, epoch?: number): Promise<void>
  snapshot(): Promise<SupervisorSnapshot>
  slot(name: string): Promise<SupervisorSlot>
  /** Waits until something holds for a slot, doing something else between two looks. */
  slotUntil(
    name: string,
    what: string,
    holds: (slot: SupervisorSlot) => boolean,
    meanwhile?: () => Promise<void>,
  ): Promise<SupervisorSlot>
  readySlot(name: string, revision: string, replicas: number): Promise<SupervisorSlot>
  status(): Promise<FrontStatus>
  endpointsUntil(slot: string, count: number): Promise<void>
  /** Sends all traffic of the service to one slot. */
  route(slot: string): Promise<void>
  frontPort(): Promise<number>
  killSupervisor(): Promise<ProcessIdentity>
}

export async function testPlatform(tuning: Partial<Tuning> = {}, env: NodeJS.ProcessEnv = {}): Promise<TestPlatform> {
  const folder = mkdtempSync(join(tmpdir(), 'moodify-'))
  const root = join(folder, 'project')
  const app = join(root, 'app')
  mkdirSync(app, { recursive: true })
  copyFileSync(join(import.meta.dirname, 'app.mjs'), join(app, 'app.mjs'))
  Object.assign(process.env, {
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_RUNTIME_DIR: folder,
    TEST_TUNING: JSON.stringify({ ...QUICK, ...tuning }),
    MOODIFY_PORTS: '21000-21999',
    ...env,
  })
  const paths = statePaths(root)
  const supervisor = socketClient(paths.supervisorSocket)
  const front = socketClient(paths.frontSocket(ENVIRONMENT))
  let generation = 0
  const commandOf = (build: string) => {
    const link = join(folder, `entry-${build}.ts`)
    if (!existsSync(link)) symlinkSync(join(import.meta.dirname, 'entry.ts'), link)
    return [process.execPath, link]
  }

  const platform: TestPlatform = {
    root,
    app,
    paths,
    supervisor,
    front,
    async start(build) {
      await ensureSupervisor({ paths, root, build: build ?? 'test', command: build ? commandOf(build) : COMMAND })
    },
    async setEnvironments(port = 0) {
      const table = { services: [{ name: SERVICE, path: '/', stripPath: false, drainMs: 10_000 }] }
      const environments = [{ name: ENVIRONMENT, host: '127.0.0.1', port, table }]
      await supervisor.request('PUT', '/environments', { environments }, { timeoutMs: DEADLINE_MS })
    },
    run: (change = {}) => ({
      revision: 'one',
      version: 'v1',
      directory: app,
      start: `${process.execPath} app.mjs`,
      env: {},
      envFile: null,
      probes: { startup: probe('/live', 60, 100), ready: probe('/ready', 2, 50), live: probe('/live', 2, 50) },
      graceMs: 2000,
      drainMs: 10_000,
      memoryLimitMb: null,
      ...change,
    }),
    async apply(slot, run, replicas, epoch = 1) {
      await supervisor.request('PUT', '/apply', {
        environment: ENVIRONMENT,
        service: SERVICE,
        slot,
        epoch,
        run,
        replicas,
      })
    },
    snapshot: () => supervisor.request<SupervisorSnapshot>('GET', '/snapshot'),
    async slot(name) {
      const { environments } = await platform.snapshot()
      return environments[ENVIRONMENT]!.services[SERVICE]!.slots[name]!
    },
    slotUntil: (name, what, holds, meanwhile) =>
      until(`${name} ${what}`, async () => {
        await meanwhile?.()
        const slot = await platform.slot(name)
        return holds(slot) && slot
      }),
    async readySlot(name, revision, replicas) {
      const isRight = (replica: ReplicaFacts) => replica.revision === revision && replica.ready && replica.running
      const slot = await platform.slotUntil(
        name,
        `runs ${replicas} of ${revision}`,
        (seen) => seen.replicas.length === replicas && seen.replicas.every(isRight),
      )
      await platform.endpointsUntil(name, replicas)
      return slot
    },
    status: () => front.request<FrontStatus>('GET', '/status'),
    async endpointsUntil(slot, count) {
      await until(`${count} endpoints of ${slot}`, async () => {
        const status = await platform.status()
        return (status.services[SERVICE]?.slots[slot]?.endpoints ?? 0) === count
      })
    },
    async route(slot) {
      generation++
      await front.request('PUT', '/shares', { service: SERVICE, shares: { [slot]: 100 }, generation, epoch: 1 })
    },
    frontPort: async () => (await platform.status()).listening.port,
    async killSupervisor() {
      const identity = readJson<ProcessIdentity>(supervisorPidFile(paths))!
      process.kill(identity.pid, 'SIGKILL')
      await until('the supervisor is gone', () => !isAlive(identity))
      return identity
    },
    async [Symbol.asyncDispose]() {
      await supervisor.request('POST', '/down', undefined, { timeoutMs: 15_000 }).catch(() => {})
      supervisor.close()
      front.close()
      killLeftovers(paths)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
    },
  }
  await platform.start()
  return platform
}

export function probe(path: string, failureThreshold: number, periodMs: number): RunSpec['probes']['live'] {
  return { path, periodMs, timeoutMs: 500, failureThreshold, successThreshold: 1 }
}

/** One request on a connection of its own. */
export function get(port: number, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (part) => {
        body += part
      })
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode!, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** Whatever the supervisor of a failed test has left: all that have written their id below this state folder. */
function killLeftovers(paths: StatePaths): void {
  const supervisor = readJson<ProcessIdentity>(supervisorPidFile(paths))
  if (supervisor && isAlive(supervisor)) process.kill(supervisor.pid, 'SIGKILL')
  for (const file of globSync('environments/**/start-*/pid', { cwd: paths.state })) {
    const [pid, ...started] = readFileSync(join(paths.state, file), 'utf8').trim().split(' ')
    const identity = { pid: Number(pid), started: started.join(' ') }
    if (isAlive(identity)) process.kill(-identity.pid, 'SIGKILL')
  }
}
