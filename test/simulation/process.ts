// A runner as the operating system sees it: it can be ended or put to sleep at any moment. A dead process is one
// to which nothing is ever answered again; a sleeping one gets its answers late, and sends late.

import { judgeByMode } from '../../src/analysis/judges.ts'
import type { Snapshot } from '../../src/domain/snapshot.ts'
import type { Clock } from '../../src/effects/ports/clock.ts'
import { OperatingError } from '../../src/errors/catalogue.ts'
import { runReleases } from '../../src/runner/run-release.ts'
import { processJournal } from './journal.ts'
import { processHooks, processNotifier, processPlatform } from './ports.ts'
import { randomOf } from './random.ts'
import type { BegunFault, Simulation } from './simulation.ts'

export interface Process {
  readonly name: string
  alive: boolean
  asleepUntilMs: number
  /** When it fell asleep last. */
  asleep: { readonly fromMs: number } | null
  /** Once it has taken over. */
  epoch: number | null
  /** It has looked at the platform: from here on it decides. */
  observes: boolean
  /** What it was shown last; one that was taken earlier does not replace one that was taken later. */
  newest: { readonly snapshot: Snapshot; readonly takenAtMs: number } | null
  readonly stop: AbortController
}

/** Hands something to a process when it can take it: now, after its sleep, or never. */
export function deliver(simulation: Simulation, to: Process, run: () => void): void {
  const { scheduler } = simulation
  if (!to.alive) return
  if (scheduler.nowMs() < to.asleepUntilMs) scheduler.at(to.asleepUntilMs, () => deliver(simulation, to, run))
  else run()
}

/** A runner that asks this often within one moment goes round in circles. */
const MOST_CALLS = 20_000

/** A call that is answered within the same moment. */
export function callNow<T>(simulation: Simulation, by: Process, act: () => T): Promise<T> {
  if (simulation.countCall() > MOST_CALLS) {
    simulation.violate('time passes', `${by.name} goes round in circles`)
    by.alive = false
  }
  if (by.alive && simulation.scheduler.nowMs() >= by.asleepUntilMs) {
    try {
      return Promise.resolve(act())
    } catch (error) {
      return Promise.reject(error)
    }
  }
  return new Promise((resolve, reject) =>
    deliver(simulation, by, () => {
      try {
        resolve(act())
      } catch (error) {
        reject(error)
      }
    }),
  )
}

/** A call over a wire: what was sent arrives, whether or not the sender lives to hear of it. */
export function callFar<T>(
  simulation: Simulation,
  by: Process,
  call: { readonly thereMs: number; readonly backMs: number; readonly act: () => T },
): Promise<T> {
  return new Promise((resolve, reject) =>
    deliver(simulation, by, () =>
      simulation.scheduler.after(call.thereMs, () => {
        let answer: () => void
        try {
          const value = call.act()
          answer = () => resolve(value)
        } catch (error) {
          answer = () => reject(error)
        }
        simulation.scheduler.after(call.backMs, () => deliver(simulation, by, answer))
      }),
    ),
  )
}

const IDLE_MS = 1_000

export function createProcesses(simulation: Simulation) {
  const { scheduler, scenario } = simulation
  const random = randomOf(scenario.seed, 'processes')
  const all: Process[] = []
  let ensured = false
  let reached: { readonly process: Process; readonly point: string } | null = null

  function spawn(): Process {
    const process: Process = {
      name: `runner ${all.length + 1}`,
      alive: true,
      asleepUntilMs: 0,
      asleep: null,
      epoch: null,
      observes: false,
      newest: null,
      stop: new AbortController(),
    }
    all.push(process)
    simulation.note(() => `${process.name} starts`)
    runReleases({
      journal: processJournal(simulation, process),
      platform: processPlatform(simulation, process),
      hooks: processHooks(simulation, process),
      notifierFor: () => processNotifier(simulation, process),
      clock: clockOf(process),
      judge: judgeByMode,
      name: process.name,
      version: '0',
      idleMs: IDLE_MS,
      report: (text) => simulation.note(() => `${process.name} reports: ${text}`),
      signal: process.stop.signal,
      probe: (point) => onProbe(process, point),
    }).then(
      (end) => died(process, end),
      (error) => crashed(process, error),
    )
    return process
  }

  function died(process: Process, why: string): void {
    if (!process.alive) return
    process.alive = false
    simulation.note(() => `${process.name} ends: ${why}`)
    scheduler.after(random.whole(50, 2_000), ensure)
  }

  function crashed(process: Process, error: unknown): void {
    const isExpected = error instanceof OperatingError && process.epoch === null
    const because = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    const where = error instanceof Error ? (error.stack ?? '').split('\n').slice(1, 4).join(' ') : ''
    if (!isExpected) simulation.violate('kill it anywhere', `${process.name} crashed: ${because} ${where}`)
    died(process, because)
  }

  /** What the supervisor does: a runner lives while there is something to do. */
  function ensure(): void {
    if (ensured || all.some((process) => process.alive)) return
    const { state, commands } = simulation.store
    if (!state.release && !state.queued && commands.length <= state.lastCommandId) return
    ensured = true
    scheduler.after(random.whole(10, 300), () => {
      ensured = false
      if (!all.some((process) => process.alive)) spawn()
    })
  }

  /** What a fault does to the runner that has just reached a point, or to any that lives. */
  function strike(fault: BegunFault): void {
    const living = all.filter((process) => process.alive)
    const struck = reached?.process.alive ? reached.process : living.length > 0 ? random.pick(living) : null
    const where = reached ? reached.point : 'between two points'
    if (fault.kind === 'second-runner') spawn()
    if (!struck) return
    if (fault.kind === 'runner-sleeps') sleep(struck, fault, where)
    if (fault.kind === 'runner-killed' && fault.size % 7 === 0) struck.stop.abort()
    else if (fault.kind === 'runner-killed') kill(struck, where)
  }

  function onProbe(process: Process, point: string): void {
    if (!process.alive) return
    reached = { process, point }
    if (simulation.probe()) kill(process, point)
    reached = null
  }

  function kill(process: Process, point: string): void {
    simulation.note(() => `${process.name} is killed ${point}`)
    process.alive = false
    scheduler.after(random.whole(50, 3_000), ensure)
  }

  function sleep(process: Process, fault: BegunFault, point: string): void {
    const lastsMs = fault.toMs - fault.fromMs
    process.asleepUntilMs = scheduler.nowMs() + lastsMs
    process.asleep = { fromMs: scheduler.nowMs() }
    simulation.note(() => `${process.name} sleeps for ${lastsMs} ms ${point}`)
    if (fault.size % 3 > 0) scheduler.after(lastsMs * ((fault.size % 97) / 100), spawn)
  }

  function clockOf(process: Process): Clock {
    return {
      monotonicMs: () => scheduler.nowMs(),
      wall: simulation.wall,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          const wake = () => deliver(simulation, process, resolve)
          if (signal?.aborted) return wake()
          signal?.addEventListener('abort', wake, { once: true })
          scheduler.after(Math.max(ms, scenario.loopMs), () => {
            signal?.removeEventListener('abort', wake)
            wake()
          })
        }),
    }
  }

  scheduler.at(scenario.calmAtMs, ensure)

  return {
    ensure,
    kill,
    strike,
    observingEpoch: () => all.reduce((highest, one) => (one.observes ? Math.max(highest, one.epoch ?? 0) : highest), 0),
    newestSeen: (epoch: number) => all.find((one) => one.epoch === epoch)?.newest ?? null,
    /** When it decided what it appends now: nothing can be done about a sleep between the two. */
    decidedAtMs(epoch: number): number {
      const { asleep, asleepUntilMs } = all.find((one) => one.epoch === epoch)!
      return asleep && asleepUntilMs === scheduler.nowMs() ? asleep.fromMs : scheduler.nowMs()
    },
    /** Whether somebody looks: anybody at all, or the one whose writes count. */
    watching(who: 'anybody' | 'writer'): boolean {
      const { epoch } = simulation.store
      const isAwake = (one: Process) => one.alive && one.observes && scheduler.nowMs() >= one.asleepUntilMs
      return all.some((one) => isAwake(one) && (who === 'anybody' || one.epoch === epoch))
    },
  }
}

export type Processes = ReturnType<typeof createProcesses>
