// What the platform is asked for stands in the journal, comes from the newest runner, and finds its target ready.

import type { Shares } from '../../../src/domain/names.ts'
import type { Effect } from '../../../src/engine/effect.ts'
import type { Simulation } from '../simulation.ts'
import { everSince, inWords, sameShares, type WorldService } from '../world/model.ts'
import { canCarry, momentOf } from './capacity.ts'
import { EMERGENCY_MS, LAST_SEEN_MS, type Ledger, TRUSTED_MS, type Write } from './ledger.ts'

export function writeChecks(simulation: Simulation, ledger: Ledger) {
  const { violate } = simulation
  const { now } = ledger

  function onWrite(epoch: number, write: Write) {
    if (write.kind !== 'setShares') ledger.writtenAtMs.set(`${write.service}/${write.slot}`, now())
    const newest = simulation.observingEpoch()
    if (epoch < newest) violate('one writer', `a write of epoch ${epoch} is taken after ${newest} has looked`)
    if (!ledger.intents.some(({ effect }) => isWriteOf(effect, write)) && !isEmergency(epoch, write))
      violate('intent first', `${write.kind} of ${write.service} does not stand in the journal`)
  }

  function isEmergency(epoch: number, write: Write): boolean {
    if (write.kind !== 'setShares' || !simulation.journalBroken()) return false
    const stable = ledger.roles.get(write.service)?.stable
    const facts = simulation.newestSeen(epoch)?.snapshot.services[write.service]
    if (facts && !canCarry(momentOf(facts), facts.route.shares, write.shares))
      violate(
        'never to what is not ready',
        `${inWords(write.shares)} of ${write.service}, which was seen to be unable to`,
      )
    if (stable && write.shares[stable.slot] === 100) return true
    // The runner cannot know of a flip that was stored although it was told that it was not.
    const before = ledger.roles.get(write.service)?.previous
    if (before && write.shares[before.slot] === 100 && !simulation.fault('journal-refuses')) return true
    violate('a broken journal only allows the way to stable', `${inWords(write.shares)} of ${write.service}`)
    return true
  }

  /** Called before the load balancer follows: what carries traffic must be able to. */
  function beforeFollow(service: WorldService, asked: { readonly shares: Shares; readonly generation: number }) {
    const intent = ledger.intents.findLast(
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

  return { onWrite, beforeFollow }
}

function isWriteOf(effect: Effect, write: Write): boolean {
  if (effect.kind !== write.kind || !('service' in effect) || effect.service !== write.service) return false
  if (effect.kind === 'setShares' && write.kind === 'setShares')
    return effect.generation === write.generation && sameShares(effect.shares, write.shares)
  const slot = effect.kind === 'retire' ? effect.slot : 'placement' in effect ? effect.placement.slot : null
  return write.kind !== 'setShares' && slot === write.slot
}
