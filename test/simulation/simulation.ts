// One run: a world, a journal, runners and people, all of it from one seed. The runner, the engine, the planner and
// the judge are the real ones.

import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/load.ts'
import type { Snapshot } from '../../src/domain/snapshot.ts'
import { type Checks, createChecks } from './checks.ts'
import { emptyStore, type Store } from './journal.ts'
import { createOperators, type Operators } from './operators.ts'
import { createLook, type Epochs } from './ports.ts'
import { createProcesses, type Process, type Processes } from './process.ts'
import type { Random } from './random.ts'
import {
  type Behaviour,
  type Fault,
  type FaultKind,
  makeScenario,
  type Omitted,
  type Scenario,
  type ScenarioName,
} from './scenario.ts'
import { createScheduler, type Scheduler } from './scheduler.ts'
import { createWorld, type World } from './world.ts'

export interface Violation {
  readonly check: string
  readonly text: string
  readonly atMs: number
}

export interface BegunFault extends Fault {
  readonly toMs: number
}

export interface Simulation {
  readonly scenario: Scenario
  readonly scheduler: Scheduler
  readonly config: Config
  readonly store: Store
  readonly epochs: Epochs
  readonly world: World
  readonly checks: Checks
  readonly processes: Processes
  readonly operators: Operators
  /** The fault of this kind that is on now. */
  fault(kind: FaultKind): BegunFault | null
  /** All that have begun so far. */
  begun(): readonly BegunFault[]
  arm(when: { readonly fromMs: number; readonly points: number | null }, begin: () => void): void
  note(text: () => string): void
  violate(check: string, text: string): void
  wall(): string
  look(random: Random): Snapshot
  behaviourOf(service: string, version: string): Behaviour
  /** True: the process dies here. */
  probe(): boolean
  /** Highest epoch whose runner has begun to look. */
  observingEpoch(): number
  newestSeen(epoch: number): Process['newest']
  journalBroken(): boolean
  /** Calls of runners within this moment. */
  countCall(): number
  /** Something is on that keeps a runner from acting on what it knows. */
  disturbed(): boolean
  struck(arm: string): boolean
}

const configText = (services: readonly string[]) => `
name: shop
services:
${services.map((name) => `  ${name}: { start: node server.mjs, replicas: 2, drainSeconds: 2, path: /${name}, smoke: [{ request: GET /health, status: 200 }] }`).join('\n')}
environments:
  production: { platform: local, listen: 0, strategy: canary }
canary: { weights: [10, 50, 100], stageSeconds: 7 }
blueGreen: { monitorSeconds: 7 }
rolling: { monitorSeconds: 7, minReadySeconds: 1 }
triggers: { minRequests: 15, minBad: 3, windowSeconds: 5, p95Seconds: 0.5 }
waits: { readySeconds: 15, proofSeconds: 5, approvalSeconds: 20, unknownSeconds: 10 }
keepSeconds: 10
`

const configs = new Map<string, Config>()
function configOf(services: readonly string[]): Config {
  const text = configText(services)
  const known = configs.get(text)
  if (known) return known
  const parsed = parseConfig(text, { file: '/project/moodify.yaml', root: '/project' })
  if ('problems' in parsed) throw new Error(parsed.problems.map((problem) => problem.message).join('\n'))
  configs.set(text, parsed.config)
  return parsed.config
}

export interface RunResult {
  readonly seed: number
  readonly scenario: ScenarioName
  readonly violations: readonly Violation[]
  readonly trace: readonly string[]
  readonly journal: string
  readonly virtualMs: number
  readonly releases: number
  /** What was stable at the end of the calm, before the last version was shipped. */
  readonly stable: string
  readonly outcomes: readonly string[]
}

export interface RunOptions {
  readonly seed: number
  readonly only?: ScenarioName | null
  readonly omitted?: Omitted
  readonly traced?: boolean
  readonly scenario?: Scenario
  /** Called before and after each append and each effect of each runner; true kills it there. */
  readonly probe?: (nowMs: number) => boolean
}

/** A run that has not ended by then is stuck. */
const LONGEST_MS = 1_500_000

export async function simulate(options: RunOptions): Promise<RunResult> {
  const scenario = options.scenario ?? makeScenario(options.seed, options.only ?? null, options.omitted)
  const trace: string[] = []
  const violations: Violation[] = []
  const simulation = createSimulation(scenario, {
    note: options.traced ? (text) => void trace.push(text) : null,
    violations,
    probe: options.probe,
  })
  const { scheduler, store } = simulation
  const isOver = () => violations.length > 0 || simulation.operators.isDone() || scheduler.nowMs() > LONGEST_MS
  await scheduler.run(isOver)
  if (violations.length === 0 && !simulation.operators.isDone())
    simulation.violate('every state has an exit', 'it never ended')
  if (violations.length === 0) simulation.checks.atEnd()
  return {
    seed: scenario.seed,
    scenario: scenario.name,
    violations,
    trace,
    journal: options.traced ? JSON.stringify(store.records) : '',
    virtualMs: scheduler.nowMs(),
    releases: store.state.releaseCount,
    stable: simulation.operators.stable(),
    outcomes: store.records.flatMap(({ body }) => (body.kind === 'releaseEnded' ? [body.outcome] : [])),
  }
}

function createSimulation(
  scenario: Scenario,
  out: { note: ((text: string) => void) | null; violations: Violation[]; probe: RunOptions['probe'] },
): Simulation {
  const scheduler = createScheduler()
  const begun = new Map<FaultKind, BegunFault[]>()
  const now = () => scheduler.nowMs()
  const fault = (kind: FaultKind) => begun.get(kind)?.findLast((one) => now() < one.toMs) ?? null
  const arming = createArming(scheduler)
  let calls = 0
  let countedAtMs = 0
  const startedMs = Date.UTC(2026, 0, 6, 10)

  const simulation = {
    scenario,
    scheduler,
    config: configOf(scenario.services),
    store: emptyStore(),
    epochs: { workloads: 0, traffic: 0 },
    fault,
    note(text: () => string) {
      if (out.note) out.note(`${(now() / 1000).toFixed(3).padStart(9)} s  ${text()}`)
    },
    violate(check: string, text: string) {
      simulation.note(() => `VIOLATED ${check}: ${text}`)
      out.violations.push({ check, text, atMs: now() })
    },
    wall: () => new Date(startedMs + Math.round(now()) + (fault('wall-jumps')?.size ?? 0) - 500_000).toISOString(),
    behaviourOf: (service: string, version: string) => behaviourIn(scenario, service, version),
    probe() {
      arming.onPoint()
      return out.probe?.(now()) ?? false
    },
    observingEpoch: () => simulation.processes.observingEpoch(),
    newestSeen: (epoch: number) => simulation.processes.newestSeen(epoch),
    // What was decided while it was broken arrives a little later.
    journalBroken: () =>
      (['journal-refuses', 'journal-stores-but-fails'] as const).some((kind) =>
        begun.get(kind)?.some(({ toMs }) => now() < toMs + 8_000),
      ),
    countCall() {
      if (now() !== countedAtMs) calls = 0
      countedAtMs = now()
      return ++calls
    },
    arm: arming.arm,
    begun: () => [...begun.values()].flat(),
    disturbed: () => fault('platform-down') !== null || fault('front-restarts') !== null || simulation.journalBroken(),
    struck: () => [...begun.keys()].some((kind) => kind.startsWith('replica-') || kind === 'slot-crashes'),
  } as unknown as { -readonly [Key in keyof Simulation]: Simulation[Key] }
  simulation.checks = createChecks(simulation)
  simulation.world = createWorld(simulation)
  simulation.look = createLook(simulation)
  simulation.processes = createProcesses(simulation)
  simulation.operators = createOperators(simulation)
  for (const one of scenario.faults) {
    arming.arm(one, () => {
      const toMs = Math.min(scenario.calmAtMs, now() + one.lastsMs)
      if (toMs <= now()) return
      const known = { ...one, fromMs: now(), toMs }
      begun.set(one.kind, [...(begun.get(one.kind) ?? []), known])
      simulation.note(() => `fault: ${one.kind} for ${toMs - now()} ms`)
      simulation.world.strike(known)
      simulation.processes.strike(known)
    })
  }
  return simulation
}

/** Things that wait for a time, and then perhaps for a number of points around appends and effects. */
function createArming(scheduler: Scheduler) {
  const armed: { points: number; readonly begin: () => void }[] = []
  return {
    arm({ fromMs, points }: { readonly fromMs: number; readonly points: number | null }, begin: () => void): void {
      scheduler.at(fromMs, () => {
        if (points === null) begin()
        else armed.push({ points, begin })
      })
    },
    onPoint(): void {
      for (const one of armed.splice(0)) {
        if (one.points-- > 0) armed.push(one)
        else one.begin()
      }
    },
  }
}

/** With two services one of them may be good where the other is not. */
function behaviourIn(scenario: Scenario, service: string, version: string): Behaviour {
  const behaviour = scenario.versions[version]
  if (!behaviour) throw new Error(`no version ${version} in this world`)
  const number = Number(version.slice(1))
  const isSpared = scenario.services.length > 1 && number % 3 === scenario.services.indexOf(service)
  return isSpared ? { ...behaviour, kind: 'good' } : behaviour
}
