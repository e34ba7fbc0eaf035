// The only file that constructs adapters.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { dirname, join, relative } from 'node:path'
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
import { runnerJob } from './effects/kubernetes/runner-job.ts'
import { filesOf } from './effects/kubernetes/slot-manifests.ts'
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
import { printEvents } from './views/cli/print-events.ts'

const RUNNER_IDLE_MS = 2000

export interface ComposeOptions {
  /** Where the runner of a cluster's environment is: here, in a Job with this image, or in one with the usual image. */
  readonly inCluster?: string | true
  /** This process is in the cluster, and is who its pod is. */
  readonly isInCluster?: boolean
}

interface Composed {
  readonly context: Context
  /** Runs releases until nothing is left to do. */
  run(signal: AbortSignal, idleMs?: number): Promise<RunnerEnd>
}

/** Everything a verb needs, for one environment of the project that a folder belongs to. */
export function composeContext(folder: string, environmentName?: string, options: ComposeOptions = {}): Context {
  return compose(folder, environmentName, options).context
}

function compose(folder: string, environmentName: string | undefined, options: ComposeOptions): Composed {
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
  if (environment.kubernetes)
    return onCluster({ config, environment, kubernetes: environment.kubernetes, paths, options })
  if (options.inCluster) {
    throw new OperatingError(
      'BAD_FLAG',
      `${name} is no cluster: --in-cluster has no meaning there`,
      'moodify deploy --help',
    )
  }
  const context: Context = {
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
  return {
    context,
    run: (signal, idleMs) => runContext(context, { folder: dirname(paths.journal(name)), signal, idleMs }),
  }
}

/** The runner lives in the process of the command, or in a Job. */
function onCluster({
  config,
  environment,
  kubernetes,
  paths,
  options,
}: {
  readonly config: Config
  readonly environment: EnvironmentConfig
  readonly kubernetes: KubernetesConfig
  readonly paths: StatePaths
  readonly options: ComposeOptions
}): Composed {
  const { name } = environment
  const clock = systemClock
  const api = connect(
    options.isInCluster ? { serviceAccount: true } : kubernetes.context === null ? {} : { context: kubernetes.context },
  )
  const platform = clusterPlatform({ api, clock, config, kubernetes })
  const { services, watched } = platform
  const registry = process.env['IMAGE_REGISTRY']
  const place = { api, clock, namespace: kubernetes.namespace, environment: name }
  const lease = heartbeat(place)
  async function run(signal: AbortSignal, idleMs?: number): Promise<RunnerEnd> {
    const ended = new AbortController()
    const beating = lease.beat(runnerName(), ended.signal)
    try {
      return await runContext(context, { folder: dirname(paths.journal(name)), signal, idleMs })
    } finally {
      ended.abort()
      await beating
    }
  }
  const ownRunner = options.inCluster ? null : inProcessRunner({ run, livesElsewhere: lease.livesElsewhere })
  const runner =
    ownRunner ??
    runnerJob({
      ...place,
      image: runnerImage(options.inCluster!, registry ?? kubernetes.registry),
      files: () => projectFiles(config, kubernetes),
      heartbeat: lease,
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
      ...(ownRunner ? { ownRunner } : {}),
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
  return { context, run }
}

/** By the name that the Dockerfile of this project suggests, in the registry of the environment's images. */
function runnerImage(named: string | true, registry: string | null): string {
  if (named !== true) return named
  if (registry !== null) return `${registry}/moodify:${VERSION}`
  const message = 'it is not known which image the runner has'
  throw new OperatingError(
    'BAD_FLAG',
    message,
    'name it: --in-cluster=REGISTRY/moodify:TAG, or set kubernetes.registry',
  )
}

/** What a runner elsewhere needs of the project's folder. */
function projectFiles(config: Config, kubernetes: KubernetesConfig): Record<string, string> {
  const services = config.services.map(({ name }) => name)
  const files = services.flatMap((name) => filesOf(kubernetes, kubernetes.layouts[name]!, name))
  const paths = [config.file, ...new Set(files)].map((file) => relative(config.root, file))
  const outside = paths.find((path) => path.startsWith('..'))
  if (outside !== undefined) {
    const message = `${outside} is not in the folder of moodify.yaml, so a runner in the cluster cannot be given it`
    throw new OperatingError('BAD_FLAG', message, 'put the manifests beside moodify.yaml')
  }
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(config.root, path), 'utf8')]))
}

/** A runner in a cluster is started before anything is left for it to do. */
const IN_CLUSTER_IDLE_MS = 30_000

/** Runs the releases of one environment until nothing is left to do; what `internal runner` is. */
export async function composeRunner(
  root: string,
  environmentName: string,
  { signal, isInCluster = false }: { readonly signal: AbortSignal; readonly isInCluster?: boolean },
): Promise<RunnerEnd> {
  const { context, run } = compose(root, environmentName, { isInCluster })
  if (!isInCluster) return run(signal)
  const over = new AbortController()
  const printing = printEvents(context, over.signal)
  try {
    return await run(signal, IN_CLUSTER_IDLE_MS)
  } finally {
    over.abort()
    await printing
  }
}

interface RunOptions {
  /** Where its spare report goes. */
  readonly folder: string
  readonly signal: AbortSignal
  readonly idleMs?: number | undefined
}

function runContext(context: Context, { folder, signal, idleMs = RUNNER_IDLE_MS }: RunOptions): Promise<RunnerEnd> {
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
    idleMs,
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
  const username = userName()
  return process.env['CI']
    ? { kind: 'pipeline', name: process.env['BUILD_TAG'] ?? username }
    : { kind: 'person', name: username }
}

/** A container may run as a user who has no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid!()}`
  }
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
