// What the checks remember of a run: the journal as it was written, followed without the engine, and the truth of
// the world to compare it with.
import type { ServiceName, Shares } from '../../../src/domain/names.ts'
import type { Effect } from '../../../src/engine/effect.ts'
import type { Cause, JournalRecord, RecordBody } from '../../../src/engine/record.ts'
import type { Placement, Plan, Step } from '../../../src/plan/plan.ts'
import type { Simulation } from '../simulation.ts'
import { everSince, type Moment, type WorldService } from '../world/model.ts'

export type Write =
  | {
      readonly kind: 'applyRevision' | 'rollInPlace' | 'ensureFloor' | 'retire'
      readonly service: string
      readonly slot: string
    }
  | { readonly kind: 'setShares'; readonly service: string; readonly shares: Shares; readonly generation: number }

/** Age of a snapshot that may still be decided on, and of a decision by the time it is looked at here. */
export const TRUSTED_MS = 6_500
/** The way back may rest on what was last seen. */
export const LAST_SEEN_MS = 60_000

/** A snapshot that is older than this is stale; a little more for the steps of one walk. */
const FRESH_MS = 5_050

/** From the look before an emergency write to the load balancer that follows late. */
export const EMERGENCY_MS = 10_000

export type Of<K extends RecordBody['kind']> = Extract<RecordBody, { kind: K }>
export type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>

/** A release as the journal tells it, followed without the engine. */
export interface Followed {
  readonly plan: Plan
  direction: 'forward' | 'back'
  steps: readonly Step[]
  cursor: number
  startedAtMs: number | null
  finished: string[]
  exposed: Set<ServiceName>
  cause: Cause | null
  outcome: string | null
  keepCut: boolean
  paused: boolean
  currentSinceMs: number
  waitsForPerson: boolean
  readonly fits: boolean
  /** Monitor time of the analysis under way that a runner could have counted, and how often it was torn off. */
  monitorMs: number
  gaps: number
  wasWatching: boolean
  /** Seconds in a row in which the judge could have known that a bad version gets traffic. */
  readonly knowable: Map<ServiceName, number>
  readonly released: Set<ServiceName>
}

export interface Intent {
  readonly effect: Effect
  readonly atMs: number
  readonly direction: 'forward' | 'back'
}

export interface Ledger {
  release: Followed | null
  last: JournalRecord | null
  /** What starts when the release that runs has ended. */
  queued: Plan | null
  /** The failure that the record before this one tells of. */
  failed: Of<'effectFailed'> | null
  /** When the source of counts answered last. */
  answeredAtMs: number
  frontRestartedMs: number
  refusedSeconds: number
  readonly roles: Map<ServiceName, { stable: Placement | null; previous: Placement | null }>
  readonly intents: Intent[]
  /** When each `service/slot` was written to last. */
  readonly writtenAtMs: Map<string, number>
  /** Ids of the commands that were answered. */
  readonly commanded: Set<number>
  /** `service/slot` and whether its last smoke tests passed. */
  readonly smoked: Map<string, boolean>
  /** How often each hook has run, and how often per release. */
  readonly hooks: Map<string, number>
  readonly ran: Map<string, number>
  readonly redone: Map<string, number>
  readonly told: Map<string, string>
  /** Services whose route a person has left as it was, because nothing was ready anywhere. */
  readonly insisted: Set<ServiceName>
  readonly everInsisted: Set<ServiceName>
  /** Revisions that a verdict took back. */
  readonly blamed: Set<string>
  now(): number
  truth(service: ServiceName): WorldService | undefined
  /** Whether something was so at any moment that a decision of now may rest on. */
  ever(service: ServiceName, isSo: (moment: Moment) => boolean, windowMs?: number): boolean
  /** Sums of the last `seconds`, without the newest `lag`, for an arm: `slot/revision`. */
  servedIn(service: ServiceName, arm: string, seconds: number, lag: number): { requests: number; bad: number }
  fitsRoles(member: Plan['members'][number]): boolean
  /** When the newest snapshot that the deciding runner was shown was taken, if it was whole and still fresh. */
  freshSeenAtMs(): number | null
}

export function createLedger(simulation: Simulation): Ledger {
  const now = () => simulation.scheduler.nowMs()
  const truth = (service: ServiceName) => simulation.world.services.get(service)
  const roles: Ledger['roles'] = new Map()

  function fitsRoles({ service, from }: Plan['members'][number]): boolean {
    const stable = roles.get(service)?.stable ?? null
    return stable?.slot === from?.slot && stable?.revision.id === from?.revision.id
  }

  function servedIn(
    service: ServiceName,
    arm: string,
    seconds: number,
    lag: number,
  ): { requests: number; bad: number } {
    const served = truth(service)?.served ?? []
    let requests = 0
    let bad = 0
    for (let second = served.length - 1 - lag; second >= Math.max(0, served.length - lag - seconds); second--) {
      const sum = served[second]?.get(arm)
      requests += sum?.requests ?? 0
      bad += sum?.bad ?? 0
    }
    return { requests, bad }
  }

  const ledger: Ledger = {
    release: null,
    last: null,
    queued: null,
    failed: null,
    answeredAtMs: 0,
    frontRestartedMs: Number.NEGATIVE_INFINITY,
    refusedSeconds: 0,
    roles,
    intents: [],
    writtenAtMs: new Map(),
    commanded: new Set(),
    smoked: new Map(),
    hooks: new Map(),
    ran: new Map(),
    redone: new Map(),
    told: new Map(),
    insisted: new Set(),
    everInsisted: new Set(),
    blamed: new Set(),
    now,
    truth,
    ever: (service, isSo, windowMs = TRUSTED_MS) => everSince(truth(service), now() - windowMs, isSo),
    servedIn,
    fitsRoles,
    freshSeenAtMs() {
      const { epoch } = ledger.last!
      const seen = simulation.newestSeen(epoch)
      const isFresh = seen?.snapshot.complete && simulation.processes.decidedAtMs(epoch) - seen.takenAtMs <= FRESH_MS
      return isFresh ? seen.takenAtMs : null
    },
  }
  return ledger
}

/** `slot/revision` of the candidate. */
export function armOf(followed: Followed, service: ServiceName): string {
  const { to } = followed.plan.members.find((member) => member.service === service)!
  return `${to.slot}/${to.revision.id}`
}
