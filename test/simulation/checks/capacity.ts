// Whether what is ready can carry what is sent, said a second time.
import type { Shares } from '../../../src/domain/names.ts'
import type { ReplicaFacts, ServiceFacts } from '../../../src/domain/snapshot.ts'
import type { Moment } from '../world/model.ts'

export function momentOf({ slots }: ServiceFacts): Pick<Moment, 'ready' | 'desired'> {
  const entries = Object.entries(slots)
  const isReady = (replica: ReplicaFacts) => replica.running && replica.ready && !replica.ending
  return {
    ready: Object.fromEntries(entries.map(([name, slot]) => [name, slot.replicas.filter(isReady).length])),
    desired: Object.fromEntries(entries.map(([name, slot]) => [name, slot.desiredReplicas])),
  }
}

export function canCarry(moment: Pick<Moment, 'ready' | 'desired'>, carrying: Shares, wanted: Shares): boolean {
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
