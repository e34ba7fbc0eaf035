import type { Config } from '../../config/config.ts'
import type { EnvironmentName, ServiceName } from '../../domain/names.ts'
import type { Revision } from '../../domain/revision.ts'

/** The machine side of a platform: starting and stopping it, and what is known of its processes. */
export interface Host {
  /**
   * Starts what is missing and replaces what is of another build; harmless when all runs.
   *
   * @throws OperatingError PORT_BUSY, PLATFORM_FAILED
   */
  up(): Promise<readonly EnvironmentAddress[]>
  /** Tells a running platform what moodify.yaml says now; nothing happens when it does not run. */
  applyConfig(): Promise<void>
  /** Ends everything of this directory, the way in last. Returns false when nothing ran. */
  down(): Promise<boolean>
  /**
   * Makes sure that a runner of the environment lives; with `replace` that it is another one than now.
   *
   * @throws OperatingError PLATFORM_DOWN
   */
  ensureRunner(environment: EnvironmentName, options?: { readonly replace: boolean }): Promise<void>
  /**
   * Where a runner takes long to start, waits until one lives; before a command is left for it.
   *
   * @throws OperatingError PLATFORM_FAILED with what keeps it from starting
   */
  startRunner?(): Promise<void>
  /** Null when the platform is not running. */
  facts(environment: EnvironmentName): Promise<HostFacts | null>
  logs(options: LogOptions, signal: AbortSignal): AsyncIterable<LogLine>
  /** What `moodify doctor` looks at. */
  examine(): Promise<readonly Finding[]>
  /** Set where no platform keeps runners: the runner that `ensureRunner` starts lives in this process. */
  readonly ownRunner?: OwnRunner
}

export interface OwnRunner {
  isRunning(): boolean
  /** Ends it in a moment where nothing is half done. */
  stop(): Promise<void>
}

export interface EnvironmentAddress {
  readonly name: EnvironmentName
  readonly url: string
  /** It serves, but not as it should. */
  readonly warning?: Finding
}

export interface HostFacts {
  readonly url: string
  readonly runnerPid: number | null
}

export interface LogOptions {
  readonly environment: EnvironmentName
  readonly slot: string | null
  readonly follow: boolean
}

export interface LogLine {
  readonly service: ServiceName
  readonly slot: string
  readonly replica: string
  readonly text: string
}

export interface Finding {
  readonly level: 'ok' | 'warning' | 'failure'
  readonly what: string
  /** The command that mends it. */
  readonly next?: string
}

/** Where versions come from. */
export interface Versions {
  /** @throws OperatingError UNKNOWN_VERSION with the nearest names */
  revisions(config: Config, version: string): Promise<Readonly<Record<ServiceName, Revision>>>
}
