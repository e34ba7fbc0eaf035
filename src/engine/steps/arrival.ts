// When a started step is done: facts are compared with what it wanted. Level-triggered: only the newest
// snapshot counts, a missed one changes nothing.
import { drainRule } from '../../domain/drain.ts'
import { isReady, type ReplicaFacts, type Trouble } from '../../domain/snapshot.ts'
import { isQuiet, type Verdict } from '../../domain/verdict.ts'
import type { Step } from '../../plan/plan.ts'
import type { Cause, RecordBody, Wait } from '../record.ts'
import { type EnvironmentState, emptyService, isReleased, type ReleaseState } from '../state.ts'
import type { Tick, Watch } from '../watch.ts'
import { type Blocked, blockedOn, unseen } from './blocked.ts'
import { FOLLOW_MS, isRunning, rotationOf } from './start.ts'

export type Arrival =
  | {
      readonly kind: 'arrived'
      readonly reason: string
      readonly by?: Extract<RecordBody, { kind: 'stepFinished' }>['passedBy']
      readonly verdict?: Verdict
    }
  | { readonly kind: 'fails'; readonly cause: Cause['kind']; readonly reason: string; readonly verdict?: Verdict }
  | Blocked

export function arrival(state: EnvironmentState, release: ReleaseState, step: Step, tick: Tick, watch: Watch): Arrival {
  switch (step.kind) {
    case 'apply':
    case 'roll':
      return unseen(tick) ?? placementArrival(release, step, tick)
    case 'shift':
      return unseen(tick) ?? shiftArrival(state, release, step, tick)
    case 'analyse':
      return analyseArrival(release, step, tick, watch)
    case 'approve':
      return blockedOn(
        {
          blocker: `approval of ${release.plan.version}`,
          deadlineMs: step.withinMs,
          atDeadline: 'the release goes back',
          next: 'moodify promote, or moodify abort',
          needsPerson: true,
        },
        true,
      )
    case 'drain':
      return unseen(tick) ?? drainArrival(step, tick, watch)
    case 'keep':
      return keepArrival(release, step, watch)
    case 'retire':
      return unseen(tick) ?? retireArrival(step, tick)
    case 'prepare':
    case 'hook':
    case 'check':
    case 'notify':
    case 'flip':
    case 'mark':
      return { kind: 'arrived', reason: 'done' }
  }
}

function placementArrival(release: ReleaseState, step: Extract<Step, { kind: 'apply' | 'roll' }>, tick: Tick): Arrival {
  const { placement, service } = step
  const { slot, revision, replicas } = placement
  if (isRunning(tick.snapshot, service, placement)) {
    return { kind: 'arrived', reason: `${replicas} × ${revision.version} ready in ${slot}` }
  }
  const facts = tick.snapshot.services[service]?.slots[slot]
  const mine = (facts?.replicas ?? []).filter((replica) => replica.revision === revision.id)
  const hopeless = release.direction === 'forward' ? hopelessness(mine, facts?.trouble) : null
  if (hopeless) return { kind: 'fails', cause: 'step-failed', reason: `${service} ${revision.version} ${hopeless}` }
  const trouble = facts?.trouble ?? mine.find((replica) => replica.trouble && !isReady(replica))?.trouble
  return blockedOn(
    waitFor({
      blocker: `${service} ${revision.version} in ${slot} is not ready yet${trouble ? `: ${trouble.reason}` : ''}`,
      deadlineMs: step.withinMs,
      atDeadline: release.direction === 'forward' ? 'the release goes back' : 'it is said again',
      next: `moodify logs --slot ${slot}, or moodify abort`,
    }),
    true,
  )
}

/** Why it is no use to wait any longer; null while it may be. */
function hopelessness(replicas: readonly ReplicaFacts[], trouble: Trouble | undefined): string | null {
  const looping = replicas.find((replica) => replica.crashLooping)
  if (looping) {
    const why = looping.trouble ? `: ${looping.trouble.reason}` : ''
    const { id, restarts } = looping
    return `keeps exiting (replica ${id}, ${restarts} restart${restarts === 1 ? '' : 's'})${why}`
  }
  const stuck = replicas.find((replica) => replica.trouble?.isFinal)
  if (stuck) return `does not start (replica ${stuck.id}): ${stuck.trouble!.reason}`
  return trouble?.isFinal ? `gets no replicas: ${trouble.reason}` : null
}

function shiftArrival(
  state: EnvironmentState,
  release: ReleaseState,
  step: Extract<Step, { kind: 'shift' }>,
  tick: Tick,
): Arrival {
  const route = tick.snapshot.services[step.service]?.route
  const { generation } = state.services[step.service] ?? emptyService
  if (route && route.generation >= generation && sameShares(route.shares, step.shares)) {
    return { kind: 'arrived', reason: `the data plane follows (generation ${route.generation})` }
  }
  const why = route?.behind?.generation === generation ? `: ${route.behind.reason}` : ''
  return blockedOn(
    waitFor({
      blocker: `the data plane does not follow generation ${generation} of ${step.service} yet${why}`,
      deadlineMs: step.withinMs,
      atDeadline: release.direction === 'forward' ? 'the release goes back' : 'it is said again',
      next: 'moodify doctor, or moodify abort',
    }),
    true,
  )
}

export function sameShares(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean {
  const slots = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...slots].every((slot) => (a[slot] ?? 0) === (b[slot] ?? 0))
}

/** Requests of the prober that show a candidate without traffic to be well. */
const ENOUGH_PROBES = 3

function analyseArrival(
  release: ReleaseState,
  step: Extract<Step, { kind: 'analyse' }>,
  tick: Tick,
  watch: Watch,
): Arrival {
  const verdict = tick.verdicts[step.service]?.verdict ?? null
  const { unknown } = release.plan
  const deadlineMs = step.monitorMs + unknown.unknownMs
  const isShown = step.early === true && verdict?.kind === 'healthy'
  const timeIsOver = watch.monitorMs >= step.monitorMs || isShown
  const missing = timeIsOver ? unseen(tick) : null
  if (missing) return missing
  if (timeIsOver && verdict?.kind === 'healthy') {
    return { kind: 'arrived', by: 'verdict', reason: verdict.reason, verdict }
  }
  if (
    timeIsOver &&
    verdict &&
    isQuiet(verdict) &&
    isAnswering(verdict) &&
    unknown.onNoTraffic === 'advance-on-health'
  ) {
    const reason = `no traffic to judge by: advanced on health checks alone, as onNoTraffic says (${verdict.reason})`
    return { kind: 'arrived', by: 'policy', reason, verdict }
  }
  if (watch.waitedMs >= deadlineMs && unknown.onUnknown === 'rollback' && verdict?.kind !== 'healthy') {
    const reason = `still nothing known of ${step.service} at ${step.weightPercent} %: ${verdict?.reason ?? 'no verdict'}`
    return { kind: 'fails', cause: 'deadline', reason, ...(verdict ? { verdict } : {}) }
  }
  const doubt = timeIsOver || verdict?.rule === 'no-data'
  return blockedOn(
    waitFor({
      blocker: doubt
        ? `the analysis at ${step.weightPercent} % cannot tell: ${verdict?.rule ?? 'no verdict'}`
        : `the analysis at ${step.weightPercent} %`,
      deadlineMs: doubt ? deadlineMs : step.monitorMs,
      atDeadline:
        doubt && unknown.onUnknown === 'rollback'
          ? 'the release goes back'
          : doubt
            ? 'it goes on holding'
            : 'it advances when healthy',
      next: 'moodify promote, or moodify abort',
    }),
    false,
  )
}

/** Where there is a prober, enough of its requests must have passed; elsewhere the replicas' own checks have to do. */
function isAnswering({ probes }: Verdict): boolean {
  return probes === undefined || (probes.sent >= ENOUGH_PROBES && probes.passed === probes.sent)
}

function drainArrival(step: Extract<Step, { kind: 'drain' }>, tick: Tick, watch: Watch): Arrival {
  const answer = drainRule(rotationOf(tick.snapshot, step.service, step.slot), step.drainMs)
  if (answer.mayEnd) return { kind: 'arrived', reason: answer.reason }
  return blockedOn(
    waitFor({
      blocker: `requests in flight in ${step.slot}`,
      // The data plane may have followed some time after the step began.
      deadlineMs: watch.waitedMs < step.drainMs ? step.drainMs : step.drainMs + FOLLOW_MS,
      atDeadline: 'what is left is cut',
      next: 'moodify abort',
    }),
    false,
  )
}

function keepArrival(release: ReleaseState, step: Extract<Step, { kind: 'keep' }>, watch: Watch): Arrival {
  if (release.keepCut) return { kind: 'arrived', reason: 'the next release has cut the keep time' }
  if (watch.waitedMs >= step.keepMs) return { kind: 'arrived', reason: 'the keep time is over' }
  return blockedOn(
    waitFor({
      blocker: isReleased(release) ? 'released; the old version is kept warm' : 'the old version is kept warm',
      deadlineMs: step.keepMs,
      atDeadline: 'the old version ends',
      next: 'moodify rollback puts the old version back at once',
    }),
    false,
  )
}

function retireArrival(step: Extract<Step, { kind: 'retire' }>, tick: Tick): Arrival {
  const slot = tick.snapshot.services[step.service]?.slots[step.slot]
  if (!slot || (slot.desiredReplicas === 0 && slot.replicas.length === 0)) {
    return { kind: 'arrived', reason: `${step.slot} is empty` }
  }
  return blockedOn(
    waitFor({
      blocker: `replicas of ${step.slot} are ending`,
      deadlineMs: null,
      atDeadline: 'they are killed after their grace time',
      next: 'moodify status -w',
    }),
    false,
  )
}

function waitFor(wait: Omit<Wait, 'needsPerson'>): Wait {
  return { ...wait, needsPerson: false }
}
