// The embedded platform as a whole: its processes are started, ended and looked at from here.
import { execFile } from 'node:child_process'
import { stat, statfs } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Config } from '../../config/config.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Finding, Host, HostFacts } from '../ports/host.ts'
import { readCertificate } from './front/encryption.ts'
import { recordedLogs, tailLogs } from './logs.ts'
import { makeStateFolders, type StatePaths } from './paths.ts'
import { startedOf } from './processes/identity.ts'
import type {
  FrontStatus,
  RunnerRequest,
  SupervisorEnvironments,
  SupervisorFront,
  SupervisorSnapshot,
} from './protocol.ts'
import { socketClient } from './socket-client.ts'
import { buildOf, ensureSupervisor, prepareRuntime } from './supervisor/launch.ts'

const UP_TIMEOUT_MS = 30_000
const DOWN_TIMEOUT_MS = 120_000
const SUPERVISOR_ENDS_MS = 5000
const SUPERVISOR_POLL_MS = 10
/** Lines of each replica's log that are shown of the time before. */
const LOG_LINES = 20
const LOW_DISK_BYTES = 512 * 1024 * 1024

export interface LocalHostOptions {
  readonly config: Config
  readonly paths: StatePaths
  readonly version: string
  /** Makes sure that the bundle is built, and returns its absolute path. */
  readonly bundle: () => Promise<string>
}

export function localHost({ config, paths, version, bundle }: LocalHostOptions): Host {
  const supervisor = socketClient(paths.supervisorSocket)

  const snapshot = async (): Promise<SupervisorSnapshot | null> => {
    try {
      return await supervisor.request<SupervisorSnapshot>('GET', '/snapshot')
    } catch (error) {
      if (error instanceof OperatingError && error.code === 'PLATFORM_DOWN') return null
      throw error
    }
  }

  const startSupervisor = async () => {
    const file = await bundle()
    const command = prepareRuntime(paths, file)
    await ensureSupervisor({ paths, root: config.root, build: buildOf(version, file), command })
  }

  return {
    async up() {
      checkCertificates(config)
      makeStateFolders(paths)
      await startSupervisor()
      await supervisor.request('PUT', '/environments', environmentsOf(config), { timeoutMs: UP_TIMEOUT_MS })
      const running = await snapshot()
      return Object.entries(running?.environments ?? {}).map(([name, { front }]) => ({
        name,
        url: urlOf(front),
        ...(front.notUpgraded ? { warning: notUpgraded(name, front) } : {}),
      }))
    },
    async applyConfig() {
      if (await snapshot()) {
        checkCertificates(config)
        await supervisor.request('PUT', '/environments', environmentsOf(config), { timeoutMs: UP_TIMEOUT_MS })
      }
    },
    async down() {
      const running = await snapshot()
      if (!running) return false
      const started = startedOf(running.pid)
      await supervisor.request('POST', '/down', undefined, { timeoutMs: DOWN_TIMEOUT_MS })
      // It ends once it has answered.
      const signal = AbortSignal.timeout(SUPERVISOR_ENDS_MS)
      while (started !== null && startedOf(running.pid) === started && !signal.aborted) await sleep(SUPERVISOR_POLL_MS)
      return true
    },
    async ensureRunner(environment, { replace } = { replace: false }) {
      if ((await snapshot()) === null && (await frontStatus(paths, environment))) await startSupervisor()
      await supervisor.request('PUT', '/runner', { environment, replace } satisfies RunnerRequest)
    },
    async facts(environment) {
      const running = await snapshot()
      if (running) return factsOf(running, environment)
      // Users are served although the supervisor has died; the next command that needs it starts it again.
      const front = await frontStatus(paths, environment)
      return front && { url: urlOf(front.listening), runnerPid: null }
    },
    async *logs({ environment, slot, follow }, signal) {
      const list = () => recordedLogs(paths, environment, slot === null ? {} : { slot })
      for await (const { log, line } of tailLogs(list, { lines: LOG_LINES, follow }, signal)) {
        yield { service: log.service, slot: log.slot, replica: log.replica, text: line }
      }
    },
    async examine() {
      return [
        ...(await machineFindings(paths)),
        ...(await processFindings(await snapshot(), { config, paths, version })),
      ]
    },
  }
}

function urlOf({ port, encrypted = false }: { port: number; encrypted?: boolean }): string {
  return `${encrypted ? 'https' : 'http'}://127.0.0.1:${port}`
}

/** @throws OperatingError CONFIG_INVALID: better said now than by a front that does not start */
function checkCertificates(config: Config): void {
  for (const { name, front } of Object.values(config.environments)) {
    if (!front.tls) continue
    try {
      readCertificate(front.tls)
    } catch (error) {
      throw new OperatingError(
        'CONFIG_INVALID',
        `${config.file}: environments.${name}.front.tls: certificate and key cannot be used: ${(error as Error).message}`,
        'put a certificate and the key that belongs to it there; nothing was changed',
      )
    }
  }
}

function notUpgraded(environment: string, { notUpgraded, build }: SupervisorFront): Finding {
  return {
    level: 'warning',
    what: `the front of ${environment} is still ${build ?? 'of an older build'}, and serves: ${notUpgraded}`,
    next: 'moodify up, which tries again; if that does not help, moodify down and moodify up, with an outage between',
  }
}

function factsOf(running: SupervisorSnapshot, environment: string): HostFacts | null {
  const found = running.environments[environment]
  return found ? { url: urlOf(found.front), runnerPid: found.runner.pid } : null
}

function environmentsOf(config: Config): SupervisorEnvironments {
  const table = {
    services: config.services.map(({ name, path, stripPath, drainMs, affinity }) => {
      return { name, path, stripPath, drainMs, affinity }
    }),
  }
  const environments = Object.values(config.environments)
  return {
    environments: environments.map(({ name, listen, front }) => {
      return { name, host: '127.0.0.1', port: listen, table, front }
    }),
    metricsPort: config.metricsPort,
  }
}

async function machineFindings(paths: StatePaths): Promise<Finding[]> {
  const major = Number(process.versions.node.split('.')[0])
  const git = await promisify(execFile)('git', ['--version']).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  )
  const disk = await statfs(paths.state).catch(() => null)
  const folder = await stat(paths.state).catch(() => null)
  const free = disk ? disk.bavail * disk.bsize : null
  return [
    major >= 26
      ? { level: 'ok', what: `Node ${process.versions.node}` }
      : { level: 'failure', what: `Node ${process.versions.node} is too old`, next: 'npm ci, which brings Node 26' },
    git ? { level: 'ok', what: git } : { level: 'failure', what: 'git is not installed', next: 'install git' },
    ...(folder && (folder.mode & 0o077) !== 0
      ? [{ level: 'failure' as const, what: `${paths.state} can be read by others`, next: `chmod 700 ${paths.state}` }]
      : []),
    ...(free !== null && free < LOW_DISK_BYTES
      ? [
          {
            level: 'warning' as const,
            what: `only ${Math.round(free / 1024 / 1024)} MiB are free for ${paths.state}`,
            next: 'free disk space',
          },
        ]
      : []),
  ]
}

async function processFindings(
  running: SupervisorSnapshot | null,
  { config, paths, version }: { config: Config; paths: StatePaths; version: string },
): Promise<Finding[]> {
  if (!running) return [{ level: 'failure', what: 'the platform is not running', next: 'moodify up' }]
  const versionFinding: Finding =
    running.version === version
      ? { level: 'ok', what: `supervisor ${running.version}, pid ${running.pid}` }
      : { level: 'warning', what: `the supervisor is ${running.version}, this is ${version}`, next: 'moodify up' }
  const fronts = await Promise.all(
    Object.keys(config.environments).map((name) => frontFinding(name, paths, running.environments[name])),
  )
  return [versionFinding, ...fronts]
}

async function frontFinding(
  name: string,
  paths: StatePaths,
  found: SupervisorSnapshot['environments'][string] | undefined,
): Promise<Finding> {
  if (!found) return { level: 'warning', what: `${name} is new in moodify.yaml`, next: 'moodify up' }
  if (found.front.notUpgraded) return notUpgraded(name, found.front)
  const status = await frontStatus(paths, name)
  return status
    ? { level: 'ok', what: `${name}: front pid ${status.pid} listens on ${urlOf(status.listening)}` }
    : { level: 'failure', what: `${name}: the front does not answer; users get nothing`, next: 'moodify up' }
}

/** Null when the front of an environment does not answer. */
async function frontStatus(paths: StatePaths, environment: string): Promise<FrontStatus | null> {
  const front = socketClient(paths.frontSocket(environment))
  try {
    return await front.request<FrontStatus>('GET', '/status', undefined, { timeoutMs: 2000 })
  } catch {
    return null
  } finally {
    front.close()
  }
}
