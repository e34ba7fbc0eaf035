// Each command is answered once and in order; what must not be accepted is refused, and the way back is never.
import type { Command } from '../../../src/engine/record.ts'
import type { Simulation } from '../simulation.ts'
import type { Ledger, Of } from './ledger.ts'

export function commandChecks(simulation: Simulation, ledger: Ledger) {
  const { violate } = simulation
  const { fitsRoles } = ledger

  function onCommanded({ commandId, accepted }: Of<'commanded'>) {
    if (ledger.commanded.has(commandId)) violate('no command is lost', `command ${commandId} is answered twice`)
    for (let id = 1; id < commandId; id++) {
      if (!ledger.commanded.has(id)) violate('no command is lost', `command ${commandId} is answered before ${id}`)
    }
    ledger.commanded.add(commandId)
    const { command } = simulation.store.commands[commandId - 1]!
    if (accepted) mayBeAccepted(command)
    else mayBeRefused(command)
  }

  function mayBeAccepted(command: Command) {
    if (command.verb !== 'deploy') return
    const takenBack = command.plan.members.find(({ to }) => ledger.blamed.has(to.revision.id))
    if (takenBack && !command.again)
      violate(
        'what was taken back is remembered',
        `${takenBack.to.revision.id} is shipped again without being asked to`,
      )
    if (!ledger.release && !command.plan.members.every(fitsRoles))
      violate('a plan fits the roles', `a stale plan of ${command.plan.version} is accepted`)
    if (ledger.release && !command.supersede)
      violate('one release at a time', 'a deploy is accepted while another release runs')
  }

  /** The way back is never closed while a release has traffic and something to go back to. */
  function mayBeRefused(command: Command) {
    const asksBack = command.verb === 'abort' || (command.verb === 'rollback' && command.to === 'undo')
    if (!asksBack || !ledger.release || ledger.release.direction === 'back' || ledger.release.exposed.size === 0) return
    if (ledger.release.plan.strategy === 'rollback' || ledger.release.plan.members.some(({ from }) => from === null))
      return
    if (command.verb === 'abort' && ledger.release.outcome === 'released') return
    violate(
      'the way back is never closed',
      `${command.verb} is refused while ${ledger.release.plan.version} has traffic`,
    )
  }

  return { onCommanded }
}
