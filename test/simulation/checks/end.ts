// When nothing is left to do: the journal and the world tell the same, and nothing was forgotten.

import type { Simulation } from '../simulation.ts'
import { inWords } from '../world/model.ts'
import type { Ledger } from './ledger.ts'

export function endChecks(simulation: Simulation, ledger: Ledger) {
  const { violate } = simulation
  const { truth } = ledger

  function atEnd() {
    if (ledger.queued) violate('no command is lost', `${ledger.queued.version} was accepted and never started`)
    for (const { id } of simulation.store.commands) {
      if (!ledger.commanded.has(id)) violate('no command is lost', `command ${id} was never answered`)
    }
    for (const [service, { stable }] of ledger.roles) {
      const found = truth(service)
      if (!stable || !found || ledger.insisted.has(service)) continue
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
        if (other.name !== stable.slot && other.replicas.length > 0 && !ledger.everInsisted.has(service))
          violate('nothing is left behind', `${service}: ${other.replicas.length} replicas in ${other.name}`)
      }
    }
  }

  return { atEnd }
}
