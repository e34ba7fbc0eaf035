// The truth: replicas, a load balancer and users, on virtual time. It is harsher than a real platform: what is
// asked for happens at once, and whoever ends something too early has dropped requests.
import type { Shares } from '../../src/domain/names.ts'
import type { Revision } from '../../src/domain/revision.ts'
import type { ReplicaFacts, ServiceFacts, SlotFacts, SlotTraffic } from '../../src/domain/snapshot.ts'
import { type Random, randomOf } from './random.ts'
import type { FaultKind } from './scenario.ts'
import type { BegunFault, Simulation } from './simulation.ts'
import { createBalancer } from './world/balancer.ts'
import {
  createModel,
  isReady,
  sameShares,
  type WorldReplica,
  type WorldService,
  type WorldSlot,
} from './world/model.ts'
import { createReplicas } from './world/replicas.ts'

export function createWorld(simulation: Simulation) {
  const { scheduler, scenario } = simulation
  const random = randomOf(scenario.seed, 'world')
  const model = createModel(simulation)
  const { services, serviceOf, slotOf, changed, now } = model
  const { startReplica, becomeReady, crash, loseReadiness, end, rollOn } = createReplicas(simulation, model, random)
  const balancer = createBalancer(simulation, model, random)

  const writes = {
    apply(name: string, slotName: string, revision: Revision, replicas: number) {
      const service = serviceOf(name)
      const slot = slotOf(service, slotName)
      const staying = slot.replicas.filter(({ phase }) => phase !== 'ending')
      const kept = staying.filter((replica) => replica.revision.id === revision.id).slice(0, replicas)
      for (const replica of staying) if (!kept.includes(replica)) end(service, slot, replica, 'applying a revision')
      for (let count = kept.length; count < replicas; count++) slot.replicas.push(startReplica(service, slot, revision))
      Object.assign(slot, { desired: revision, desiredReplicas: replicas, roll: null })
      changed(service)
    },
    roll(
      name: string,
      slotName: string,
      revision: Revision,
      { minReadyMs, replicas }: { readonly minReadyMs: number; readonly replicas: number | undefined },
    ) {
      const service = serviceOf(name)
      const slot = slotOf(service, slotName)
      const desiredReplicas = replicas ?? slot.desiredReplicas
      Object.assign(slot, { desired: revision, desiredReplicas, roll: { revision, minReadyMs } })
      rollOn(service, slot)
      changed(service)
    },
    floor(name: string, slotName: string, replicas: number) {
      const service = serviceOf(name)
      const slot = slotOf(service, slotName)
      slot.desiredReplicas = Math.max(slot.desiredReplicas, replicas)
      const { desired, roll } = slot
      if (!desired || roll) return
      const staying = slot.replicas.filter(({ phase }) => phase !== 'ending')
      for (let count = staying.length; count < slot.desiredReplicas; count++)
        slot.replicas.push(startReplica(service, slot, desired))
      changed(service)
    },
    retire(name: string, slotName: string) {
      const service = serviceOf(name)
      const slot = slotOf(service, slotName)
      for (const replica of slot.replicas) end(service, slot, replica, 'retiring the slot')
      Object.assign(slot, { desired: null, desiredReplicas: 0, roll: null })
      changed(service)
    },
    /** @returns false when a newer generation is known */
    setShares(name: string, shares: Shares, generation: number): boolean {
      const service = serviceOf(name)
      const highest = Math.max(service.generation, service.asked?.generation ?? 0)
      const isRepeat = generation === highest && sameShares(service.asked?.shares ?? service.shares, shares)
      if (generation < highest || (generation === highest && !isRepeat)) return false
      if (isRepeat) return true
      service.asked = { shares, generation }
      const late = simulation.fault('balancer-late')
      scheduler.after(late ? late.size % 9_000 : random.whole(10, 120), () => balancer.follow(service, generation))
      return true
    },
  }

  function facts(service: WorldService): ServiceFacts {
    const slots: Record<string, SlotFacts> = {}
    const traffic: Record<string, SlotTraffic> = {}
    for (const slot of service.slots.values()) {
      slots[slot.name] = {
        desiredRevision: slot.desired?.id ?? null,
        desiredReplicas: slot.desiredReplicas,
        replicas: slot.replicas.map(replicaFacts),
      }
      const outOfRotationMs = slot.outSinceMs === null ? null : now() - slot.outSinceMs
      const inFlight = slot.outSinceMs === null || now() < slot.lastAnswerMs ? 3 : 0
      traffic[slot.name] = { inFlight, outOfRotationMs, endpoints: slot.replicas.filter(isReady).length }
    }
    return { slots, route: { generation: service.generation, shares: service.shares, slots: traffic } }
  }

  function replicaFacts(replica: WorldReplica): ReplicaFacts {
    return {
      id: replica.id,
      revision: replica.revision.id,
      running: replica.phase !== 'crashed',
      ready: isReady(replica),
      restarts: replica.restarts,
      crashLooping: replica.restarts >= 3,
      failingHealth: replica.failingHealth,
      ending: replica.phase === 'ending',
      startedAgoMs: now() - replica.startedMs,
    }
  }

  const strikes: Partial<Record<FaultKind, (chance: Random, lastsMs: number) => void>> = {
    'replica-crashes': (chance) => onOne(chance, (service, slot, replica) => crash(service, slot, replica)),
    'slot-crashes': (chance) =>
      onOne(chance, (service, slot) => {
        for (const replica of slot.replicas) if (isReady(replica)) crash(service, slot, replica)
      }),
    'replica-hangs': (chance, lastsMs) =>
      onOne(chance, (service, slot, replica) => {
        replica.phase = 'hung'
        simulation.note(() => `${service.name} ${slot.name}: ${replica.id} hangs`)
        scheduler.after(3_000, () => replica.phase === 'hung' && loseReadiness(service, replica))
        scheduler.after(3_000 + lastsMs, () => {
          if (slot.replicas.includes(replica) && replica.phase === 'unready') becomeReady(service, slot, replica)
        })
      }),
    'replica-unready': (chance, lastsMs) =>
      onOne(chance, (service, slot, replica) => {
        loseReadiness(service, replica)
        scheduler.after(lastsMs, () => {
          if (slot.replicas.includes(replica) && replica.phase === 'unready') becomeReady(service, slot, replica)
        })
      }),
    'front-restarts': balancer.restart,
  }

  function onOne(chance: Random, act: (service: WorldService, slot: WorldSlot, replica: WorldReplica) => void) {
    const all = [...services.values()].flatMap((service) =>
      [...service.slots.values()].flatMap((slot) =>
        slot.replicas
          .filter((replica) => replica.phase === 'ready')
          .map((replica) => [service, slot, replica] as const),
      ),
    )
    if (all.length > 0) act(...chance.pick(all))
  }

  return {
    strike: ({ kind, size, fromMs, toMs }: BegunFault) => strikes[kind]?.(randomOf(size, 'strike'), toMs - fromMs),
    services,
    writes,
    behaviourOf: model.behaviourOf,
    facts: () => Object.fromEntries([...services].map(([name, service]) => [name, facts(service)])),
    cellsAfter: balancer.cellsAfter,
  }
}

export type World = ReturnType<typeof createWorld>
