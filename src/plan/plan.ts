// A plan is data: what a release will do, step by step, fixed before it starts. The engine walks it; `moodify
// plan` prints it; the journal keeps it. It holds everything the engine needs, so a change of moodify.yaml in
// the middle of a release changes nothing.
import type { HookConfig, HookName, SmokeTest, Triggers } from '../config/config.ts'
import type { EnvironmentName, ServiceName, Shares, SlotName, StrategyName } from '../domain/names.ts'
import type { Revision } from '../domain/revision.ts'

/** A revision in the slot that runs it. */
export interface Placement {
  readonly slot: SlotName
  readonly revision: Revision
  readonly replicas: number
}

/** One service of a release. */
export interface Member {
  readonly service: ServiceName
  /** What serves the traffic before the release; null on the first release of a service. */
  readonly from: Placement | null
  /** `from` was found by the platform: the journal knows nothing of it yet. */
  readonly isAdopted?: true
  /** Where the new version is tried first, on platforms where it then moves. */
  readonly visit?: Placement
  readonly to: Placement
  /** Users stay with one version: shares hold of users, and only roughly of requests. */
  readonly affinity?: true
}

interface StepBase {
  /** Unique within its list and stable over versions: `backend.shift-10`. */
  readonly id: string
}
interface MemberStep extends StepBase {
  readonly service: ServiceName
}

export type Step =
  | (MemberStep & { readonly kind: 'prepare'; readonly revision: Revision })
  | (StepBase & { readonly kind: 'hook'; readonly name: HookName; readonly hook: HookConfig })
  /** Applies a revision and waits until its replicas are ready. */
  | (MemberStep & { readonly kind: 'apply'; readonly placement: Placement; readonly withinMs: number })
  | (MemberStep & { readonly kind: 'check'; readonly slot: SlotName; readonly tests: readonly SmokeTest[] })
  | (MemberStep & { readonly kind: 'approve'; readonly withinMs: number })
  /** Changes shares and waits for the proof that the data plane follows. */
  | (MemberStep & { readonly kind: 'shift'; readonly shares: Shares; readonly withinMs: number })
  | (MemberStep & {
      readonly kind: 'analyse'
      readonly weightPercent: number
      readonly monitorMs: number
      /** It ends as soon as the verdict is healthy. */
      readonly early?: boolean
    })
  /** Replaces the replicas of a slot by those of a revision, one by one, and waits for the last. */
  | (MemberStep & {
      readonly kind: 'roll'
      readonly placement: Placement
      readonly minReadyMs: number
      readonly withinMs: number
    })
  /** The role flip: from here on this placement is stable. */
  | (MemberStep & { readonly kind: 'flip'; readonly stable: Placement; readonly previous: Placement | null })
  /** Waits until nothing that was assigned to the slot is in flight any more. */
  | (MemberStep & { readonly kind: 'drain'; readonly slot: SlotName; readonly drainMs: number })
  | (StepBase & { readonly kind: 'mark'; readonly outcome: Outcome })
  | (StepBase & { readonly kind: 'notify'; readonly event: string; readonly webhook: string })
  /** The old version stays warm, the new one is watched. */
  | (StepBase & { readonly kind: 'keep'; readonly keepMs: number })
  /** Ends a slot's replicas and waits until they are gone. */
  | (MemberStep & { readonly kind: 'retire'; readonly slot: SlotName; readonly drainMs: number })

export type StepKind = Step['kind']

export const outcomes = ['released', 'rolled-back', 'failed'] as const
/** `failed`: it ended before any traffic was touched. */
export type Outcome = (typeof outcomes)[number]

/** What decides when the analysis has no answer. */
export interface UnknownPolicy {
  readonly unknownMs: number
  readonly onUnknown: 'hold' | 'rollback'
  readonly onNoTraffic: 'advance-on-health' | 'hold'
}

export interface Plan {
  readonly environment: EnvironmentName
  readonly strategy: StrategyName
  readonly version: string
  readonly members: readonly Member[]
  readonly steps: readonly Step[]
  readonly triggers: Triggers
  readonly unknown: UnknownPolicy
  /** Waits, hooks and drains of the way back. */
  readonly back: {
    readonly readyMs: number
    readonly proofMs: number
    readonly drainMs: Readonly<Record<ServiceName, number>>
    readonly minReadyMs: number
    readonly hook: HookConfig | null
    readonly webhook: string | null
  }
  readonly peakReplicas: Readonly<Record<ServiceName, number>>
  /** Longest time until it is released when nothing waits for a person; milliseconds. */
  readonly longestMs: number
  /** What the user should know before it starts: roundings, weaker promises. */
  readonly notes: readonly string[]
}
