// The ports of the simulated platform, as one runner process reaches them: over a wire on which calls get lost,
// come late, happen twice, or happen although they seem to have failed.
import { emptySlot, type ServiceFacts, type Snapshot } from '../../src/domain/snapshot.ts'
import type { Hooks, Notifier } from '../../src/effects/ports/messages.ts'
import type { Platform } from '../../src/effects/ports/platform.ts'
import { OperatingError } from '../../src/errors/catalogue.ts'
import type { Write } from './checks/ledger.ts'
import { callFar, callNow, type Process } from './process.ts'
import { randomOf } from './random.ts'
import type { Simulation } from './simulation.ts'

/** What the platform remembers of its writers: the two parts keep it apart, as the real ones do. */
export interface Epochs {
  workloads: number
  traffic: number
}

export function processPlatform(simulation: Simulation, process: Process): Platform {
  const { world, epochs } = simulation
  const random = randomOf(simulation.scenario.seed, `wire of ${process.name}`)

  /** A write with all that can happen to it on its way. */
  function write<T>(part: keyof Epochs, epoch: number, what: Write, act: () => T): Promise<T> {
    const arrive = () => {
      if (simulation.fault('platform-down')) throw new OperatingError('PLATFORM_DOWN', 'nobody answers')
      if (simulation.fault('effect-fails') && random.chance(0.7))
        throw new OperatingError('PLATFORM_FAILED', 'it failed')
      if (epoch < epochs[part]) throw new OperatingError('STALE_EPOCH', `epoch ${epoch} is older than ${epochs[part]}`)
      simulation.checks.onWrite(epoch, what)
      const answer = act()
      if (simulation.fault('effect-twice')) act()
      return answer
    }
    const slow = simulation.fault('effect-slow')
    const thereMs = slow ? random.whole(500, 6_000) : random.whole(2, 30)
    if (!simulation.fault('effect-times-out-but-happens')) {
      return callFar(simulation, process, { thereMs, backMs: random.whole(1, 20), act: arrive })
    }
    const timedOut = () => {
      arrive()
      throw new OperatingError('PLATFORM_FAILED', 'no answer within 1 s')
    }
    return callFar(simulation, process, { thereMs, backMs: 1_000, act: timedOut })
  }

  const takeEpoch = (part: keyof Epochs) => (epoch: number) =>
    callFar(simulation, process, {
      thereMs: simulation.fault('effect-slow') ? random.whole(500, 4_000) : random.whole(1, 20),
      backMs: random.whole(1, 20),
      act: () => {
        if (simulation.fault('platform-down')) throw new OperatingError('PLATFORM_DOWN', 'nobody answers')
        if (epoch < epochs[part]) throw new OperatingError('STALE_EPOCH', `epoch ${epoch} is older`)
        epochs[part] = epoch
      },
    })

  return {
    name: 'simulated',
    workloads: {
      capabilities: { slots: ['blue', 'green'] },
      prepare: (revision, signal) =>
        stoppable(
          signal,
          callFar(simulation, process, {
            thereMs: random.whole(50, 400),
            backMs: 1,
            act: () => {
              if (simulation.behaviourOf(revision.service, revision.version).kind === 'build-fails')
                throw new OperatingError('BUILD_FAILED', `${revision.version} does not build`)
            },
          }),
        ),
      applyRevision: ({ service, slot, revision, replicas }, epoch) =>
        write('workloads', epoch, { kind: 'applyRevision', service, slot }, () =>
          world.writes.apply(service, slot, revision, replicas),
        ),
      rollInPlace: ({ service, slot, revision, minReadyMs, replicas }, epoch) =>
        write('workloads', epoch, { kind: 'rollInPlace', service, slot }, () =>
          world.writes.roll(service, slot, revision, { minReadyMs, replicas }),
        ),
      ensureFloor: ({ service, slot, replicas }, epoch) =>
        write('workloads', epoch, { kind: 'ensureFloor', service, slot }, () =>
          world.writes.floor(service, slot, replicas),
        ),
      retire: ({ service, slot }, epoch) =>
        write('workloads', epoch, { kind: 'retire', service, slot }, () => world.writes.retire(service, slot)),
      takeEpoch: takeEpoch('workloads'),
    },
    traffic: {
      capabilities: { split: 'request', granularityPercent: 1, headerPin: null, proof: 'reported' },
      setShares: ({ service, shares, generation }, epoch) =>
        write('traffic', epoch, { kind: 'setShares', service, shares, generation }, () => {
          if (!world.writes.setShares(service, shares, generation))
            throw new OperatingError('STALE_GENERATION', `generation ${generation} is too old`)
          return shares
        }),
      takeEpoch: takeEpoch('traffic'),
    },
    observer: {
      snapshot() {
        process.observes = true
        const backMs = random.chance(0.1) ? random.whole(50, 900) : 0
        const look = () => simulation.look(random)
        const shown = (seen: Snapshot): Snapshot => {
          const takenAtMs = simulation.scheduler.nowMs() - seen.observedAgoMs
          if (!process.newest || takenAtMs >= process.newest.takenAtMs) process.newest = { snapshot: seen, takenAtMs }
          return seen
        }
        if (backMs === 0) return callNow(simulation, process, () => shown(look()))
        const sentMs = simulation.scheduler.nowMs()
        return callFar(simulation, process, { thereMs: 0, backMs, act: look }).then((seen) => {
          const tookMs = simulation.scheduler.nowMs() - sentMs
          return shown({ ...seen, observedAgoMs: seen.observedAgoMs + tookMs })
        })
      },
      cells: (service, after) =>
        callNow(simulation, process, () => {
          if (simulation.fault('metrics-silent')) throw new OperatingError('PLATFORM_FAILED', 'no counts')
          simulation.checks.onCells()
          return world.cellsAfter(service, after?.source ?? '', after?.second ?? -1)
        }),
    },
    checks: {
      smoke: ({ service, slot, tests }, signal) =>
        stoppable(
          signal,
          callFar(simulation, process, {
            thereMs: random.whole(10, 200),
            backMs: random.whole(10, 200),
            act: () => {
              const found = world.services.get(service)?.slots.get(slot)
              const ready = found?.replicas.filter(({ phase }) => phase === 'ready') ?? []
              const fails = ready.some(({ revision }) => world.behaviourOf(revision).kind === 'smoke-fails')
              const saw = ready.length === 0 ? 'no replica is ready' : fails ? '500, expected 200' : '200'
              const passed = ready.length > 0 && !fails
              simulation.checks.onSmoke(service, slot, passed)
              return tests.map((test) => ({ name: test.name, passed, saw }))
            },
          }),
        ),
    },
  }
}

function stoppable<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true })
    work.then(resolve, reject)
  })
}

export function processHooks(simulation: Simulation, process: Process): Hooks {
  const random = randomOf(simulation.scenario.seed, `hooks of ${process.name}`)
  return {
    run: ({ name, context }) =>
      callFar(simulation, process, {
        thereMs: 1,
        backMs: random.pick([10, 200, 3_000]),
        act: () => {
          const exitCode = simulation.fault('hook-fails') ? 3 : 0
          simulation.checks.onHook(name, context['release'] ?? '', exitCode)
          return { exitCode, lastLines: exitCode === 0 ? '' : 'it did not work' }
        },
      }),
  }
}

export function processNotifier(simulation: Simulation, process: Process): Notifier {
  return {
    notify: (message) =>
      callFar(simulation, process, {
        thereMs: 5,
        backMs: 5,
        act: () => {
          if (simulation.fault('notify-fails')) throw new OperatingError('NOTIFY_FAILED', '503')
          // A release may hold more than once, at another step each time.
          const { release, step = '', direction = '' } = message.data
          simulation.checks.onTold(`${message.event}${direction}${step}`, release, message.idempotencyKey)
        },
      }),
  }
}

/** Snapshots as an adapter would give them: stale, in part, or older than the one before. */
export function createLook(
  simulation: Simulation,
): (random: { chance(p: number): boolean; pick<T>(list: readonly T[]): T }) => Snapshot {
  const seen: { readonly atMs: number; readonly services: Snapshot['services'] }[] = []
  const now = () => simulation.scheduler.nowMs()

  return (random) => {
    const stale = simulation.fault('snapshot-stale')
    const fresh = { atMs: now(), services: simulation.world.facts() }
    if (stale || simulation.fault('snapshot-disorder')) {
      const oldest = stale ? stale.fromMs : now() - 4_500
      const old = stale
        ? seen.findLast((one) => one.atMs <= oldest)
        : random.pick(seen.filter((one) => one.atMs >= oldest))
      if (old && (stale || random.chance(0.5))) {
        return { observedAgoMs: now() - old.atMs, complete: true, missing: [], services: old.services }
      }
    }
    seen.push(fresh)
    const partial = simulation.fault('snapshot-partial') ?? simulation.fault('platform-down')
    if (!partial) return { observedAgoMs: 0, complete: true, missing: [], services: fresh.services }
    const part = partial.size % 3
    if (part === 2) return { observedAgoMs: 0, complete: false, missing: ['everything'], services: {} }
    const missing = part === 0 ? 'the supervisor' : 'the front'
    const cut = part === 0 ? withoutWorkloads : withoutTraffic
    const services = Object.fromEntries(Object.entries(fresh.services).map(([name, facts]) => [name, cut(facts)]))
    return { observedAgoMs: 0, complete: false, missing: [missing], services }
  }
}

function withoutWorkloads(facts: ServiceFacts): ServiceFacts {
  return { ...facts, slots: { blue: emptySlot, green: emptySlot } }
}

function withoutTraffic(facts: ServiceFacts): ServiceFacts {
  return { ...facts, route: { generation: 0, shares: {}, slots: {} } }
}
