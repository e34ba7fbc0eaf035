// The load balancer and the users behind it.
import { LATENCY_BUCKETS, latencyBucket } from '../../../src/domain/counts.ts'
import type { Random } from '../random.ts'
import type { Simulation } from '../simulation.ts'
import { inWords, isReady, type Model, type WorldService, type WorldSlot } from './model.ts'

const SLOW_LATENCY_MS = 2_000

export function createBalancer(simulation: Simulation, model: Model, random: Random) {
  const { scheduler, scenario } = simulation
  const { services, behaviourOf, changed, serviceOf, now } = model
  let frontStartedSecond = 0
  let frontCount = 1

  function follow(service: WorldService, generation: number) {
    const { asked } = service
    if (asked?.generation !== generation) return
    const deaf = simulation.fault('balancer-deaf')
    if (deaf) return scheduler.at(deaf.toMs + 1, () => follow(service, generation))
    simulation.checks.beforeFollow(service, asked)
    service.shares = asked.shares
    service.generation = generation
    service.asked = null
    for (const slot of service.slots.values()) {
      if ((service.shares[slot.name] ?? 0) > 0) slot.outSinceMs = null
      else if (slot.outSinceMs === null) leaveRotation(slot)
    }
    simulation.note(
      () => `${service.name}: the load balancer follows ${inWords(service.shares)} (generation ${generation})`,
    )
    changed(service)
  }

  function leaveRotation(slot: WorldSlot) {
    slot.outSinceMs = now()
    const slow = slot.replicas.some((replica) => behaviourOf(replica.revision).kind === 'slow')
    slot.lastAnswerMs = now() + (slow ? SLOW_LATENCY_MS : random.pick([20, 100, 600, 1_500, 3_500]))
  }

  /** One whole second of users. */
  function serve() {
    const second = Math.round(now() / 1000) - 1
    for (const service of services.values()) {
      const served = new Map<string, { requests: number; bad: number }>()
      service.served[second] = served
      for (const [name, share] of Object.entries(service.shares)) {
        if (share > 0) serveSlot(service, name, share, second, served)
      }
    }
    simulation.checks.everySecond(second)
    scheduler.after(1000, serve)
  }

  function serveSlot(
    service: WorldService,
    name: string,
    share: number,
    second: number,
    served: Map<string, { requests: number; bad: number }>,
  ) {
    const owed = (service.owed.get(name) ?? 0) + (scenario.requestsPerSecond * share) / 100
    const amount = Math.floor(owed)
    service.owed.set(name, owed - amount)
    const targets = (service.slots.get(name)?.replicas ?? []).filter(isReady)
    targets.forEach((replica, index) => {
      const requests = Math.floor(amount / targets.length) + (index < amount % targets.length ? 1 : 0)
      if (requests === 0) return
      const { kind, badNow, failureShare } = behaviourOf(replica.revision)
      const hung = replica.phase === 'hung'
      const failures = hung ? requests : kind === 'failing' && badNow ? Math.ceil(requests * failureShare) : 0
      const isSlow = hung || (kind === 'slow' && badNow)
      const latency = new Array(LATENCY_BUCKETS).fill(0)
      latency[latencyBucket(isSlow ? SLOW_LATENCY_MS : 20)] = requests
      const revision = replica.revision.id
      const sum = served.get(`${name}/${revision}`) ?? { requests: 0, bad: 0 }
      served.set(`${name}/${revision}`, {
        requests: sum.requests + requests,
        bad: sum.bad + (isSlow ? requests : failures),
      })
      service.cells.push({
        slot: name,
        revision,
        replica: replica.id,
        second: second - frontStartedSecond,
        requests,
        failures,
        latency,
      })
    })
  }

  function restart() {
    frontStartedSecond = Math.floor(now() / 1000)
    frontCount++
    simulation.checks.onFrontRestart()
    simulation.note(() => 'the front restarts: its counts begin anew')
    for (const service of services.values()) {
      service.cells = []
      for (const slot of service.slots.values()) {
        // What was in flight went with it, and is counted apart.
        if (slot.outSinceMs !== null) Object.assign(slot, { outSinceMs: now(), lastAnswerMs: 0 })
      }
    }
  }

  scheduler.at(1000, serve)

  return {
    follow,
    restart,
    cellsAfter(name: string, source: string, second: number) {
      const mine = `front-${frontCount}`
      const after = source === mine ? second : -1
      const cells = serviceOf(name).cells
      let from = cells.length
      while (from > 0 && cells[from - 1]!.second > after) from--
      return {
        cells: cells.slice(from),
        next: { source: mine, second: Math.floor(now() / 1000) - frontStartedSecond - 1 },
      }
    },
  }
}
