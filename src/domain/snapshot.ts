import type { ServiceName, Shares, SlotName } from './names.ts'

/** What is known of one replica at the time of a snapshot. */
export interface ReplicaFacts {
  readonly id: string
  /** Id of the revision it runs. */
  readonly revision: string
  /** Its process (or pod) is running. */
  readonly running: boolean
  /** Startup and readiness probes pass: it may receive traffic. */
  readonly ready: boolean
  /** Restarts since it was created. */
  readonly restarts: number
  /** It keeps exiting and is restarted with growing pauses. */
  readonly crashLooping: boolean
  /** A probe that had passed before fails now, or it never became ready in its time. */
  readonly failingHealth: boolean
  /** It is being drained or ended on purpose. */
  readonly ending: boolean
  readonly startedAgoMs: number
  /** What keeps it from running or being ready, in the platform's own words, with the last lines it wrote. */
  readonly trouble?: Trouble
}

export interface Trouble {
  readonly reason: string
  /** It will not go away by waiting. */
  readonly isFinal: boolean
}

export interface SlotFacts {
  /** Revision that the slot is meant to run; null when it is empty. */
  readonly desiredRevision: string | null
  readonly desiredReplicas: number
  readonly replicas: readonly ReplicaFacts[]
  /** Why it does not even have the replicas it should, such as a quota. */
  readonly trouble?: Trouble
}

/** The traffic side of one slot, as the data plane reports it. */
export interface SlotTraffic {
  /** Requests and streams being answered now; null where the data plane does not tell. */
  readonly inFlight: number | null
  /** How long the slot has had no share, by the data plane's own clock; null while it has one. */
  readonly outOfRotationMs: number | null
  /** Endpoints that the data plane may send to. */
  readonly endpoints: number
}

export interface RouteFacts {
  /** Generation of the shares that the data plane follows, proven at the level it can. */
  readonly generation: number
  readonly shares: Shares
  readonly slots: Readonly<Record<SlotName, SlotTraffic>>
  /** What the slots really get, where shares are those of replicas and can only come near. */
  readonly effectiveShares?: Shares
  /** The slot behind the address that users have, also while a route sends all of them elsewhere. */
  readonly selected?: SlotName
  /** A newer change that was written and is not known to be followed yet, and what speaks against it, in words. */
  readonly behind?: { readonly generation: number; readonly reason: string }
}

export interface ServiceFacts {
  readonly slots: Readonly<Record<SlotName, SlotFacts>>
  readonly route: RouteFacts
}

/** What adapters know of an environment. Stale or partial ones say so; nothing is decided on those. */
export interface Snapshot {
  readonly observedAgoMs: number
  /** False when a part of the platform did not answer. */
  readonly complete: boolean
  /** What did not answer, in words, when `complete` is false. */
  readonly missing: readonly string[]
  readonly services: Readonly<Record<ServiceName, ServiceFacts>>
}

export const emptySlot: SlotFacts = { desiredRevision: null, desiredReplicas: 0, replicas: [] }

/** Replicas of a revision that may receive traffic now. */
export function readyReplicas(slot: SlotFacts | undefined, revision?: string): number {
  if (!slot) return 0
  return slot.replicas.filter((replica) => isReady(replica) && (!revision || replica.revision === revision)).length
}

export function isReady(replica: ReplicaFacts): boolean {
  return replica.running && replica.ready && !replica.ending
}
