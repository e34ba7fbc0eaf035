import type { Cell } from '../../domain/counts.ts'
import type { ServiceName, Shares, SlotLayout, SlotName } from '../../domain/names.ts'
import type { Revision } from '../../domain/revision.ts'
import type { Snapshot } from '../../domain/snapshot.ts'

// A platform is where replicas run and traffic is shared. Each of these three small interfaces has a
// conformance suite in test/conformance/; the fakes pass it too.
//
// Every effect states the whole desired end, so that repeating one is harmless. Every write carries the
// writer's epoch: a platform keeps the highest it has seen, durably, and refuses lower ones with StaleEpoch.

export interface Workloads {
  readonly capabilities: WorkloadCapabilities
  /** Makes the artifact of a revision ready to run (worktree, build). Slow; may be aborted and repeated. */
  prepare(revision: Revision, signal: AbortSignal): Promise<void>
  /** The slot runs `replicas` replicas of this revision and nothing else. Returns when that is recorded, not when ready. */
  applyRevision(target: SlotTarget & { revision: Revision; replicas: number }, epoch: number): Promise<void>
  /**
   * Replaces the slot's replicas one by one, each new one ready for `minReadyMs` before the next old one is drained.
   * The slot runs `replicas` of them afterwards, or as many as before when it is left out.
   */
  rollInPlace(
    target: SlotTarget & { revision: Revision; minReadyMs: number; replicas?: number },
    epoch: number,
  ): Promise<void>
  /** The slot runs at least this many replicas of what it runs. */
  ensureFloor(target: SlotTarget & { replicas: number }, epoch: number): Promise<void>
  /** Drains (see domain/drain.ts) and ends all replicas of a slot; the slot is empty afterwards. Returns when that is recorded. */
  retire(target: SlotTarget, epoch: number): Promise<void>
  /** From now on writes with a lower epoch are refused. */
  takeEpoch(epoch: number): Promise<void>
}

export interface SlotTarget {
  readonly service: ServiceName
  readonly slot: SlotName
}

export interface WorkloadCapabilities {
  /** Slots that a service may use. */
  readonly slots: readonly SlotName[]
  /** Services that have other slots than these, or one for visitors. */
  readonly layouts?: Readonly<Record<ServiceName, SlotLayout>>
}

export interface Traffic {
  readonly capabilities: TrafficCapabilities
  /**
   * Shares the traffic of a service out. Resolves when the data plane is asked to; the snapshot's route
   * tells when it follows. A generation not above the current one is refused, the same one is a repeat.
   *
   * @returns the shares that the platform can really have
   */
  setShares(change: { service: ServiceName; shares: Shares; generation: number }, epoch: number): Promise<Shares>
  takeEpoch(epoch: number): Promise<void>
}

export interface TrafficCapabilities {
  /** What is assigned to a slot: each request, each connection, whole replicas, or all at once. */
  readonly split: 'request' | 'connection' | 'replica' | 'switch'
  /** Smallest step of a share in percent. */
  readonly granularityPercent: number
  readonly headerPin: string | null
  /** How well it is known that the data plane follows. */
  readonly proof: 'marked' | 'reported' | 'waited'
}

export interface Observer {
  /** The newest snapshot. Never rejects: what cannot be seen is `missing`. */
  snapshot(): Promise<Snapshot>
  /** Cells of whole seconds after the cursor, each exactly once, and the cursor to go on from. */
  cells(service: ServiceName, after: CellCursor | null): Promise<CellsRead>
}

export interface CellsRead {
  readonly cells: readonly Cell[]
  /** What is dated up to this second came at times that are not known; left out where all times are known. */
  readonly sinceSecond?: number
  readonly next: CellCursor
}

/** Opaque to callers. */
export interface CellCursor {
  readonly source: string
  readonly second: number
}

/** Everything that one environment's releases need of a platform. */
/** A version in a slot, as it was found there. */
export interface FoundVersion {
  readonly slot: SlotName
  readonly revision: Revision
  /** Ready now. */
  readonly replicas: number
}

export interface FoundService {
  /** What has all the traffic and is ready; null when nothing is. */
  readonly live: FoundVersion | null
  /** What stands in other slots that a version can stay in, running or not. */
  readonly others: readonly FoundVersion[]
  /** Somebody else decides how many replicas there are. */
  readonly isScaled: boolean
  /** Who else has changed what is live, in words. */
  readonly changes: readonly string[]
}

export interface Platform {
  readonly name: string
  /** What runs, whoever put it there. Left out where nobody but moodify can change it. */
  found?(): Promise<Readonly<Record<ServiceName, FoundService>>>
  /** Looks at what it has to know to say what it can; before a plan is made. Left out where nothing is to be seen. */
  open?(): Promise<void>
  /** Ends connections that would keep the process alive. */
  close?(): void
  readonly workloads: Workloads
  readonly traffic: Traffic
  readonly observer: Observer
  readonly checks: Checks
}

export interface Checks {
  /** Sends a service's smoke tests to a slot's direct address. */
  smoke(target: SlotTarget & { tests: readonly SmokeRequest[] }, signal: AbortSignal): Promise<readonly SmokeResult[]>
  /**
   * For quiet systems: the same requests to the slot's direct address and, pinned to the slot, through the real
   * route. They are in no count of users' requests. Left out where a platform cannot.
   */
  probe?(target: SlotTarget & { tests: readonly SmokeRequest[] }, signal: AbortSignal): Promise<readonly SmokeResult[]>
}

export interface SmokeRequest {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  readonly expect: { readonly status: number; readonly body: string | null; readonly latencyMs: number | null }
}

export interface SmokeResult {
  readonly name: string
  readonly passed: boolean
  /** What was seen, in words, such as `500 in 12 ms, expected 200`. */
  readonly saw: string
}
