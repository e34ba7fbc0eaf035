// Written file → Config: defaults filled in, seconds to milliseconds, settings of each environment resolved.
import { resolve } from 'node:path'
import type { Probe, Probes } from '../domain/revision.ts'
import {
  type ArtifactsConfig,
  type ClusterMetrics,
  type Config,
  type EnvironmentConfig,
  type FrontConfig,
  type HookConfig,
  hookNames,
  type KubernetesConfig,
  profiles,
  type ServiceConfig,
  type Settings,
  type SmokeTest,
} from './config.ts'
import { defaults } from './defaults.ts'
import { platformOf } from './rules.ts'
import type { Written } from './schema.ts'

type WrittenService = Written['services'][string]
type WrittenSmokeTest = NonNullable<WrittenService['smoke']>[number]
type WrittenEnvironment = Written['environments'][string]
type WrittenKubernetes = NonNullable<WrittenEnvironment['kubernetes']>
type WrittenSettings = Omit<WrittenEnvironment, 'platform' | 'kubernetes' | 'listen' | 'front' | 'strategy'>

export function normalise(written: Written, { file, root }: { readonly file: string; readonly root: string }): Config {
  const environments = Object.entries(written.environments).map(([name, environment]) =>
    environmentConfig(name, environment, written, root),
  )
  return {
    file,
    root,
    name: written.name,
    artifacts: artifactsConfig(written.artifacts ?? {}),
    journal: { ...defaults.journal, ...written.journal },
    metricsPort: written.metrics?.listen ?? null,
    services: Object.entries(written.services).map(([name, service]) => serviceConfig(name, service, root)),
    environments: byName(environments),
    defaultEnvironment: environments.find(({ name }) => name === 'production')?.name ?? environments[0]!.name,
  }
}

/** Without a prototype, so that a name typed by a user finds what is in the file and nothing else. */
function byName(environments: readonly EnvironmentConfig[]): Record<string, EnvironmentConfig> {
  const record: Record<string, EnvironmentConfig> = Object.create(null)
  for (const environment of environments) record[environment.name] = environment
  return record
}

function artifactsConfig({ from, pattern, keep }: NonNullable<Written['artifacts']>): ArtifactsConfig {
  const kept = keep ?? defaults.artifacts.keep
  return from === 'directory' ? { from, pattern: pattern!, keep: kept } : { from: 'git', keep: kept }
}

function serviceConfig(name: string, service: WrittenService, root: string): ServiceConfig {
  const withDefaults = { ...defaults.service, ...service }
  return {
    name,
    directory: withDefaults.directory,
    build: service.build ?? null,
    start: service.start ?? '',
    container: { image: service.image ?? name, port: withDefaults.port, metricsPath: withDefaults.metrics },
    replicas: withDefaults.replicas,
    path: withDefaults.path,
    stripPath: withDefaults.stripPath,
    env: service.env ?? {},
    envFile: service.envFile === undefined ? null : resolve(root, service.envFile),
    probes: probes(service.health),
    graceMs: toMs(withDefaults.graceSeconds),
    drainMs: toMs(withDefaults.drainSeconds),
    affinity: service.affinity
      ? { cookie: service.affinity.cookie, maxAgeSeconds: service.affinity.seconds ?? null }
      : null,
    memoryLimitMb: service.memoryLimitMb ?? null,
    smoke: (service.smoke ?? []).map(smokeTest),
  }
}

function probes(written: WrittenService['health']): Probes {
  const paths = typeof written === 'string' ? { startup: written, ready: written, live: written } : written
  const health = { ...defaults.health, ...paths }
  const probe = (path: string, thresholds: { failureThreshold: number; successThreshold: number }): Probe => ({
    path,
    periodMs: toMs(health.periodSeconds),
    timeoutMs: toMs(health.timeoutSeconds),
    ...thresholds,
  })
  const { failureThreshold, successThreshold } = health
  const startupTries = Math.max(1, Math.ceil(toMs(health.startupSeconds) / toMs(health.periodSeconds)))
  // Kubernetes allows only readiness to ask for more than one success.
  return {
    startup: probe(health.startup, { failureThreshold: startupTries, successThreshold: 1 }),
    ready: probe(health.ready, { failureThreshold, successThreshold }),
    live: probe(health.live, { failureThreshold, successThreshold: 1 }),
  }
}

function smokeTest(written: WrittenSmokeTest): SmokeTest {
  const [method, path] = written.request.split(' ') as [string, string]
  return {
    name: written.name ?? written.request,
    method,
    path,
    headers: written.headers ?? {},
    body: written.body ?? null,
    expect: {
      status: written.status ?? defaults.smoke.status,
      body: written.contains ?? null,
      latencyMs: written.latencySeconds === undefined ? null : toMs(written.latencySeconds),
    },
  }
}

function environmentConfig(
  name: string,
  environment: WrittenEnvironment,
  written: Written,
  root: string,
): EnvironmentConfig {
  const { listen, strategy } = { ...defaults.environment, ...environment }
  const platform = platformOf(environment)
  const kubernetes =
    platform === 'kubernetes' ? kubernetesConfig(name, environment.kubernetes ?? {}, written, root) : null
  const front = frontConfig(environment.front ?? {}, root)
  return { name, platform, listen, front, kubernetes, strategy, settings: settings(written, environment) }
}

function frontConfig({ processes, tls }: NonNullable<WrittenEnvironment['front']>, root: string): FrontConfig {
  return {
    processes: processes ?? defaults.front.processes,
    tls: tls ? { cert: resolve(root, tls.cert), key: resolve(root, tls.key) } : null,
  }
}

function kubernetesConfig(
  environment: string,
  block: WrittenKubernetes,
  { name, services }: Written,
  root: string,
): KubernetesConfig {
  const { layout, manifests } = { ...defaults.kubernetes, ...block }
  const traffic = {
    ...defaults.traffic,
    ...(typeof block.traffic === 'string' ? { by: block.traffic } : block.traffic),
  }
  return {
    context: block.context ?? null,
    namespace: block.namespace ?? `${name}-${environment}`,
    layouts: Object.fromEntries(
      Object.keys(services).map((service) => [service, block.single?.includes(service) ? 'single' : layout]),
    ),
    manifests: resolve(root, manifests),
    registry: block.registry ?? null,
    traffic: {
      by: traffic.by,
      name: traffic.name ?? null,
      fronts: traffic.fronts ?? [],
      host: traffic.host ?? null,
      propagationMs: toMs(traffic.propagationSeconds),
    },
    metrics: metricsConfig(block.metrics ?? {}),
  }
}

function metricsConfig({ gateway, prometheus, family }: NonNullable<WrittenKubernetes['metrics']>): ClusterMetrics {
  if (gateway) return { from: 'gateway', pages: gateway }
  if (prometheus) return { from: 'prometheus', url: prometheus, family: family ?? defaults.counts.family }
  return { from: 'pods' }
}

/** Key by key, an environment's own value wins over the top level's, which wins over the default. */
function settings(top: WrittenSettings, own: WrittenSettings): Settings {
  const blueGreen = { ...defaults.blueGreen, ...top.blueGreen, ...own.blueGreen }
  const rolling = { ...defaults.rolling, ...top.rolling, ...own.rolling }
  const triggers = { ...defaults.triggers, ...top.triggers, ...own.triggers }
  const waits = { ...defaults.waits, ...top.waits, ...own.waits }
  const webhook = { ...top.notify, ...own.notify }.webhook ?? null
  return {
    canary: canary(top.canary ?? {}, own.canary ?? {}),
    blueGreen: {
      monitorMs: toMs(blueGreen.monitorSeconds),
      approval: blueGreen.approval,
      preSwitchPercent: blueGreen.preSwitchPercent,
    },
    rolling: { monitorMs: toMs(rolling.monitorSeconds), minReadyMs: toMs(rolling.minReadySeconds) },
    triggers: {
      mode: triggers.mode,
      alphaPercent: triggers.alphaPercent,
      margin: triggers.margin,
      warmUpMs: toMs(triggers.warmUpSeconds),
      sharedFault: triggers.sharedFault,
      errorRatePercent: triggers.errorRatePercent,
      p95Ms: toMs(triggers.p95Seconds),
      crashLoop: triggers.crashLoop,
      failingHealthPercent: triggers.failingHealthPercent,
      minRequests: triggers.minRequests,
      minBad: triggers.minBad,
      windowMs: toMs(triggers.windowSeconds),
    },
    waits: {
      readyMs: toMs(waits.readySeconds),
      proofMs: toMs(waits.proofSeconds),
      approvalMs: toMs(waits.approvalSeconds),
      unknownMs: toMs(waits.unknownSeconds),
      onUnknown: waits.onUnknown,
      onNoTraffic: waits.onNoTraffic,
    },
    keepMs: toMs(own.keepSeconds ?? top.keepSeconds ?? defaults.keepSeconds),
    notify: webhook === null ? null : { webhook },
    hooks: hooks({ ...top.hooks, ...own.hooks }),
  }
}

/** What holds where moodify.yaml says nothing. */
export const defaultSettings: Settings = settings({}, {})

type WrittenCanary = NonNullable<WrittenSettings['canary']>

/** `profile` and `weights` are two answers to one question, so the nearer of either replaces both. */
function canary(top: WrittenCanary, own: WrittenCanary): Settings['canary'] {
  const nearer = own.profile !== undefined || own.weights !== undefined ? own : top
  const profile = nearer.profile ?? defaults.canary.profile
  const stageSeconds = own.stageSeconds ?? top.stageSeconds
  return {
    profile: nearer.weights ? 'custom' : profile,
    weights: nearer.weights ?? profiles[profile].weights,
    stageMs: stageSeconds === undefined ? profiles[profile].stageMs : toMs(stageSeconds),
    early: own.early ?? top.early ?? defaults.canary.early,
  }
}

function hooks(written: NonNullable<WrittenSettings['hooks']>): Settings['hooks'] {
  const given = hookNames.flatMap((name): [string, HookConfig][] => {
    const hook = written[name]
    if (hook === undefined || hook === null) return []
    const { run, timeoutSeconds, onUnknown } = {
      ...defaults.hook,
      ...(typeof hook === 'string' ? { run: hook } : hook),
    }
    return [[name, { run, timeoutMs: toMs(timeoutSeconds), onUnknown }]]
  })
  return Object.fromEntries(given)
}

function toMs(seconds: number): number {
  return Math.round(seconds * 1000)
}
