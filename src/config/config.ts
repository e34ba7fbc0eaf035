// What the rest of the program knows of moodify.yaml: every default filled in, every time in milliseconds,
// every environment with its settings resolved. `load.ts` makes it; nothing else reads the file.
import type { EnvironmentName, ServiceName } from '../domain/names.ts'
import type { Probes } from '../domain/revision.ts'

export interface Config {
  /** Absolute path of the file it came from. */
  readonly file: string
  /** Absolute folder of that file; relative paths in it start here. */
  readonly root: string
  readonly name: string
  readonly artifacts: ArtifactsConfig
  readonly journal: JournalConfig
  /** TCP port of 127.0.0.1 with metrics of moodify itself; null is none. */
  readonly metricsPort: number | null
  /** In the order in which a release ships them. */
  readonly services: readonly ServiceConfig[]
  readonly environments: Readonly<Record<EnvironmentName, EnvironmentConfig>>
  /** Environment used when `-e` is not given: `production` where there is one, else the only or first one. */
  readonly defaultEnvironment: EnvironmentName
}

export interface JournalConfig {
  /** Newest releases of each environment that stay in its journal. */
  readonly keepReleases: number
}

export type ArtifactsConfig =
  | { readonly from: 'git'; readonly keep: number }
  /** `pattern` holds `{version}` once, such as `releases/{version}`. */
  | { readonly from: 'directory'; readonly pattern: string; readonly keep: number }

export interface ServiceConfig {
  readonly name: ServiceName
  readonly directory: string
  readonly build: string | null
  /** Empty where no environment is local. */
  readonly start: string
  readonly container: ContainerConfig
  readonly replicas: number
  /** Path prefix on the environment's front that belongs to this service, `/` or `/api`. */
  readonly path: string
  /** Whether the prefix is removed before the request reaches the service. */
  readonly stripPath: boolean
  readonly env: Readonly<Record<string, string>>
  /** Absolute path, or null. Its existence is checked when a release starts. */
  readonly envFile: string | null
  readonly probes: Probes
  readonly graceMs: number
  readonly drainMs: number
  /** Users stay with one version and one replica by this cookie; null: each request is assigned anew. Only where it is local. */
  readonly affinity: { readonly cookie: string; readonly maxAgeSeconds: number | null } | null
  readonly memoryLimitMb: number | null
  readonly smoke: readonly SmokeTest[]
}

/** What runs instead of `start` on Kubernetes. */
export interface ContainerConfig {
  /** Name of the image below the registry. */
  readonly image: string
  readonly port: number
  readonly metricsPath: string
}

export interface SmokeTest {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  readonly expect: {
    readonly status: number
    /** Text that the body must contain, or null. */
    readonly body: string | null
    readonly latencyMs: number | null
  }
}

export interface FrontConfig {
  /** How many share the port. */
  readonly processes: number
  /** Absolute paths of PEM files; null is plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null
}

export interface EnvironmentConfig {
  readonly name: EnvironmentName
  readonly platform: 'local' | 'kubernetes'
  /** TCP port of the front on 127.0.0.1; 0 takes any free one and keeps it. Only where it is local. */
  readonly listen: number
  readonly front: FrontConfig
  /** Null where it is local. */
  readonly kubernetes: KubernetesConfig | null
  readonly strategy: 'blue-green' | 'canary' | 'rolling'
  readonly settings: Settings
}

export const clusterLayouts = ['blue-green', 'single'] as const
export type ClusterLayout = (typeof clusterLayouts)[number]

export const trafficWays = ['auto', 'selector', 'replicas', 'httproute', 'virtualservice', 'nginx'] as const
export type TrafficWay = (typeof trafficWays)[number]

export const metricFamilies = ['application', 'istio', 'envoy', 'nginx'] as const
/** Whose metrics a Prometheus has: the application's, per pod; Istio's proxies'; Envoy's or NGINX's at the edge. */
export type MetricFamily = (typeof metricFamilies)[number]

/** Where counts of requests come from on a cluster. */
export type ClusterMetrics =
  | { readonly from: 'pods' }
  /** URLs of metrics pages, one per replica of the gateway. */
  | { readonly from: 'gateway'; readonly pages: readonly string[] }
  | { readonly from: 'prometheus'; readonly url: string; readonly family: MetricFamily }

export interface KubernetesConfig {
  /** Null is the kubeconfig's current one. */
  readonly context: string | null
  readonly namespace: string
  readonly layouts: Readonly<Record<ServiceName, ClusterLayout>>
  /** Absolute folder. */
  readonly manifests: string
  readonly registry: string | null
  readonly traffic: {
    readonly by: TrafficWay
    readonly name: string | null
    /** `http://host:port` of gateways. */
    readonly fronts: readonly string[]
    readonly host: string | null
    readonly propagationMs: number
  }
  readonly metrics: ClusterMetrics
}

/** What an environment may set for itself; the top level of moodify.yaml gives the defaults. */
export interface Settings {
  readonly canary: {
    /** `custom` where the file gives weights of its own. */
    readonly profile: ProfileName | 'custom'
    /** Rising percentages that end with 100. */
    readonly weights: readonly number[]
    readonly stageMs: number
    /** Advance as soon as the evidence is there, before the stage's time is over. */
    readonly early: boolean
  }
  readonly blueGreen: {
    readonly monitorMs: number
    /** Wait for `moodify promote` before the switch. */
    readonly approval: boolean
    /** Share of the traffic that is compared for the monitor time before the switch; 0 is none. */
    readonly preSwitchPercent: number
  }
  readonly rolling: {
    readonly monitorMs: number
    /** A new replica has to be ready for this long before the next old one goes. */
    readonly minReadyMs: number
  }
  readonly triggers: Triggers
  readonly waits: {
    /** Until all replicas of an applied revision are ready. */
    readonly readyMs: number
    /** Until the data plane is proven to follow a change of shares. */
    readonly proofMs: number
    /** For an approval. */
    readonly approvalMs: number
    /** For a verdict that stays `unknown` after the monitor time is over. */
    readonly unknownMs: number
    /** What happens when that deadline passes. */
    readonly onUnknown: 'hold' | 'rollback'
    /** What happens on a system without traffic: advance on health checks alone, or hold. */
    readonly onNoTraffic: 'advance-on-health' | 'hold'
  }
  /** How long the old version stays warm after the new one has taken over. */
  readonly keepMs: number
  readonly notify: { readonly webhook: string } | null
  readonly hooks: Readonly<Partial<Record<HookName, HookConfig>>>
}

export const profileNames = ['progressive', 'staged', 'immediate'] as const
export type ProfileName = (typeof profileNames)[number]

/** Weights in percent and stage time of each named canary profile. Source: runbook, "Deployment Strategies" and the pipeline diagram. */
export const profiles: Readonly<Record<ProfileName, { weights: readonly number[]; stageMs: number }>> = {
  progressive: { weights: [10, 25, 50, 100], stageMs: 300_000 },
  staged: { weights: [10, 50, 100], stageMs: 900_000 },
  immediate: { weights: [100], stageMs: 300_000 },
}

export const triggerModes = ['sequential', 'threshold'] as const
export type TriggerMode = (typeof triggerModes)[number]

export const sharedFaultPolicies = ['freeze', 'rollback'] as const
export type SharedFaultPolicy = (typeof sharedFaultPolicies)[number]

/** When a release is taken back. Source of the defaults: runbook, "Automatic Rollback Triggers". */
export interface Triggers {
  /** `sequential`: tests whose false alarms are bounded; `threshold`: rates of a window against limits. */
  readonly mode: TriggerMode
  /** Chance that a whole release of a good version is taken back by a sequential test, in percent. */
  readonly alphaPercent: number
  /** A candidate whose errors are at most this many times stable's is not taken back beyond that chance. */
  readonly margin: number
  /** Time with traffic for which a new replica is left out of the comparison with stable. */
  readonly warmUpMs: number
  /** What happens when stable breaks the same limit. */
  readonly sharedFault: SharedFaultPolicy
  readonly errorRatePercent: number
  /** P95 above this is too slow; must be an edge of the latency histogram. */
  readonly p95Ms: number
  readonly crashLoop: boolean
  readonly failingHealthPercent: number
  /** Below this number of requests in the window nothing is said about rates. */
  readonly minRequests: number
  /** A rate is only acted on with at least this many bad requests. */
  readonly minBad: number
  readonly windowMs: number
}

export const hookNames = ['before', 'beforeTraffic', 'afterSwitch', 'afterRollback'] as const
export type HookName = (typeof hookNames)[number]

export interface HookConfig {
  readonly run: string
  readonly timeoutMs: number
  /** What happens after a crash between start and result: run it again, or ask a person. */
  readonly onUnknown: 'retry' | 'ask'
}
