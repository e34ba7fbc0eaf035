// A step is finished when the world is as the step wanted it, and not before.
import type { Step } from '../../../src/plan/plan.ts'
import type { Simulation } from '../simulation.ts'
import { inWords, type Moment, sameShares } from '../world/model.ts'
import { DRAIN_MS } from '../world/replicas.ts'
import { armOf, type Followed, LAST_SEEN_MS, type Ledger, type Of, type StepOf, TRUSTED_MS } from './ledger.ts'

export interface Finish {
  readonly startedAtMs: number | null
  readonly passedBy: Of<'stepFinished'>['passedBy']
  readonly verdict: Of<'stepFinished'>['verdict']
}

export function factChecks(simulation: Simulation, ledger: Ledger) {
  const { violate } = simulation
  const { now, truth, ever, servedIn } = ledger

  function personMayPass(step: Step) {
    const isStuckBack = ledger.release?.direction === 'back' && ledger.release.waitsForPerson && step.kind === 'roll'
    if (!['approve', 'analyse', 'hook'].includes(step.kind) && !isStuckBack)
      violate('nothing early or skipped', `a person passed ${step.id}`)
  }

  function mayBeSkipped(step: Step) {
    const isSide = step.kind === 'notify' || (step.kind === 'hook' && step.name === 'afterRollback')
    if (!isSide) violate('nothing early or skipped', `${step.id} is skipped`)
  }

  function checkFacts(followed: Followed, step: Step, finish: Finish) {
    const early = (what: string) => violate('nothing early or skipped', `${step.id} is finished, but ${what}`)
    const started = finish.startedAtMs !== null
    switch (step.kind) {
      case 'apply':
      case 'roll':
        return placed(followed, step, started, early)
      case 'check':
        if (step.tests.length > 0 && !ledger.smoked.get(`${step.service}/${step.slot}`))
          early('no smoke test has passed')
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
        // What was seen before the last write to the slot says nothing of what it has become.
        if (!started && (ledger.freshSeenAtMs() ?? 0) < (ledger.writtenAtMs.get(`${step.service}/${step.slot}`) ?? 0))
          early(`${step.slot} has been written to since it was looked at`)
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
        if (!started || !ledger.hooks.get(`${step.name}`)) early('it never ran')
        return
      case 'prepare':
      case 'notify':
      case 'flip':
        if (!started && followed.direction === 'forward') early('it never started')
        return
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
    if (ledger.freshSeenAtMs() === null)
      violate("don't know is neither good nor bad", `${step.id} passed although the platform could not be seen`)
    if (finish.passedBy === 'verdict' && finish.verdict?.kind !== 'healthy') early('there is no healthy verdict')
    if (finish.passedBy === 'policy' && followed.plan.unknown.onNoTraffic !== 'advance-on-health')
      early('the policy is to hold')
    if (finish.passedBy === 'facts') early('no verdict let it pass')
    const arm = armOf(followed, step.service)
    const slot = arm.slice(0, arm.indexOf('/'))
    if (!ever(step.service, (moment) => (moment.shares[slot] ?? 0) === step.weightPercent))
      early(`${slot} never had ${step.weightPercent} % of the traffic`)
    const { requests, bad } = servedIn(step.service, arm, 6, 2)
    if (requests >= 40 && bad >= 10 && bad > requests * 0.15)
      violate('no bad version passes where the judge could know', `${step.id}: ${bad} of ${requests} requests were bad`)
    // A front that has just been started anew has counted nothing yet.
    if (finish.passedBy !== 'policy' || now() - ledger.frontRestartedMs < 6_000) return
    const seen = servedIn(step.service, arm, 2, 2).requests
    if (seen > 0 || now() - ledger.answeredAtMs > 5_050)
      violate("don't know is neither good nor bad", `${step.id} passed as if there was no traffic (${seen} requests)`)
  }

  function drained({ service, slot, drainMs }: StepOf<'drain'>, early: (what: string) => void) {
    const found = truth(service)?.slots.get(slot)
    if (!found) return
    if (found.outSinceMs === null) return early(`${slot} still gets traffic`)
    if (now() < found.lastAnswerMs && now() - found.outSinceMs < Math.min(drainMs, DRAIN_MS))
      early(`requests are in flight in ${slot}`)
  }

  return { personMayPass, mayBeSkipped, checkFacts }
}
