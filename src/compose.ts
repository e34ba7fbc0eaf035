// The only file that constructs adapters.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { judgeByMode } from './analysis/judges.ts'
import type { Config, EnvironmentConfig, KubernetesConfig } from './config/config.ts'
import { findConfig, loadConfig } from './config/load.ts'
import type { Actor } from './domain/names.ts'
import { smokeUrl } from './effects/checks/url.ts'
import { systemClock } from './effects/clock/system.ts'
import { shellHooks } from './effects/hooks/shell.ts'
import { connect } from './effects/kubernetes/client.ts'
import { heartbeat } from './effects/kubernetes/heartbeat.ts'
import { clusterHost } from './effects/kubernetes/host.ts'
import { configMapStore } from './effects/kubernetes/journal-store.ts'
import { clusterPlatform } from './effects/kubernetes/platform.ts'
import { clusterPreview } from './effects/kubernetes/preview.ts'
import { digestInRegistry } from './effects/kubernetes/registry.ts'
import { clusterVersions } from './effects/kubernetes/versions.ts'
import { resolveVersion } from './effects/local/artifacts/resolve.ts'
import { makeRevision } from './effects/local/artifacts/revision.ts'
import { localHost } from './effects/local/host.ts'
import { makeStateFolders, RUNNER_METRICS_FILE, type StatePaths, statePaths } from './effects/local/paths.ts'
import { localPlatform } from './effects/local/platform.ts'
import { webhookNotifier } from './effects/notify/webhook.ts'
import type { Versions } from './effects/ports/host.ts'
import { OperatingError } from './errors/catalogue.ts'
import { openObjectJournal } from './journal/object-journal.ts'
import { openSqliteJournal } from './journal/sqlite.ts'
import { openSpareReport } from './runner/emergency.ts'
import { inProcessRunner } from './runner/in-process.ts'
import { killPoint } from './runner/kill-point.ts'
import { fileMeter } from './runner/meter.ts'
import { type RunnerEnd, runReleases } from './runner/run-release.ts'
import type { Context } from './verbs/context.ts'
import { VERSION } from './version.ts'

const RUNNER_IDLE_MS = 2000

/** Everything a verb needs, for one environment of the project that a folder belongs to. */
export function composeContext(folder: string, environmentName?: string): Context {
  const config = loadConfig(findConfig(folder))
  const name = environmentName ?? config.defaultEnvironment
  const environment = config.environments[name]
  if (!environment) {
    const known = Object.keys(config.environments).join(', ')
    throw new OperatingError(
      'UNKNOWN_ENVIRONMENT',
      `moodify.yaml has no environment ${name}; it has ${known}`,
      'moodify status -e ENV',
    )
  }
  const paths = statePaths(config.root)
  makeStateFolders(paths)
  if (environment.kubernetes) return clusterContext(config, environment, environment.kubernetes, paths)
  return {
    config,
    environment,
    journal: openSqliteJournal(paths.journal(name), name, { wall: systemClock.wall, ...config.journal }),
    platform: localPlatform({ paths, environment: name, config }),
    host: localHost({ config, paths, version: VERSION, bundle: builtBundle }),
    versions: localVersions(paths),
    smokeUrl,
    clock: systemClock,
    actor: whoIsIt(),
  }
}

/** The runner lives in the process of the command. */
function clusterContext(
  config: Config,
  environment: EnvironmentConfig,
  kubernetes: KubernetesConfig,
  paths: StatePaths,
): Context {
  const { name } = environment
  const clock = systemClock
  const api = connect(kubernetes.context === null ? {} : { context: kubernetes.context })
  const platform = clusterPlatform({ api, clock, config, kubernetes })
  const { services, watched } = platform
  const registry = process.env['IMAGE_REGISTRY']
  const place = { api, clock, namespace: kubernetes.namespace, environment: name }
  const lease = heartbeat(place)
  const runner = inProcessRunner({
    async run(signal) {
      const ended = new AbortController()
      const beating = lease.beat(runnerName(), ended.signal)
      try {
        return await runContext(context, dirname(paths.journal(name)), signal)
      } finally {
        ended.abort()
        await beating
      }
    },
    livesElsewhere: lease.livesElsewhere,
  })
  const context: Context = {
    config,
    environment,
    journal: openObjectJournal({
      store: configMapStore({ ...place, follow: true }),
      environment: name,
      wall: clock.wall,
      nowMs: clock.monotonicMs,
      sleep: (ms) => clock.sleep(ms),
      ...config.journal,
    }),
    platform,
    host: clusterHost({
      api,
      clock,
      kubernetes,
      services,
      watched,
      runner,
      heartbeat: lease,
      async traffic() {
        await platform.open()
        return platform.trafficNotes()
      },
    }),
    preview: clusterPreview({ api, kubernetes, services }),
    versions: clusterVersions({ api, kubernetes, services, registry, digestOf: digestInRegistry }),
    smokeUrl,
    clock,
    actor: whoIsIt(),
  }
  return context
}

/** Runs the releases of one environment until nothing is left to do; what `internal runner` is. */
export async function composeRunner(root: string, environmentName: string, signal: AbortSignal): Promise<RunnerEnd> {
  const context = composeContext(root, environmentName)
  return runContext(context, dirname(statePaths(context.config.root).journal(environmentName)), signal)
}

/** @param folder  where its spare report goes */
function runContext(context: Context, folder: string, signal: AbortSignal): Promise<RunnerEnd> {
  const { config, journal, platform, clock } = context
  return runReleases({
    journal,
    platform,
    clock,
    hooks: shellHooks({ directory: config.root }),
    notifierFor: (webhook) => webhookNotifier({ url: webhook, clock }),
    judge: judgeByMode,
    name: runnerName(),
    version: VERSION,
    idleMs: RUNNER_IDLE_MS,
    meter: fileMeter(join(folder, RUNNER_METRICS_FILE), () => clock.monotonicMs()),
    report: openSpareReport(join(folder, 'spare.log')),
    probe: killPoint(process.env['MOODIFY_TEST_KILL_AT'], folder),
    signal,
  })
}

function localVersions(paths: StatePaths): Versions {
  return {
    async revisions(config: Config, version: string) {
      const { source, version: name } = await resolveVersion(config, version)
      return Object.fromEntries(
        config.services.map((service) => [service.name, makeRevision(config, service, source, name, paths)]),
      )
    },
  }
}

/** Who it is, for the journal and for whoever looks for a runner. */
function runnerName(): string {
  return `pid ${process.pid} on ${hostname()}`
}

function whoIsIt(): Actor {
  const { username } = userInfo()
  return process.env['CI']
    ? { kind: 'pipeline', name: process.env['BUILD_TAG'] ?? username }
    : { kind: 'person', name: username }
}

/** This very file when it is the bundle; in a checkout the bundle is built when the sources are newer. */
async function builtBundle(): Promise<string> {
  const self = realpathSync(fileURLToPath(import.meta.url))
  if (!self.endsWith('.ts')) return self
  const project = join(dirname(self), '..')
  const bundle = join(project, 'dist', 'moodify.mjs')
  if (!existsSync(bundle) || newestIn(join(project, 'src')) > statSync(bundle).mtimeMs) {
    execFileSync(process.execPath, [join(project, 'tools', 'build.ts')], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  return bundle
}

function newestIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Math.max(...files.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs))
}
