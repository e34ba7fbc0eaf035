// The state of one environment: the fold of its journal, and nothing else.
import type { Actor, ReleaseId, ServiceName } from '../domain/names.ts'
import type { Verdict } from '../domain/verdict.ts'
import type { Outcome, Placement, Plan, Step } from '../plan/plan.ts'
import type { EffectId } from './effect.ts'
import type { Cause, Wait } from './record.ts'

export interface EnvironmentState {
  readonly seq: number
  readonly epoch: number
  readonly lastCommandId: number
  readonly releaseCount: number
  readonly services: Readonly<Record<ServiceName, ServiceState>>
  /** The release that runs or still keeps its old version warm; null when nothing is to be done. */
  readonly release: ReleaseState | null
  /** The release before, ended. */
  readonly last: EndedRelease | null
  /** The newest release that reached its end as released: what an undo undoes. */
  readonly lastReleased: EndedRelease | null
  /** Revisions that a release took back, by id, with the reason. */
  readonly takenBack: Readonly<Record<string, string>>
  /** A plan that starts when the current release has ended. */
  readonly queued: { readonly plan: Plan; readonly actor: Actor } | null
  /** A freeze by hand. It may be over: `lockAt` tells. */
  readonly lock: Lock | null
}

export interface Lock {
  readonly by: Actor
  /** ISO 8601 in UTC, as `until`. */
  readonly since: string
  readonly reason: string | null
  readonly until: string | null
}

export interface ServiceState {
  readonly stable: Placement | null
  /** What was live before: the target of a rollback. Its slot may be empty by now. */
  readonly previous: Placement | null
  /** Generation of the last change of shares that was decided. */
  readonly generation: number
}

export interface ReleaseState {
  readonly id: ReleaseId
  readonly plan: Plan
  readonly actor: Actor
  readonly startedAt: string
  readonly direction: 'forward' | 'back'
  /** The list that is walked: the plan's, or the way back. */
  readonly steps: readonly Step[]
  readonly cursor: number
  readonly current: CurrentStep | null
  /** Service → id of the step since which its candidate gets users' traffic. */
  readonly exposed: Readonly<Record<ServiceName, string>>
  /** Services whose candidate was applied, rolled or shifted, in order. */
  readonly touched: readonly ServiceName[]
  /** Roles before the release, for the way back. */
  readonly before: Readonly<Record<ServiceName, ServiceState>>
  readonly paused: boolean
  readonly wait: Wait | null
  readonly cause: Cause | null
  readonly outcome: Outcome | null
  readonly violation: string | null
  /** Newest verdict that stands in the journal, by service. */
  readonly verdicts: Readonly<Record<ServiceName, Verdict>>
  /** Set by `--supersede` during the keep time. */
  readonly keepCut: boolean
}

/** A step that has started. */
export interface CurrentStep {
  readonly id: string
  readonly attempt: number
  /** Intent in the journal whose result is not. */
  readonly inFlight: EffectId | null
  /** Its effect has succeeded; now facts are waited for. */
  readonly effected: boolean
  /** Its last attempt failed. */
  readonly failed: { readonly code: string; readonly reason: string; readonly retryInMs: number | null } | null
  /** A person said that the outcome of its hook is known. */
  readonly resolved: 'done' | 'redo' | null
}

export interface EndedRelease {
  readonly id: ReleaseId
  readonly plan: Plan
  readonly outcome: Outcome
  readonly cause: Cause | null
}

export const emptyState: EnvironmentState = {
  seq: 0,
  epoch: 0,
  lastCommandId: 0,
  releaseCount: 0,
  services: {},
  release: null,
  last: null,
  lastReleased: null,
  takenBack: {},
  queued: null,
  lock: null,
}

export const emptyService: ServiceState = { stable: null, previous: null, generation: 0 }

export function currentStep(release: ReleaseState): Step | null {
  return release.steps[release.cursor] ?? null
}

/** The point of no return is passed: the new version is stable, the old one only kept. */
export function isReleased(release: ReleaseState): boolean {
  return release.outcome === 'released' && release.direction === 'forward'
}

/** Roles that will hold once the current release has been ended early: what the next plan starts from. */
export function rolesAfterEnding(state: EnvironmentState): Readonly<Record<ServiceName, ServiceState>> {
  const { release } = state
  if (!release || isReleased(release)) return state.services
  if (release.direction === 'back') {
    const flips = release.steps.flatMap((step) => (step.kind === 'flip' ? [step] : []))
    const flipped = flips.map(({ service, stable, previous }) => {
      return [service, { ...(state.services[service] ?? emptyService), stable, previous }] as const
    })
    return { ...state.services, ...Object.fromEntries(flipped) }
  }
  const staying = release.plan.members
    .filter(({ service, from }) => from === null && release.exposed[service] !== undefined)
    .map(({ service, to }) => [service, { ...(state.services[service] ?? emptyService), stable: to }] as const)
  return { ...state.services, ...release.before, ...Object.fromEntries(staying) }
}
