// What a write may rest on, checked at the moment at which it is decided.
import type { Effect } from '../../../src/engine/effect.ts'
import type { Simulation } from '../simulation.ts'
import { inWords, type Moment } from '../world/model.ts'
import { canCarry, momentOf } from './capacity.ts'
import type { Ledger } from './ledger.ts'

export function intentChecks(simulation: Simulation, ledger: Ledger) {
  const { violate } = simulation
  const { truth, ever } = ledger

  /** What was shown to the runner that decided is all that it may rest on, and only while it is fresh and whole. */
  function restsOnWhatWasSeen(effect: Effect, direction: 'forward' | 'back') {
    const isWrite = effect.kind === 'setShares' || effect.kind === 'applyRevision' || effect.kind === 'retire'
    const seen = simulation.newestSeen(ledger.last!.epoch)
    if (!isWrite || (direction === 'back' && effect.kind !== 'retire' && !seen)) return
    if (ledger.freshSeenAtMs() === null && !(direction === 'back' && effect.kind === 'setShares'))
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
    if (effect.kind === 'retire' && ledger.roles.get(effect.service)?.stable?.slot === effect.slot)
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

  return { onIntent, restsOnWhatWasSeen }
}
