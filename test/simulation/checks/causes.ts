// A release goes back because of something that has happened.
import type { Cause } from '../../../src/engine/record.ts'
import type { Simulation } from '../simulation.ts'
import { armOf, type Followed, type Ledger } from './ledger.ts'

export function causeChecks(simulation: Simulation, ledger: Ledger) {
  const { violate } = simulation
  const { now, truth, servedIn } = ledger

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
    const isFinal = ledger.failed && ['BUILD_FAILED', 'HOOK_FAILED', 'SMOKE_FAILED'].includes(ledger.failed.code)
    if (ledger.failed && !isFinal && ledger.failed.id.attempt < 5)
      violate('no good version is taken back', `given up after ${ledger.failed.id.attempt} attempts: ${reason}`)
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

  return { deadlineHasPassed, somethingFailed, verdictIsTrue }
}
