// The capacity rule: traffic only goes to what is ready to carry it.
//
// A slot that is to get a share must have the ready replicas which that share of the live load needs. The live
// load is measured in replicas: the most that any slot carrying traffic has ready now, but never more than the
// slot itself is declared to run (a configuration may mean to scale down). The rule gives way to a rescue: when
// what carries the traffic is weaker than the target, any improvement is allowed. A share that does not grow sends
// nothing new anywhere, so an old version that has died does not keep the new one from taking over step by step.
import type { Shares } from './names.ts'
import { readyReplicas, type ServiceFacts } from './snapshot.ts'

export interface CapacityAnswer {
  readonly allowed: boolean
  readonly reason: string
}

/** Whether the data plane may be told to share the traffic out like this, given what is ready now. */
export function capacityRule(facts: ServiceFacts | undefined, shares: Shares): CapacityAnswer {
  const carrying = Object.entries(facts?.route.shares ?? {}).filter(([, share]) => share > 0)
  const readyIn = (slot: string) => readyReplicas(facts?.slots[slot])
  const liveReady = Math.max(0, ...carrying.map(([slot]) => readyIn(slot)))
  const targets = Object.entries(shares).filter(([, share]) => share > 0)
  const targetReady = targets.reduce((sum, [slot]) => sum + readyIn(slot), 0)
  for (const [slot, share] of targets) {
    const grows = share > (facts?.route.shares[slot] ?? 0)
    if (!grows && targetReady > 0) continue
    const declared = facts?.slots[slot]?.desiredReplicas ?? 0
    const needed = Math.max(1, Math.ceil((share / 100) * Math.min(liveReady, Math.max(declared, 1))))
    if (readyIn(slot) < needed && !(readyIn(slot) > 0 && targetReady > liveReady)) {
      return { allowed: false, reason: `${slot} has ${readyIn(slot)} ready, ${share} % of the load needs ${needed}` }
    }
  }
  return { allowed: true, reason: 'every slot has the ready capacity that its share needs' }
}
