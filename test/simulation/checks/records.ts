// The journal, record by record, against the plan as it was typed.
import type { JournalRecord } from '../../../src/engine/record.ts'
import type { Step } from '../../../src/plan/plan.ts'
import type { Simulation } from '../simulation.ts'
import { causeChecks } from './causes.ts'
import { commandChecks } from './commands.ts'
import { factChecks } from './facts.ts'
import { intentChecks } from './intents.ts'
import type { Ledger, Of } from './ledger.ts'

export function recordChecks(simulation: Simulation, ledger: Ledger) {
  const { violate } = simulation
  const { now, ever, fitsRoles } = ledger
  const { onCommanded } = commandChecks(simulation, ledger)
  const { onIntent, restsOnWhatWasSeen } = intentChecks(simulation, ledger)
  const { personMayPass, mayBeSkipped, checkFacts } = factChecks(simulation, ledger)
  const { deadlineHasPassed, somethingFailed, verdictIsTrue } = causeChecks(simulation, ledger)

  function onRecord(record: JournalRecord) {
    const { body } = record
    simulation.note(() => `  #${record.seq} ${inRecordWords(record)}`)
    if (ledger.last && record.epoch < ledger.last.epoch)
      violate('one writer', `epoch ${record.epoch} writes after ${ledger.last.epoch}`)
    if (record.reason.trim() === '') violate('everything has a reason', `${body.kind} has none`)
    if (body.kind !== 'turnedBack') ledger.failed = null
    ledger.last = record
    switch (body.kind) {
      case 'epochTaken':
      case 'effectSucceeded':
      case 'warned':
        return
      case 'queued':
        ledger.queued = body.plan
        return
      case 'effectFailed':
        ledger.failed = body
        return
      case 'resolved':
        if (body.as === 'redo') ledger.redone.set(body.hook, (ledger.redone.get(body.hook) ?? 0) + 1)
        return
      case 'paused':
      case 'continued':
        if (ledger.release) ledger.release.paused = body.kind === 'paused'
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
        if (ledger.release) ledger.release.keepCut = true
        return
      case 'rolesChanged':
        return onRolesChanged(body)
      case 'outcomeReached':
        if (ledger.release) ledger.release.outcome = body.outcome
        return expectCurrent('outcomeReached', (step) => step.kind === 'mark' && step.outcome === body.outcome)
      case 'violated':
        return violate('the engine keeps its own invariants', body.predicate)
      case 'releaseEnded':
        return onReleaseEnded()
    }
  }

  function expectCurrent(what: string, isRight: (step: Step) => boolean) {
    const step = ledger.release?.steps[ledger.release.cursor]
    if (!step || !isRight(step))
      violate('nothing early or skipped', `${what} although the step is ${step?.id ?? 'none'}`)
  }

  function onReleaseStarted({ plan }: Of<'releaseStarted'>) {
    if (ledger.release)
      violate('one release at a time', `${plan.version} starts while ${ledger.release.plan.version} runs`)
    if (ledger.queued && ledger.queued !== plan)
      violate('no command is lost', `${plan.version} starts, but ${ledger.queued.version} was to be next`)
    ledger.queued = null
    const fits = plan.members.every(fitsRoles)
    ledger.release = {
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
    if (!ledger.release) return violate('nothing early or skipped', `${step.id} starts without a release`)
    expectCurrent(`${step.id} starts`, (current) => current.id === step.id)
    if (ledger.release.startedAtMs === null) Object.assign(ledger.release, { monitorMs: 0, gaps: 0, wasWatching: true })
    if (ledger.release.paused && ledger.release.direction === 'forward' && ledger.release.startedAtMs === null)
      violate('a pause holds', `${step.id} starts while it is paused`)
    ledger.release.startedAtMs ??= now()
    if (ledger.release.direction === 'forward' && (step.kind === 'shift' || step.kind === 'roll'))
      ledger.release.exposed.add(step.service)
    if (!effect) return
    if (!ledger.release.fits && effect.kind !== 'notify')
      violate('a plan fits the roles', `${step.id} starts, but stable is not what the plan starts from`)
    ledger.intents.push({ effect, atMs: now(), direction: ledger.release.direction })
    onIntent(effect)
    restsOnWhatWasSeen(effect, ledger.release.direction)
  }

  function onStepFinished({ step, passedBy, verdict }: Of<'stepFinished'>) {
    if (!ledger.release) return violate('nothing early or skipped', `${step.id} finishes without a release`)
    expectCurrent(`${step.id} finishes`, (current) => current.id === step.id)
    const { startedAtMs } = ledger.release
    if (passedBy === 'person') personMayPass(step)
    else if (passedBy === 'skipped') mayBeSkipped(step)
    else checkFacts(ledger.release, step, { startedAtMs, passedBy, verdict })
    ledger.release.finished.push(step.id)
    ledger.release.cursor++
    Object.assign(ledger.release, { startedAtMs: null, currentSinceMs: now() })
  }

  function onWaiting({ wait }: Of<'waiting'>) {
    if (ledger.release) ledger.release.waitsForPerson = wait?.needsPerson ?? false
    if (!wait) return
    if (ledger.release?.direction === 'back' && wait.blocker.startsWith('paused'))
      violate('the way back is never closed', 'it is paused on the way back')
    if (!wait.blocker || !wait.atDeadline || !wait.next.startsWith('moodify '))
      violate('every state has an exit', `a wait without blocker, deadline or command: ${JSON.stringify(wait)}`)
    if (wait.needsPerson && !/moodify (abort|promote|continue|resume|retry|rollback)/.test(wait.next))
      violate('every state has an exit', `${wait.blocker}: ${wait.next} moves nothing`)
  }

  function onTurnedBack({ cause, steps }: Of<'turnedBack'>) {
    if (!ledger.release) return violate('nothing early or skipped', 'a release turns back without a release')
    if (ledger.release.direction === 'back' && !(cause.kind === 'asked' && ledger.release.waitsForPerson))
      violate('the way back is one way', `it turned back twice: ${cause.reason}`)
    // Nothing is ready anywhere, and a person said twice that the route is to stay as it is.
    const stays = steps.find((step) => step.id.endsWith('.stay'))
    if (
      ledger.release.direction === 'back' &&
      stays?.kind === 'flip' &&
      !steps.some((step) => step.id.endsWith('.stay-shift'))
    )
      for (const set of [ledger.insisted, ledger.everInsisted]) set.add(stays.service)
    if (cause.kind === 'verdict') {
      verdictIsTrue(ledger.release, cause)
      for (const { to } of ledger.release.plan.members) ledger.blamed.add(to.revision.id)
    }
    if (cause.kind === 'deadline') deadlineHasPassed(ledger.release, cause)
    if (cause.kind === 'step-failed') somethingFailed(ledger.release, cause)
    Object.assign(ledger.release, {
      direction: 'back',
      steps,
      cursor: 0,
      startedAtMs: null,
      currentSinceMs: now(),
      cause,
      outcome: null,
      paused: false,
    })
  }

  function onRolesChanged({ service, stable, previous }: Of<'rolesChanged'>) {
    expectCurrent('roles change', (step) => step.kind === 'flip' && step.service === service)
    const member = ledger.release?.plan.members.find((one) => one.service === service)
    const wanted = ledger.release?.direction === 'forward' ? [member?.to] : [member?.from, member?.to]
    if (ledger.release && !wanted.some((placement) => placement?.revision.id === stable?.revision.id))
      violate('promote what was analysed', `${stable?.revision.id} becomes stable, which is not of this release`)
    if (ledger.release?.direction === 'forward') {
      const missed = ledger.release.steps.find(
        (step) => step.kind === 'analyse' && step.service === service && !ledger.release!.finished.includes(step.id),
      )
      if (missed) violate('promote what was analysed', `${service} becomes stable without ${missed.id}`)
      if (stable && !ever(service, (moment) => moment.shares[stable.slot] === 100))
        violate('promote what was analysed', `${stable.slot} of ${service} becomes stable without the traffic`)
      ledger.release.released.add(service)
    }
    ledger.roles.set(service, { stable, previous })
  }

  function onReleaseEnded() {
    if (!ledger.release) return violate('nothing early or skipped', 'a release ends that never began')
    if (ledger.release.cursor < ledger.release.steps.length)
      violate('nothing early or skipped', `it ended before ${ledger.release.steps[ledger.release.cursor]!.id}`)
    if (ledger.release.outcome === 'released')
      for (const { to } of ledger.release.plan.members) ledger.blamed.delete(to.revision.id)
    if (ledger.release.outcome === 'released')
      for (const { service } of ledger.release.plan.members) ledger.insisted.delete(service)
    ledger.release = null
  }

  return { onRecord }
}

function inRecordWords({ body, reason, epoch }: JournalRecord): string {
  const step = 'step' in body ? ` ${body.step.id}` : ''
  const by = body.kind === 'stepFinished' ? ` by ${body.passedBy}` : ''
  const accepted = body.kind === 'commanded' ? (body.accepted ? ' accepted' : ' refused') : ''
  return `${body.kind}${step}${by}${accepted} (epoch ${epoch}): ${reason}`
}
