import type { ServiceName } from './names.ts'

/** One HTTP probe, with the thresholds and units of Kubernetes. */
export interface Probe {
  readonly path: string
  readonly periodMs: number
  readonly timeoutMs: number
  /** Consecutive failures after which the probe counts as failed. */
  readonly failureThreshold: number
  /** Consecutive successes after which the probe counts as passed. */
  readonly successThreshold: number
}

export interface Probes {
  readonly startup: Probe
  readonly ready: Probe
  readonly live: Probe
}

/** Where the files of a version come from, pinned so that it can never mean anything else later. */
export type ArtifactSource =
  | { readonly kind: 'git'; readonly repository: string; readonly commit: string }
  | { readonly kind: 'directory'; readonly path: string; readonly digest: string }

/** An image in a registry. */
export interface ImageSource {
  readonly kind: 'image'
  /** `registry.example/team` */
  readonly registry: string
  readonly name: string
  readonly tag: string
  /** `sha256:…`; null where the registry did not tell, so that the tag alone says what runs. */
  readonly digest: string | null
}

/** How one replica of a service is built and run. Holds no secret: only where to read them. */
export interface WorkloadSpec {
  readonly source: ArtifactSource | ImageSource
  /** Folder of the artifact in which `build` and `start` run, relative to its root; `.` is the root. */
  readonly directory: string
  /** Shell command run once per artifact, or null when nothing is to be built. */
  readonly build: string | null
  /** Shell command that runs one replica in the foreground. */
  readonly start: string
  /** Plain environment variables; `PORT` is added by the platform. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute path of a file of `NAME=value` lines whose values are secrets, or null. */
  readonly envFile: string | null
  readonly probes: Probes
  /** Time between SIGTERM and SIGKILL. */
  readonly graceMs: number
  /** Longest time that requests in flight are waited for before a replica is ended. */
  readonly drainMs: number
  /** A replica above this resident size is restarted; null is no limit. */
  readonly memoryLimitMb: number | null
}

/** Immutable: what exactly runs. A change of configuration alone makes another revision. */
export interface Revision {
  /** 12 hex digits over artifact and configuration. */
  readonly id: string
  readonly service: ServiceName
  /** What the user typed: `v1.2.3`, a tag, a commit, a directory's name. */
  readonly version: string
  readonly workload: WorkloadSpec
}
