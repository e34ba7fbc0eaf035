// Replicas: they start, become ready, crash, hang, and are ended when somebody asks for it.
import type { Revision } from '../../../src/domain/revision.ts'
import type { Random } from '../random.ts'
import type { Simulation } from '../simulation.ts'
import { isReady, type Model, type WorldReplica, type WorldService, type WorldSlot } from './model.ts'

/** Longest time that what is in flight is waited for. */
export const DRAIN_MS = 2_000
const UNHEALTHY_MS = 10_000

export function createReplicas(simulation: Simulation, model: Model, random: Random) {
  const { scheduler } = simulation
  const { behaviourOf, changed, firstReadyMs, now } = model
  let replicaCount = 0

  function startReplica(service: WorldService, slot: WorldSlot, revision: Revision): WorldReplica {
    const replica: WorldReplica = {
      id: `replica-${++replicaCount}`,
      revision,
      phase: 'starting',
      startedMs: now(),
      readySinceMs: null,
      restarts: 0,
      failingHealth: false,
      hadTrouble: false,
    }
    boot(service, slot, replica)
    return replica
  }

  function boot(service: WorldService, slot: WorldSlot, replica: WorldReplica) {
    const started = now()
    replica.phase = 'starting'
    replica.startedMs = started
    const still = () => slot.replicas.includes(replica) && replica.startedMs === started && replica.phase !== 'crashed'
    scheduler.after(behaviourOf(replica.revision).startMs + random.whole(0, 200), () => {
      if (!still()) return
      const { kind, badNow, afterMs } = behaviourOf(replica.revision)
      if (kind === 'crashes' && badNow) return crash(service, slot, replica)
      if (kind === 'never-ready' && badNow) return
      becomeReady(service, slot, replica)
      if (kind === 'crashes' || kind === 'never-ready') {
        scheduler.after(afterMs + 1, () => {
          if (!still() || !behaviourOf(replica.revision).badNow) return
          if (kind === 'crashes') crash(service, slot, replica)
          else loseReadiness(service, replica)
        })
      }
    })
    scheduler.after(UNHEALTHY_MS, () => {
      if (still() && replica.phase === 'starting') Object.assign(replica, { failingHealth: true, hadTrouble: true })
    })
  }

  function becomeReady(service: WorldService, slot: WorldSlot, replica: WorldReplica) {
    replica.phase = 'ready'
    replica.readySinceMs = now()
    replica.failingHealth = false
    if (!firstReadyMs.has(replica.revision.id)) firstReadyMs.set(replica.revision.id, now())
    simulation.note(() => `${service.name} ${slot.name}: ${replica.id} (${replica.revision.version}) is ready`)
    changed(service)
    rollOn(service, slot)
  }

  function crash(service: WorldService, slot: WorldSlot, replica: WorldReplica) {
    replica.phase = 'crashed'
    replica.readySinceMs = null
    replica.restarts++
    simulation.note(() => `${service.name} ${slot.name}: ${replica.id} (${replica.revision.version}) exits by itself`)
    changed(service)
    const pauseMs = Math.min(8_000, 200 * 2 ** replica.restarts)
    scheduler.after(pauseMs, () => {
      if (slot.replicas.includes(replica) && replica.phase === 'crashed') boot(service, slot, replica)
    })
  }

  function loseReadiness(service: WorldService, replica: WorldReplica) {
    replica.phase = 'unready'
    replica.readySinceMs = null
    Object.assign(replica, { failingHealth: true, hadTrouble: true })
    simulation.note(() => `${service.name}: ${replica.id} (${replica.revision.version}) is not ready any more`)
    changed(service)
  }

  /** Ends a replica because somebody asked for it. */
  function end(service: WorldService, slot: WorldSlot, replica: WorldReplica, why: string) {
    if (replica.phase === 'ending') return
    if (isReady(replica)) {
      const inRotation = slot.outSinceMs === null
      const drainedMs = slot.outSinceMs === null ? 0 : now() - slot.outSinceMs
      const mustDrain =
        drainedMs < DRAIN_MS && (now() < slot.lastAnswerMs || (slot.lastAnswerMs > 0 && drainedMs < 150))
      if (inRotation || mustDrain) {
        const state = inRotation
          ? 'while it gets traffic'
          : `${drainedMs} ms after it left the rotation, with requests in flight`
        simulation.violate(
          'no dropped request',
          `${why} ends ${replica.id} of ${service.name} in ${slot.name} ${state}`,
        )
      }
    }
    simulation.note(() => `${service.name} ${slot.name}: ${replica.id} (${replica.revision.version}) ends: ${why}`)
    replica.phase = 'ending'
    replica.startedMs = -1
    scheduler.after(random.pick([5, 50, 400, 2_000]), () => {
      slot.replicas = slot.replicas.filter((other) => other !== replica)
      changed(service)
    })
  }

  function rollOn(service: WorldService, slot: WorldSlot) {
    const { roll } = slot
    if (!roll) return
    const ending = slot.replicas.filter(({ phase }) => phase === 'ending')
    const staying = slot.replicas.filter(({ phase }) => phase !== 'ending')
    const fresh = staying.filter((replica) => replica.revision.id === roll.revision.id)
    const old = staying.filter((replica) => replica.revision.id !== roll.revision.id)
    const waits = fresh.map((replica) => (replica.readySinceMs ?? Number.POSITIVE_INFINITY) + roll.minReadyMs - now())
    const longest = Math.max(0, ...waits)
    if (longest > 0) {
      if (Number.isFinite(longest)) scheduler.after(longest, () => rollOn(service, slot))
      return
    }
    // The platform takes it out of rotation and drains it by itself; that is not what is tested here.
    if (fresh.length + old.length > slot.desiredReplicas && old.length > 0) old.shift()
    slot.replicas = [...fresh, ...old, ...ending]
    if (fresh.length < slot.desiredReplicas) slot.replicas.push(startReplica(service, slot, roll.revision))
    else if (old.length > 0) scheduler.after(1, () => rollOn(service, slot))
    else slot.roll = null
    changed(service)
  }

  return { startReplica, becomeReady, crash, loseReadiness, end, rollOn }
}
