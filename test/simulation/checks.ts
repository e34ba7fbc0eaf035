// What must be true, said a second time and without a look at src/engine: over the truth of the world and over the
// plan as it was typed. Each check has a name; a violation names it.
//
// The engine cannot know the truth of this moment, only what it has seen. So facts are compared with "was it so at
// any moment since the oldest snapshot that may be trusted".
import type { ServiceName, Shares } from '../../src/domain/names.ts'
import type { ReplicaFacts, ServiceFacts } from '../../src/domain/snapshot.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { Cause, Command, JournalRecord, RecordBody } from '../../src/engine/record.ts'
import type { Placement, Plan, Step } from '../../src/plan/plan.ts'
import type { Simulation } from './simulation.ts'
import { DRAIN_MS, everSince, inWords, type Moment, sameShares, type WorldService } from './world.ts'

export type Write =
  | {
      readonly kind: 'applyRevision' | 'rollInPlace' | 'ensureFloor' | 'retire'
      readonly service: string
      readonly slot: string
    }
  | { readonly kind: 'setShares'; readonly service: string; readonly shares: Shares; readonly generation: number }

/** Age of a snapshot that may still be decided on, and of a decision by the time it is looked at here. */
const TRUSTED_MS = 6_500
/** The way back may rest on what was last seen. */
const LAST_SEEN_MS = 60_000

/** From the look before an emergency write to the load balancer that follows late. */
const EMERGENCY_MS = 10_000

type Of<K extends RecordBody['kind']> = Extract<RecordBody, { kind: K }>
type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>

/** A release as the journal tells it, followed without the engine. */
interface Followed {
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
  /** Codes of the failures of the current step. */
  failures: string[]
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

export function createChecks(simulation: Simulation) {
  const { scheduler, scenario, violate } = simulation
  const now = () => scheduler.nowMs()
  const roles = new Map<ServiceName, { stable: Placement | null; previous: Placement | null }>()
  const intents: Intent[] = []
  const commanded = new Set<number>()
  const smoked = new Map<string, boolean>()
  const hooks = new Map<string, number>()
  const told = new Map<string, string>()
  const insisted = new Set<ServiceName>()
  const everInsisted = new Set<ServiceName>()
  /** Revisions that a verdict took back. */
  const blamed = new Set<string>()
  const redone = new Map<string, number>()
  let release: Followed | null = null
  let last: JournalRecord | null = null
  let silentSinceMs: number | null = null
  let refusedSeconds = 0

  const truth = (service: ServiceName): WorldService | undefined => simulation.world.services.get(service)
  const ever = (service: ServiceName, isSo: (moment: Moment) => boolean, windowMs = TRUSTED_MS) =>
    everSince(truth(service), now() - windowMs, isSo)

  // --- the journal ----------------------------------------------------------------------------------------

  function onRecord(record: JournalRecord) {
    const { body } = record
    simulation.note(() => `  #${record.seq} ${inRecordWords(record)}`)
    if (last && record.epoch < last.epoch) violate('one writer', `epoch ${record.epoch} writes after ${last.epoch}`)
    if (record.reason.trim() === '') violate('everything has a reason', `${body.kind} has none`)
    last = record
    switch (body.kind) {
      case 'epochTaken':
      case 'effectSucceeded':
      case 'warned':
        return
      case 'queued':
        return
      case 'effectFailed':
        if (release) release.failures.push(body.code)
        return
      case 'resolved':
        if (body.as === 'redo') redone.set(body.hook, (redone.get(body.hook) ?? 0) + 1)
        return
      case 'paused':
      case 'continued':
        if (release) release.paused = body.kind === 'paused'
        return
      case 'commanded':
        return onCommanded(body)
      case 'releaseStarted':
        return onReleaseStarted(body)
      case 'stepStarted':
        return onStepStarted(body)
      case 'stepFinished':
        return onStepFinished(body)
      case 'waiting':
        return onWaiting(body)
      case 'turnedBack':
        return onTurnedBack(body)
      case 'keepCut':
        if (release) release.keepCut = true
        return
      case 'rolesChanged':
        return onRolesChanged(body)
      case 'outcomeReached':
        if (release) release.outcome = body.outcome
        return expectCurrent('outcomeReached', (step) => step.kind === 'mark' && step.outcome === body.outcome)
      case 'violated':
        return violate('the engine keeps its own invariants', body.predicate)
      case 'releaseEnded':
        return onReleaseEnded()
    }
  }

  function expectCurrent(what: string, isRight: (step: Step) => boolean) {
    const step = release?.steps[release.cursor]
    if (!step || !isRight(step))
      violate('nothing early or skipped', `${what} although the step is ${step?.id ?? 'none'}`)
  }

  function onCommanded({ commandId, accepted }: Of<'commanded'>) {
    if (commanded.has(commandId)) violate('no command is lost', `command ${commandId} is answered twice`)
    for (let id = 1; id < commandId; id++) {
      if (!commanded.has(id)) violate('no command is lost', `command ${commandId} is answered before ${id}`)
    }
    commanded.add(commandId)
    const { command } = simulation.store.commands[commandId - 1]!
    if (accepted) mayBeAccepted(command)
    else mayBeRefused(command)
  }

  function mayBeAccepted(command: Command) {
    if (command.verb !== 'deploy') return
    const takenBack = command.plan.members.find(({ to }) => blamed.has(to.revision.id))
    if (takenBack && !command.again)
      violate(
        'what was taken back is remembered',
        `${takenBack.to.revision.id} is shipped again without being asked to`,
      )
    if (release && !command.supersede)
      violate('one release at a time', 'a deploy is accepted while another release runs')
  }

  /** The way back is never closed while a release has traffic and something to go back to. */
  function mayBeRefused(command: Command) {
    const asksBack = command.verb === 'abort' || (command.verb === 'rollback' && command.to === 'undo')
    if (!asksBack || !release || release.direction === 'back' || release.exposed.size === 0) return
    if (release.plan.strategy === 'rollback' || release.plan.members.some(({ from }) => from === null)) return
    if (command.verb === 'abort' && release.outcome === 'released') return
    violate('the way back is never closed', `${command.verb} is refused while ${release.plan.version} has traffic`)
  }

  function onReleaseStarted({ plan }: Of<'releaseStarted'>) {
    if (release) violate('one release at a time', `${plan.version} starts while ${release.plan.version} runs`)
    const fits = plan.members.every(({ service, from }) => {
      const stable = roles.get(service)?.stable ?? null
      return stable?.slot === from?.slot && stable?.revision.id === from?.revision.id
    })
    release = {
      plan,
      direction: 'forward',
      steps: plan.steps,
      cursor: 0,
      startedAtMs: null,
      finished: [],
      exposed: new Set(),
      cause: null,
      outcome: null,
      keepCut: false,
      paused: false,
      currentSinceMs: now(),
      failures: [],
      waitsForPerson: false,
      fits,
      monitorMs: 0,
      gaps: 0,
      wasWatching: true,
      knowable: new Map(),
      released: new Set(),
    }
  }

  function onStepStarted({ step, effect }: Of<'stepStarted'>) {
    if (!release) return violate('nothing early or skipped', `${step.id} starts without a release`)
    expectCurrent(`${step.id} starts`, (current) => current.id === step.id)
    if (release.startedAtMs === null) Object.assign(release, { monitorMs: 0, gaps: 0, wasWatching: true })
    if (release.paused && release.direction === 'forward' && release.startedAtMs === null)
      violate('a pause holds', `${step.id} starts while it is paused`)
    release.startedAtMs ??= now()
    if (release.direction === 'forward' && (step.kind === 'shift' || step.kind === 'roll'))
      release.exposed.add(step.service)
    if (!effect) return
    if (!release.fits && effect.kind !== 'notify')
      violate('a plan fits the roles', `${step.id} starts, but stable is not what the plan starts from`)
    intents.push({ effect, atMs: now(), direction: release.direction })
    onIntent(effect)
    restsOnWhatWasSeen(effect, release.direction)
  }

  /** What was shown to the runner that decided is all that it may rest on, and only while it is fresh and whole. */
  function restsOnWhatWasSeen(effect: Effect, direction: 'forward' | 'back') {
    const isWrite = effect.kind === 'setShares' || effect.kind === 'applyRevision' || effect.kind === 'retire'
    const seen = simulation.newestSeen(last!.epoch)
    if (!isWrite || (direction === 'back' && effect.kind !== 'retire' && !seen)) return
    const fresh = seen?.snapshot.complete && simulation.processes.decidedAtMs(last!.epoch) - seen.takenAtMs <= 5_050
    if (!fresh && !(direction === 'back' && effect.kind === 'setShares'))
      violate(
        "don't know is neither good nor bad",
        `${effect.kind} of ${effect.service} rests on a stale or partial snapshot`,
      )
    const facts = seen?.snapshot.services[effect.service]
    if (effect.kind === 'setShares' && facts && !canCarry(momentOf(facts), facts.route.shares, effect.shares))
      violate(
        'never to what is not ready',
        `${inWords(effect.shares)} of ${effect.service}, which was seen to be unable to`,
      )
    const traffic = effect.kind === 'retire' ? facts?.route.slots[effect.slot] : undefined
    if (effect.kind === 'retire' && traffic && traffic.outOfRotationMs === null)
      violate('no dropped request', `${effect.slot} of ${effect.service} ends, which was seen to get traffic`)
  }

  function onIntent(effect: Effect) {
    if (effect.kind === 'retire' && roles.get(effect.service)?.stable?.slot === effect.slot)
      violate('the stable slot is never retired', `${effect.service} in ${effect.slot}`)
    if (effect.kind === 'setShares') {
      const sum = Object.values(effect.shares).reduce((total, share) => total + share, 0)
      if (sum !== 100) violate('never to what is not ready', `the shares of ${effect.service} add up to ${sum}`)
    }
    if (effect.kind === 'applyRevision') {
      const { service, placement } = effect
      const carries = (moment: Moment) =>
        (moment.shares[placement.slot] ?? 0) > 0 && (moment.ready[placement.slot] ?? 0) > 0
      const runs = truth(service)?.slots.get(placement.slot)?.desired
      if (runs && runs.id !== placement.revision.id && !ever(service, (moment) => !carries(moment)))
        violate('no dropped request', `${placement.slot} of ${service} is overwritten while it carries traffic`)
    }
  }

  function onStepFinished({ step, passedBy, verdict }: Of<'stepFinished'>) {
    if (!release) return violate('nothing early or skipped', `${step.id} finishes without a release`)
    expectCurrent(`${step.id} finishes`, (current) => current.id === step.id)
    const { startedAtMs } = release
    if (passedBy === 'person') personMayPass(step)
    else if (passedBy === 'skipped') mayBeSkipped(step)
    else checkFacts(release, step, { startedAtMs, passedBy, verdict })
    release.finished.push(step.id)
    release.cursor++
    Object.assign(release, { startedAtMs: null, currentSinceMs: now(), failures: [] })
  }

  function personMayPass(step: Step) {
    const isStuckBack = release?.direction === 'back' && release.waitsForPerson && step.kind === 'roll'
    if (!['approve', 'analyse', 'hook'].includes(step.kind) && !isStuckBack)
      violate('nothing early or skipped', `a person passed ${step.id}`)
  }

  function mayBeSkipped(step: Step) {
    const isSide = step.kind === 'notify' || (step.kind === 'hook' && step.name === 'afterRollback')
    if (!isSide) violate('nothing early or skipped', `${step.id} is skipped`)
  }

  interface Finish {
    readonly startedAtMs: number | null
    readonly passedBy: Of<'stepFinished'>['passedBy']
    readonly verdict: Of<'stepFinished'>['verdict']
  }

  function checkFacts(followed: Followed, step: Step, finish: Finish) {
    const early = (what: string) => violate('nothing early or skipped', `${step.id} is finished, but ${what}`)
    const started = finish.startedAtMs !== null
    switch (step.kind) {
      case 'apply':
      case 'roll':
        return placed(followed, step, started, early)
      case 'check':
        if (step.tests.length > 0 && !smoked.get(`${step.service}/${step.slot}`)) early('no smoke test has passed')
        return
      case 'shift':
        if (!ever(step.service, (moment) => sameShares(moment.shares, step.shares)))
          early(`the load balancer never followed ${inWords(step.shares)}`)
        return
      case 'analyse':
        return analysed(followed, step, finish, early)
      case 'drain':
        return drained(step, early)
      case 'retire':
        if (
          truth(step.service)?.slots.has(step.slot) &&
          !ever(step.service, (moment) => (moment.present[step.slot] ?? 0) === 0)
        )
          early(`${step.slot} was never empty`)
        return
      case 'keep':
        if (!followed.keepCut && (!started || now() - finish.startedAtMs! < step.keepMs - 10))
          early('its time is not over')
        return
      case 'approve':
        return early('nobody approved it')
      case 'hook':
        if (!started || !hooks.get(`${step.name}`)) early('it never ran')
        return
      case 'prepare':
      case 'notify':
      case 'flip':
      case 'mark':
        if (!started) early('it never started')
        return
    }
  }

  function placed(
    followed: Followed,
    { placement, service, kind }: StepOf<'apply' | 'roll'>,
    started: boolean,
    early: (what: string) => void,
  ) {
    const { slot, revision, replicas } = placement
    const isBack = followed.direction === 'back'
    // On the way back a warm version that carries the traffic as well as the other does is enough.
    const enough = isBack && !started ? 1 : replicas
    const isSo = (moment: Moment) =>
      (isBack && !started ? (moment.ready[slot] ?? 0) : (moment.revisions[`${slot}/${revision.id}`] ?? 0)) >= enough
    if (!ever(service, isSo, isBack ? LAST_SEEN_MS : TRUSTED_MS))
      early(`${enough} × ${revision.id} were never ready in ${slot}`)
    if (!started && kind === 'roll') early('it never started')
  }

  function analysed(followed: Followed, step: StepOf<'analyse'>, finish: Finish, early: (what: string) => void) {
    const counted = followed.monitorMs + 2_000 * followed.gaps + 1_000
    const isEarly = step.early === true && finish.passedBy === 'verdict'
    if (finish.startedAtMs === null || (counted < step.monitorMs && !isEarly))
      early(`at most ${counted} of ${step.monitorMs} ms were monitored with data`)
    if (finish.passedBy === 'verdict' && finish.verdict?.kind !== 'healthy') early('there is no healthy verdict')
    if (finish.passedBy === 'policy' && followed.plan.unknown.onNoTraffic !== 'advance-on-health')
      early('the policy is to hold')
    if (finish.passedBy === 'facts') early('no verdict let it pass')
    const arm = armOf(followed, step.service)
    const { requests, bad } = servedIn(step.service, arm, 6, 2)
    if (requests >= 40 && bad >= 10 && bad > requests * 0.15)
      violate('no bad version passes where the judge could know', `${step.id}: ${bad} of ${requests} requests were bad`)
    if (finish.passedBy !== 'policy') return
    const seen = servedIn(step.service, arm, 2, 2).requests
    if (seen > 0 || (silentSinceMs !== null && now() - silentSinceMs > 6_500))
      violate("don't know is neither good nor bad", `${step.id} passed as if there was no traffic (${seen} requests)`)
  }

  function drained({ service, slot, drainMs }: StepOf<'drain'>, early: (what: string) => void) {
    const found = truth(service)?.slots.get(slot)
    if (!found) return
    if (found.outSinceMs === null) return early(`${slot} still gets traffic`)
    if (now() < found.lastAnswerMs && now() - found.outSinceMs < Math.min(drainMs, DRAIN_MS))
      early(`requests are in flight in ${slot}`)
  }

  function onWaiting({ wait }: Of<'waiting'>) {
    if (release) release.waitsForPerson = wait?.needsPerson ?? false
    if (!wait) return
    if (release?.direction === 'back' && wait.blocker.startsWith('paused'))
      violate('the way back is never closed', 'it is paused on the way back')
    if (!wait.blocker || !wait.atDeadline || !wait.next.startsWith('moodify '))
      violate('every state has an exit', `a wait without blocker, deadline or command: ${JSON.stringify(wait)}`)
    if (
      wait.deadlineMs === null &&
      wait.needsPerson &&
      !/moodify (abort|promote|continue|resume|retry|rollback)/.test(wait.next)
    )
      violate('every state has an exit', `${wait.blocker}: ${wait.next} moves nothing`)
  }

  function onTurnedBack({ cause, steps }: Of<'turnedBack'>) {
    if (!release) return violate('nothing early or skipped', 'a release turns back without a release')
    if (release.direction === 'back' && !(cause.kind === 'asked' && release.waitsForPerson))
      violate('the way back is one way', `it turned back twice: ${cause.reason}`)
    // Nothing is ready anywhere, and a person said twice that the route is to stay as it is.
    const stays = steps.find((step) => step.id.endsWith('.stay'))
    if (
      release.direction === 'back' &&
      stays?.kind === 'flip' &&
      !steps.some((step) => step.id.endsWith('.stay-shift'))
    )
      for (const set of [insisted, everInsisted]) set.add(stays.service)
    if (cause.kind === 'verdict') {
      verdictIsTrue(release, cause)
      for (const { to } of release.plan.members) blamed.add(to.revision.id)
    }
    if (cause.kind === 'deadline') deadlineHasPassed(release, cause)
    if (cause.kind === 'step-failed') somethingFailed(release, cause)
    Object.assign(release, {
      direction: 'back',
      steps,
      cursor: 0,
      startedAtMs: null,
      currentSinceMs: now(),
      cause,
      outcome: null,
      paused: false,
      failures: [],
    })
  }

  function deadlineHasPassed(followed: Followed, { reason }: Cause) {
    const step = followed.steps[followed.cursor]
    const { unknown } = followed.plan
    if (step?.kind === 'analyse' && unknown.onUnknown !== 'rollback')
      violate("don't know is neither good nor bad", `the policy is to hold, but: ${reason}`)
    const lengthMs =
      step?.kind === 'analyse' ? step.monitorMs + unknown.unknownMs : step && 'withinMs' in step ? step.withinMs : 0
    const passedMs = now() - (followed.startedAtMs ?? followed.currentSinceMs)
    if (lengthMs === 0 || passedMs < lengthMs - 10)
      violate('no good version is taken back', `${passedMs} of ${lengthMs} ms have passed, but: ${reason}`)
  }

  function somethingFailed(followed: Followed, { reason }: Cause) {
    const isGood = followed.plan.members.every(
      ({ service, to }) => simulation.behaviourOf(service, to.revision.version).kind === 'good',
    )
    if (isGood && simulation.begun().length === 0)
      violate('no good version is taken back', `nothing went wrong, but: ${reason}`)
  }

  /** A verdict must rest on something that happened. */
  function verdictIsTrue(followed: Followed, { verdict, reason }: Cause) {
    if (verdict?.kind !== 'unhealthy')
      return violate("don't know is neither good nor bad", `it turned back on: ${reason}`)
    const badSomewhere = [...followed.exposed].some((service) => {
      const arm = armOf(followed, service)
      const replicas = [...(truth(service)?.slots.values() ?? [])].flatMap((slot) => slot.replicas)
      return (
        servedIn(service, arm, 60, 0).bad >= 3 ||
        replicas.some((one) => one.revision.id === arm.split('/')[1] && (one.hadTrouble || one.restarts > 0)) ||
        simulation.struck(arm)
      )
    })
    if (!badSomewhere) violate('no good version is taken back', `nothing bad happened: ${reason}`)
  }

  function onRolesChanged({ service, stable, previous }: Of<'rolesChanged'>) {
    expectCurrent('roles change', (step) => step.kind === 'flip' && step.service === service)
    const member = release?.plan.members.find((one) => one.service === service)
    const wanted = release?.direction === 'forward' ? [member?.to] : [member?.from, member?.to]
    if (release && !wanted.some((placement) => placement?.revision.id === stable?.revision.id))
      violate('promote what was analysed', `${stable?.revision.id} becomes stable, which is not of this release`)
    if (release?.direction === 'forward') {
      const missed = release.steps.find(
        (step) => step.kind === 'analyse' && step.service === service && !release!.finished.includes(step.id),
      )
      if (missed) violate('promote what was analysed', `${service} becomes stable without ${missed.id}`)
      if (stable && !ever(service, (moment) => moment.shares[stable.slot] === 100))
        violate('promote what was analysed', `${stable.slot} of ${service} becomes stable without the traffic`)
      release.released.add(service)
    }
    roles.set(service, { stable, previous })
  }

  function onReleaseEnded() {
    if (!release) return violate('nothing early or skipped', 'a release ends that never began')
    if (release.cursor < release.steps.length)
      violate('nothing early or skipped', `it ended before ${release.steps[release.cursor]!.id}`)
    if (release.outcome === 'released') for (const { to } of release.plan.members) blamed.delete(to.revision.id)
    if (release.outcome === 'released') for (const { service } of release.plan.members) insisted.delete(service)
    release = null
  }

  // --- the world ------------------------------------------------------------------------------------------

  function onWrite(epoch: number, write: Write) {
    const newest = simulation.observingEpoch()
    if (epoch < newest) violate('one writer', `a write of epoch ${epoch} is taken after ${newest} has looked`)
    if (!intents.some(({ effect }) => isWriteOf(effect, write)) && !isEmergency(epoch, write))
      violate('intent first', `${write.kind} of ${write.service} does not stand in the journal`)
  }

  function isEmergency(epoch: number, write: Write): boolean {
    if (write.kind !== 'setShares' || !simulation.journalBroken()) return false
    const stable = roles.get(write.service)?.stable
    const facts = simulation.newestSeen(epoch)?.snapshot.services[write.service]
    if (facts && !canCarry(momentOf(facts), facts.route.shares, write.shares))
      violate(
        'never to what is not ready',
        `${inWords(write.shares)} of ${write.service}, which was seen to be unable to`,
      )
    if (stable && write.shares[stable.slot] === 100) return true
    // The runner cannot know of a flip that was stored although it was told that it was not.
    const before = roles.get(write.service)?.previous
    if (before && write.shares[before.slot] === 100 && !simulation.fault('journal-refuses')) return true
    violate('a broken journal only allows the way to stable', `${inWords(write.shares)} of ${write.service}`)
    return true
  }

  /** Called before the load balancer follows: what carries traffic must be able to. */
  function beforeFollow(service: WorldService, asked: { readonly shares: Shares; readonly generation: number }) {
    const intent = intents.findLast(
      ({ effect }) =>
        effect.kind === 'setShares' && effect.service === service.name && effect.generation === asked.generation,
    )
    const isBack = intent?.direction === 'back'
    const from = (intent?.atMs ?? now() - EMERGENCY_MS) - (isBack ? LAST_SEEN_MS : TRUSTED_MS)
    if (everSince(service, from, (moment) => canCarry(moment, service.shares, asked.shares))) return
    violate(
      'never to what is not ready',
      `${service.name} is sent ${inWords(asked.shares)}; ready now: ${JSON.stringify(service.history.at(-1)?.ready ?? {})}`,
    )
  }

  /** Each second of the world: monitor time, and whether a bad version should have been found out. */
  function everySecond(second: number) {
    const silent = simulation.fault('metrics-silent') !== null
    silentSinceMs = silent ? (silentSinceMs ?? now()) : null
    const hasData = silentSinceMs === null || now() - silentSinceMs <= 5_000
    const watching = simulation.processes.watching('writer')
    usersAreMovedToStable(watching)
    if (!release) return
    const isMonitored = simulation.processes.watching('anybody')
    if (isMonitored && hasData) release.monitorMs += 1_000
    if (release.wasWatching && !isMonitored) release.gaps++
    release.wasWatching = isMonitored
    for (const service of release.exposed) couldKnow(release, service, second, watching && !silent)
  }

  /** While the journal takes no records, users are sent back to stable, where that is possible. */
  function usersAreMovedToStable(watching: boolean) {
    const hindered = [
      'balancer-deaf',
      'balancer-late',
      'platform-down',
      'effect-fails',
      'effect-slow',
      'snapshot-stale',
      'snapshot-partial',
      'snapshot-disorder',
      'journal-slow',
    ] as const
    const isOn = simulation.fault('journal-refuses') && simulation.store.refused && watching
    refusedSeconds = isOn && !hindered.some((kind) => simulation.fault(kind)) ? refusedSeconds + 1 : 0
    if (!simulation.fault('journal-refuses')) simulation.store.refused = false
    if (refusedSeconds < 6) return
    for (const { service } of release?.plan.members ?? []) {
      const stable = roles.get(service)?.stable
      const found = truth(service)
      if (!stable || !found || found.shares[stable.slot] === 100 || release?.plan.strategy === 'first') continue
      const wasAble = found.history.filter(({ atMs }) => atMs >= now() - 6_000).concat(found.history.at(-1) ?? [])
      if (wasAble.every((moment) => canCarry(moment, found.shares, { [stable.slot]: 100 })))
        violate('a broken journal sends users to stable', `${service} is at ${inWords(found.shares)} since 6 s`)
    }
  }

  function couldKnow(followed: Followed, service: ServiceName, second: number, watching: boolean) {
    const { plan, direction, steps, cursor } = followed
    const isJudged = direction === 'forward' && plan.strategy !== 'rollback' && plan.strategy !== 'first'
    if (!isJudged || !watching || steps[cursor]?.kind === 'retire' || simulation.disturbed()) {
      followed.knowable.set(service, 0)
      return
    }
    const { windowMs } = plan.triggers
    const { requests, bad } = servedIn(service, armOf(followed, service), windowMs / 1000, 0)
    // What both versions do is no fault of the new one: then it holds.
    const { from } = plan.members.find((member) => member.service === service)!
    const old = from ? servedIn(service, `${from.slot}/${from.revision.id}`, 60, 0) : null
    const isShared = plan.triggers.mode === 'sequential' && old !== null && old.bad >= 3
    const isClear = !isShared && requests >= 40 && bad >= 10 && bad > requests * 0.15
    const seconds = isClear ? (followed.knowable.get(service) ?? 0) + 1 : 0
    followed.knowable.set(service, seconds)
    if (seconds > windowMs / 1000 + 4)
      violate(
        'a failing verdict wins',
        `${service} ${plan.version} fails ${bad} of ${requests} since ${seconds} s (second ${second})`,
      )
  }

  function armOf(followed: Followed, service: ServiceName): string {
    const { to } = followed.plan.members.find((member) => member.service === service)!
    return `${to.slot}/${to.revision.id}`
  }

  /** Sums of the last `seconds`, without the newest `lag`. */
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

  // --- the end --------------------------------------------------------------------------------------------

  function atEnd() {
    for (const { id } of simulation.store.commands) {
      if (!commanded.has(id)) violate('no command is lost', `command ${id} was never answered`)
    }
    for (const [service, { stable }] of roles) {
      const found = truth(service)
      if (!stable || !found || insisted.has(service)) continue
      if (found.shares[stable.slot] !== 100)
        violate(
          'the journal tells the truth',
          `${service}: stable is ${stable.slot}, but the traffic is ${inWords(found.shares)}`,
        )
      const slot = found.slots.get(stable.slot)
      if (slot?.desired?.id !== stable.revision.id)
        violate(
          'the journal tells the truth',
          `${service}: stable is ${stable.revision.id}, ${stable.slot} runs ${slot?.desired?.id}`,
        )
      for (const other of found.slots.values()) {
        if (other.name !== stable.slot && other.replicas.length > 0 && !everInsisted.has(service))
          violate('nothing is left behind', `${service}: ${other.replicas.length} replicas in ${other.name}`)
      }
    }
  }

  return {
    onRecord,
    onWrite,
    onSmoke: (service: string, slot: string, passed: boolean) => void smoked.set(`${service}/${slot}`, passed),
    onHook(name: string, of: string, exitCode: number) {
      hooks.set(name, (hooks.get(name) ?? 0) + 1)
      simulation.note(() => `hook ${name} of ${of} runs and ends with ${exitCode}`)
    },
    onTold(event: string, of: unknown, key: string) {
      const known = told.get(`${of}/${event}`) ?? key
      told.set(`${of}/${event}`, known)
      if (known !== key)
        violate('a repeat can be told from news', `${event} of ${of} is told as ${known} and as ${key}`)
    },
    beforeFollow,
    everySecond,
    atEnd,
    scenario,
  }
}

export type Checks = ReturnType<typeof createChecks>

function isWriteOf(effect: Effect, write: Write): boolean {
  if (effect.kind !== write.kind || !('service' in effect) || effect.service !== write.service) return false
  if (effect.kind === 'setShares' && write.kind === 'setShares')
    return effect.generation === write.generation && sameShares(effect.shares, write.shares)
  const slot = effect.kind === 'retire' ? effect.slot : 'placement' in effect ? effect.placement.slot : null
  return write.kind !== 'setShares' && slot === write.slot
}

function momentOf({ slots }: ServiceFacts): Pick<Moment, 'ready' | 'desired'> {
  const entries = Object.entries(slots)
  const isReady = (replica: ReplicaFacts) => replica.running && replica.ready && !replica.ending
  return {
    ready: Object.fromEntries(entries.map(([name, slot]) => [name, slot.replicas.filter(isReady).length])),
    desired: Object.fromEntries(entries.map(([name, slot]) => [name, slot.desiredReplicas])),
  }
}

function canCarry(moment: Pick<Moment, 'ready' | 'desired'>, carrying: Shares, wanted: Shares): boolean {
  const ready = (slot: string) => moment.ready[slot] ?? 0
  const live = Math.max(0, ...Object.entries(carrying).map(([slot, share]) => (share > 0 ? ready(slot) : 0)))
  const targets = Object.entries(wanted).filter(([, share]) => share > 0)
  const together = targets.reduce((sum, [slot]) => sum + ready(slot), 0)
  return targets.every(([slot, share]) => {
    // What does not get more than it has is not sent anything new.
    if (share <= (carrying[slot] ?? 0) && together > 0) return true
    const needed = Math.max(1, Math.ceil((share / 100) * Math.min(live, Math.max(1, moment.desired[slot] ?? 0))))
    return ready(slot) >= needed || (ready(slot) > 0 && together > live)
  })
}

function inRecordWords({ body, reason, epoch }: JournalRecord): string {
  const step = 'step' in body ? ` ${body.step.id}` : ''
  const by = body.kind === 'stepFinished' ? ` by ${body.passedBy}` : ''
  const accepted = body.kind === 'commanded' ? (body.accepted ? ' accepted' : ' refused') : ''
  return `${body.kind}${step}${by}${accepted} (epoch ${epoch}): ${reason}`
}
