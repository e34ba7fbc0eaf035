// What `moodify status` and the live view show: the state, what is observed, and what was last decided.
import { addCounts, type Counts, latencyQuantile, noCounts } from '../../domain/counts.ts'
import type { Role } from '../../domain/names.ts'
import { isReady, readyReplicas, type ServiceFacts, type SlotFacts } from '../../domain/snapshot.ts'
import type { Verdict } from '../../domain/verdict.ts'
import { type Phase, phaseOf } from '../../engine/admission.ts'
import { lockAt } from '../../engine/lock.ts'
import type { JournalRecord, Wait } from '../../engine/record.ts'
import { currentStep, type EnvironmentState, emptyService, type ServiceState } from '../../engine/state.ts'
import type { Outcome, Placement } from '../../plan/plan.ts'
import { stepInWords } from '../../plan/words.ts'
import type { RecentCells } from '../../verbs/recent-cells.ts'
import type { StatusFacts } from '../../verbs/status.ts'
import { decisionInWords } from './timeline.ts'

export interface StatusReport {
  readonly environment: string
  readonly platform: string
  readonly application: string
  /** Where users reach it; null when the platform is down. */
  readonly url: string | null
  readonly at: string
  readonly phase: Phase
  /** Null when no runner is alive. */
  readonly runnerPid: number | null
  /** A release is under way and nobody watches it. */
  readonly unwatched: boolean
  readonly release: ReleaseReport | null
  readonly last: {
    readonly id: string
    readonly version: string
    readonly outcome: Outcome
    readonly reason: string | null
  } | null
  readonly services: readonly ServiceReport[]
  /** Parts of the platform that did not answer. */
  readonly missing: readonly string[]
  /** What of the journal cannot be read; what stands here of releases ends before it. */
  readonly damage?: string | null
  /** No new release starts; null when nothing is locked. */
  readonly lock?: LockReport | null
  readonly decisions: readonly { readonly seq: number; readonly at: string; readonly text: string }[]
}

export interface LockReport {
  readonly by: string
  /** ISO 8601 in UTC, as `until`, which is null until somebody unlocks. */
  readonly since: string
  readonly until: string | null
  readonly reason: string | null
}

export interface ReleaseReport {
  readonly id: string
  readonly version: string
  readonly strategy: string
  readonly direction: 'forward' | 'back'
  readonly actor: string
  readonly startedAt: string
  readonly paused: boolean
  readonly outcome: Outcome | null
  readonly step: {
    readonly number: number
    readonly of: number
    readonly says: string
    readonly startedAt: string | null
  } | null
  readonly wait: (Wait & { readonly since: string }) | null
  /** The step's last attempt failed; null when it did not, or nothing was tried yet. */
  readonly failed: { readonly reason: string; readonly retryInMs: number | null } | null
  readonly cause: string | null
  /** What was known of the candidate some seconds ago, by service. */
  readonly judged?: readonly { readonly service: string; readonly verdict: Verdict }[]
}

export interface ServiceReport {
  readonly name: string
  readonly slots: readonly SlotReport[]
}

export interface SlotReport {
  readonly slot: string
  readonly role: Role | null
  readonly version: string | null
  /** Ready replicas by version: more than one while the slot rolls. */
  readonly readyByVersion: Readonly<Record<string, number>>
  readonly sharePercent: number
  readonly ready: number
  readonly desired: number
  readonly restarts: number
  readonly crashLooping: boolean
  readonly inFlight: number
  /** Over the last ten seconds; null without any request. */
  /** Null where it is not known. */
  readonly requestsPerSecond: number | null
  readonly errorPercent: number | null
  readonly p95Ms: number | null
}

export function statusReport(input: StatusFacts): StatusReport {
  const { state, records, snapshot } = input
  const { release, last } = state
  return {
    environment: input.environment,
    platform: input.platform,
    application: input.application,
    url: input.url,
    at: input.now,
    phase: phaseOf(state),
    runnerPid: input.runnerPid,
    unwatched: release !== null && input.runnerPid === null,
    release: release ? { ...releaseReport(state, records), judged: judgedOf(input) } : null,
    last: last && {
      id: last.id,
      version: last.plan.version,
      outcome: last.outcome,
      reason: last.cause?.reason ?? null,
    },
    services: input.services.map((name) =>
      serviceReport(name, state, snapshot.services[name], input.cells[name] ?? null),
    ),
    missing: snapshot.missing,
    damage: input.damage ?? null,
    lock: lockReport(state, input.now),
    decisions: records
      .flatMap((record) => {
        const text = decisionInWords(record)
        return text === null ? [] : [{ seq: record.seq, at: record.at, text }]
      })
      .slice(-8),
  }
}

function judgedOf({ judged = {} }: StatusFacts): NonNullable<ReleaseReport['judged']> {
  return Object.entries(judged).map(([service, verdict]) => ({ service, verdict }))
}

function lockReport(state: EnvironmentState, now: string): LockReport | null {
  const lock = lockAt(state, now)
  return lock && { ...lock, by: lock.by.name }
}

function releaseReport(state: EnvironmentState, records: readonly JournalRecord[]): ReleaseReport {
  const release = state.release!
  const step = currentStep(release)
  const mine = records.filter((record) => record.release === release.id)
  const started = mine.findLast((record) => record.body.kind === 'stepStarted' && record.body.step.id === step?.id)
  const waiting = mine.findLast((record) => record.body.kind === 'waiting')
  return {
    id: release.id,
    version: release.plan.version,
    strategy: release.plan.strategy,
    direction: release.direction,
    actor: release.actor.name,
    startedAt: release.startedAt,
    paused: release.paused,
    outcome: release.outcome,
    step: step && {
      number: release.cursor + 1,
      of: release.steps.length,
      says: stepInWords(step),
      startedAt: release.current ? (started?.at ?? null) : null,
    },
    wait: release.wait && { ...release.wait, since: (started ?? waiting)?.at ?? release.startedAt },
    failed: release.current?.failed ?? null,
    cause: release.cause?.reason ?? null,
  }
}

function serviceReport(
  name: string,
  state: EnvironmentState,
  facts: ServiceFacts | undefined,
  recent: RecentCells | null,
): ServiceReport {
  const slots = new Set([...Object.keys(facts?.slots ?? {}), ...Object.keys(facts?.route.shares ?? {})])
  const service = state.services[name] ?? emptyService
  const member = state.release?.plan.members.find((one) => one.service === name)
  return {
    name,
    slots: [...slots].sort().map((slot) => {
      const found = facts?.slots[slot]
      const known = [service.stable, service.previous, member?.visit, member?.to, member?.from].flatMap((placement) =>
        placement?.slot === slot ? [placement] : [],
      )
      // Where the workloads do not answer, the journal still knows what was put there.
      const placement = known.find((one) => !found || one.revision.id === found.desiredRevision) ?? null
      return {
        slot,
        role: roleOf(slot, service, placement !== null, [member?.visit?.slot, member?.to.slot]),
        version: placement?.revision.version ?? found?.desiredRevision ?? null,
        readyByVersion: readyByVersion(found, known),
        sharePercent: facts?.route.shares[slot] ?? 0,
        ready: readyReplicas(found),
        desired: found?.desiredReplicas ?? 0,
        restarts: (found?.replicas ?? []).reduce((sum, replica) => sum + replica.restarts, 0),
        crashLooping: (found?.replicas ?? []).some((replica) => replica.crashLooping),
        inFlight: facts?.route.slots[slot]?.inFlight ?? 0,
        ...ratesOf(recent, slot),
      }
    }),
  }
}

function readyByVersion(slot: SlotFacts | undefined, known: readonly Placement[]): Record<string, number> {
  const ready: Record<string, number> = {}
  for (const replica of (slot?.replicas ?? []).filter(isReady)) {
    const placement = known.find(({ revision }) => revision.id === replica.revision)
    const version = placement?.revision.version ?? replica.revision
    ready[version] = (ready[version] ?? 0) + 1
  }
  return ready
}

function roleOf(
  slot: string,
  service: ServiceState,
  occupied: boolean,
  candidateSlots: readonly (string | undefined)[],
): Role | null {
  if (service.stable?.slot === slot) return 'stable'
  if (!occupied) return null
  if (candidateSlots.includes(slot)) return 'candidate'
  return service.previous?.slot === slot ? 'previous' : null
}

function ratesOf(
  recent: RecentCells | null,
  slot: string,
): Pick<SlotReport, 'requestsPerSecond' | 'errorPercent' | 'p95Ms'> {
  if (!recent || recent.seconds === 0) return { requestsPerSecond: null, errorPercent: null, p95Ms: null }
  const cells = recent.cells.filter((cell) => cell.slot === slot)
  const total = cells.reduce((sum: Counts, cell) => addCounts(sum, cell), noCounts)
  return {
    requestsPerSecond: Math.round((total.requests / recent.seconds) * 10) / 10,
    errorPercent: total.requests === 0 ? null : (100 * total.failures) / total.requests,
    p95Ms: latencyQuantile(total, 0.95),
  }
}
