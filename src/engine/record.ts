// What stands in the journal. Records are only ever added to: a new field is optional, a new kind raises
// RECORD_VERSION, because `evolve` of an older moodify could not fold it.
//
// A record is written with the version that its kind came with. So a journal in which nothing newer stands can still
// be read by an older moodify.
import type { Actor, EnvironmentName, ReleaseId, ServiceName } from '../domain/names.ts'
import type { Verdict } from '../domain/verdict.ts'
import type { Outcome, Placement, Plan, Step } from '../plan/plan.ts'
import type { Effect, EffectId } from './effect.ts'

/** The newest that can be folded here. */
export const RECORD_VERSION = 2

/** Kinds that did not exist from the start. */
const since: Readonly<Partial<Record<RecordKind, number>>> = { locked: 2, unlocked: 2 }

/** The version that a record is written with. */
export function recordVersion({ kind }: RecordBody): number {
  return since[kind] ?? 1
}

/** What a person or a pipeline can ask of an environment. */
export type Command =
  | { readonly verb: 'deploy'; readonly plan: Plan; readonly supersede: boolean; readonly again: boolean }
  | { readonly verb: 'rollback'; readonly to: RollbackTarget; readonly plan: Plan | null }
  | { readonly verb: 'retry'; readonly plan: Plan | null }
  | { readonly verb: 'promote' | 'pause' | 'continue' | 'abort' }
  | { readonly verb: 'resolve'; readonly hook: string; readonly as: 'done' | 'redo' }
  /** `until` as ISO 8601 in UTC; null is until somebody unlocks. */
  | { readonly verb: 'lock'; readonly reason: string | null; readonly until: string | null }
  | { readonly verb: 'unlock' }
export type Verb = Command['verb']

export const rollbackTargets = ['undo', 'blue-green', 'canary', 'rolling', 'version'] as const
export type RollbackTarget = (typeof rollbackTargets)[number]

/** What a release waits for. Every wait has an exit. */
export interface Wait {
  readonly blocker: string
  /** Time until something else happens, counted from the start of the step; null when only a person moves it. */
  readonly deadlineMs: number | null
  readonly atDeadline: string
  /** The command that moves it. */
  readonly next: string
  /** True when a person should be told: it will not go on by itself. */
  readonly needsPerson: boolean
}

/** Why a release goes back. `changed`: what it started from is not so any more, and its version is not to blame. */
export interface Cause {
  readonly kind: 'verdict' | 'step-failed' | 'asked' | 'superseded' | 'deadline' | 'changed'
  readonly reason: string
  readonly verdict: Verdict | null
}

export type RecordBody =
  | { readonly kind: 'epochTaken'; readonly runner: string; readonly moodify: string }
  | {
      readonly kind: 'commanded'
      readonly commandId: number
      readonly command: Exclude<Command, { plan: unknown }> | { readonly verb: Verb }
      readonly accepted: boolean
    }
  | { readonly kind: 'releaseStarted'; readonly release: ReleaseId; readonly plan: Plan }
  | { readonly kind: 'stepStarted'; readonly step: Step; readonly effect: Effect | null; readonly attempt: number }
  | { readonly kind: 'effectSucceeded'; readonly id: EffectId }
  | {
      readonly kind: 'effectFailed'
      readonly id: EffectId
      readonly code: string
      readonly retryInMs: number | null
    }
  | {
      readonly kind: 'stepFinished'
      readonly step: Step
      /** Of an `analyse`: the verdict it rests on, and what let it pass. */
      readonly verdict: Verdict | null
      readonly passedBy: 'facts' | 'verdict' | 'policy' | 'person' | 'skipped'
    }
  | { readonly kind: 'waiting'; readonly wait: Wait | null }
  | { readonly kind: 'warned'; readonly verdict: Verdict }
  | { readonly kind: 'turnedBack'; readonly cause: Cause; readonly steps: readonly Step[] }
  | { readonly kind: 'keepCut'; readonly release: ReleaseId }
  | {
      readonly kind: 'rolesChanged'
      readonly service: ServiceName
      readonly stable: Placement | null
      readonly previous: Placement | null
    }
  | { readonly kind: 'paused' }
  | { readonly kind: 'continued' }
  | { readonly kind: 'queued'; readonly plan: Plan }
  | { readonly kind: 'resolved'; readonly hook: string; readonly as: 'done' | 'redo' }
  | { readonly kind: 'locked'; readonly reason: string | null; readonly until: string | null }
  | { readonly kind: 'unlocked' }
  | { readonly kind: 'outcomeReached'; readonly outcome: Outcome }
  | { readonly kind: 'violated'; readonly predicate: string }
  | { readonly kind: 'releaseEnded'; readonly outcome: Outcome }

export type RecordKind = RecordBody['kind']

/** What the engine decided: a record to append, and why. */
export interface Decision {
  readonly body: RecordBody
  readonly reason: string
  readonly actor: Actor
}

/** A decision as it stands in the journal. */
export interface JournalRecord extends Decision {
  readonly version: number
  readonly seq: number
  /** Wall time of the writer, ISO 8601 in UTC; for display only. */
  readonly at: string
  readonly epoch: number
  readonly environment: EnvironmentName
  readonly release: ReleaseId | null
}
