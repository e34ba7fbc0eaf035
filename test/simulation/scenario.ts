// What will go wrong and who will type what, all of it decided before the run begins. Data, so that a failing run
// can be made smaller by leaving parts of it out.
import type { HookConfig, Settings } from '../../src/config/config.ts'
import { type Random, randomOf } from './random.ts'

/** How a version behaves from `afterMs` after its first replica became ready; before that it is good. */
export interface Behaviour {
  readonly kind: 'good' | 'failing' | 'slow' | 'crashes' | 'never-ready' | 'build-fails' | 'smoke-fails'
  readonly afterMs: number
  readonly failureShare: number
  /** How long a replica takes until it is ready. */
  readonly startMs: number
  readonly replicas: number
}

export const faultKinds = [
  // replicas
  'replica-crashes',
  'slot-crashes',
  'replica-hangs',
  'replica-unready',
  // load balancer
  'balancer-deaf',
  'balancer-late',
  'front-restarts',
  // what is seen
  'metrics-silent',
  'snapshot-stale',
  'snapshot-partial',
  'snapshot-disorder',
  // effects
  'effect-fails',
  'effect-times-out-but-happens',
  'effect-twice',
  'effect-slow',
  'platform-down',
  'hook-fails',
  'notify-fails',
  // journal and time
  'journal-refuses',
  'journal-stores-but-fails',
  'journal-slow',
  'wall-jumps',
  // runners
  'runner-killed',
  'runner-sleeps',
  'second-runner',
] as const
export type FaultKind = (typeof faultKinds)[number]

export interface Fault {
  readonly kind: FaultKind
  readonly fromMs: number
  readonly lastsMs: number
  /** It waits from `fromMs` for this many points around appends and effects, and begins there; null begins at once. */
  readonly points: number | null
  /** Meaning depends on the kind: a length in ms, a seed. */
  readonly size: number
}

export interface Operation {
  readonly atMs: number
  /** As for faults. */
  readonly points: number | null
  readonly verb: 'deploy' | 'rollback' | 'retry' | 'promote' | 'pause' | 'continue' | 'abort' | 'resolve'
  readonly version?: string
  readonly strategy?: 'blue-green' | 'canary' | 'rolling'
  readonly supersede?: boolean
  readonly again?: boolean
  readonly to?: 'undo' | 'version' | 'rolling'
  readonly as?: 'done' | 'redo'
  /** Sent even where the command line would have refused it before sending. */
  readonly blind: boolean
}

export interface Scenario {
  readonly name: ScenarioName
  readonly seed: number
  readonly services: readonly string[]
  readonly settings: (base: Settings) => Settings
  readonly requestsPerSecond: number
  /** How long the runner's shortest sleep really takes: a busy machine. */
  readonly loopMs: number
  readonly versions: Readonly<Record<string, Behaviour>>
  readonly operations: readonly Operation[]
  readonly faults: readonly Fault[]
  /** From here on nothing goes wrong any more and nobody types anything by chance. */
  readonly calmAtMs: number
}

export const scenarioNames = [
  'canary',
  'blue-green',
  'rolling',
  'rollback',
  'supersede',
  'two-services',
  'hooks',
  'approval',
  'takeover',
  'journal',
  'blind',
  'quiet',
  'anything',
] as const
export type ScenarioName = (typeof scenarioNames)[number]

/** What is left out of a scenario while a failing run is made smaller. */
export interface Omitted {
  readonly kinds: readonly FaultKind[]
  readonly faults: readonly number[]
  readonly operations: readonly number[]
}
export const nothingOmitted: Omitted = { kinds: [], faults: [], operations: [] }

export function makeScenario(seed: number, only: ScenarioName | null, omitted: Omitted = nothingOmitted): Scenario {
  const random = randomOf(seed, 'scenario')
  const drawn = random.pick(scenarioNames)
  const name = only ?? drawn
  const operations = operationsOf(seed, name)
  const calmAtMs = Math.max(...operations.map((operation) => operation.atMs)) + random.whole(8_000, 40_000)
  const faults = faultsOf(seed, name, calmAtMs)
  const quiet = name === 'quiet' || (name === 'anything' && random.chance(0.1))
  return {
    name,
    seed,
    services:
      name === 'two-services' || (name === 'anything' && random.chance(0.3)) ? ['backend', 'frontend'] : ['backend'],
    settings: settingsOf(seed, name),
    requestsPerSecond: quiet ? random.pick([0, 0, 1, 3]) : random.pick([60, 60, 200]),
    loopMs: random.pick([50, 150, 150, 300]),
    versions: versionsOf(seed, operations),
    operations: operations.filter((_, index) => !omitted.operations.includes(index)),
    faults: faults.filter((fault, index) => !omitted.kinds.includes(fault.kind) && !omitted.faults.includes(index)),
    calmAtMs,
  }
}

function strategyFor(name: ScenarioName, random: Random): 'blue-green' | 'canary' | 'rolling' {
  if (name === 'canary' || name === 'blue-green' || name === 'rolling') return name
  if (name === 'approval') return 'blue-green'
  return random.pick(['canary', 'canary', 'blue-green', 'rolling'])
}

function operationsOf(seed: number, name: ScenarioName): Operation[] {
  const random = randomOf(seed, 'operations')
  const hasty = name === 'supersede' || random.chance(0.2)
  const deploys: Operation[] = [
    { atMs: 0, points: null, verb: 'deploy', version: 'v1', strategy: 'canary', blind: false },
  ]
  let atMs = random.chance(0.15) ? random.whole(500, 6_000) : random.whole(6_000, 9_000)
  const count = random.whole(1, name === 'supersede' ? 4 : 3)
  for (let index = 0; index < count; index++) {
    const version = random.chance(0.12) ? `v${random.whole(1, index + 1)}` : `v${index + 2}`
    const strategy = strategyFor(name, random)
    const supersede = hasty ? random.chance(0.8) : random.chance(0.3)
    const again = random.chance(0.3)
    const points = hasty && random.chance(0.5) ? random.whole(1, 40) : null
    deploys.push({ atMs, points, verb: 'deploy', version, strategy, supersede, again, blind: random.chance(0.2) })
    atMs += hasty ? random.whole(200, 12_000) : random.whole(10_000, 45_000)
  }
  const others = name === 'rollback' ? random.whole(1, 5) : random.whole(0, random.pick([0, 2, 5]))
  const typed = Array.from({ length: others }, () => typedBy(random, name, atMs))
  return [...deploys, ...typed]
}

function typedBy(random: Random, name: ScenarioName, untilMs: number): Operation {
  const verbs = ['rollback', 'rollback', 'promote', 'pause', 'continue', 'abort', 'retry', 'resolve'] as const
  const verb = name === 'rollback' && random.chance(0.6) ? 'rollback' : random.pick(verbs)
  return {
    atMs: random.whole(1_000, untilMs),
    points: random.chance(0.6) ? random.whole(0, 40) : null,
    verb,
    to: random.pick(['undo', 'undo', 'version', 'rolling']),
    version: `v${random.whole(1, 3)}`,
    as: random.pick(['done', 'redo']),
    blind: random.chance(0.4),
  }
}

/** Good, and shipped at the end of each run. */
export const LAST_VERSION = 'v900'

const goodBehaviour: Behaviour = { kind: 'good', afterMs: 0, failureShare: 0, startMs: 1_000, replicas: 2 }

function versionsOf(seed: number, operations: readonly Operation[]): Record<string, Behaviour> {
  const random = randomOf(seed, 'versions')
  const kinds = ['failing', 'failing', 'slow', 'crashes', 'never-ready', 'build-fails', 'smoke-fails'] as const
  const replicas = random.pick([1, 2, 2, 3])
  const versions: Record<string, Behaviour> = {}
  for (let index = 1; index <= operations.length + 3; index++) {
    const kind =
      index === 1
        ? random.chance(0.05)
          ? random.pick(kinds)
          : 'good'
        : random.chance(0.5)
          ? 'good'
          : random.pick(kinds)
    versions[`v${index}`] = {
      kind,
      afterMs: random.chance(0.3) ? random.whole(0, 30_000) : 0,
      failureShare: random.pick([0.25, 0.5, 1]),
      startMs: random.chance(0.1) ? random.whole(5_000, 14_000) : random.whole(300, 2_500),
      replicas: random.chance(0.1) ? random.pick([1, 2, 3]) : replicas,
    }
  }
  return { ...versions, [LAST_VERSION]: { ...goodBehaviour, replicas } }
}

const poolOf: Partial<Record<ScenarioName, readonly FaultKind[]>> = {
  takeover: [
    'runner-killed',
    'runner-sleeps',
    'runner-sleeps',
    'second-runner',
    'effect-slow',
    'effect-times-out-but-happens',
  ],
  journal: [
    'journal-refuses',
    'journal-refuses',
    'journal-stores-but-fails',
    'journal-slow',
    'runner-killed',
    'slot-crashes',
  ],
  blind: [
    'metrics-silent',
    'snapshot-stale',
    'snapshot-partial',
    'snapshot-disorder',
    'snapshot-disorder',
    'front-restarts',
    'runner-killed',
    'slot-crashes',
  ],
  hooks: ['hook-fails', 'notify-fails', 'runner-killed', 'runner-sleeps', 'effect-slow'],
}

function faultsOf(seed: number, name: ScenarioName, calmAtMs: number): Fault[] {
  const random = randomOf(seed, 'faults')
  const pool = poolOf[name] ?? faultKinds
  const count = random.whole(0, random.pick([1, 3, 6, 10]))
  const startsCalm = random.chance(0.7)
  const drawn = Array.from({ length: count }, () => {
    const kind = random.pick(pool)
    const fromMs = random.whole(startsCalm ? 5_000 : 0, Math.max(5_001, calmAtMs - 1_000))
    const lastsMs = random.whole(100, random.pick([1_000, 4_000, 12_000, 30_000]))
    const points = random.chance(0.5) ? random.whole(0, 30) : null
    return { kind, fromMs, lastsMs, points, size: random.whole(0, 1_000_000) }
  })
  // What hurts most are two things at the same moment.
  const together = drawn.map(
    (fault): Fault => ({ ...fault, kind: random.pick(pool), size: random.whole(0, 1_000_000) }),
  )
  return [...drawn, ...together.filter(() => random.chance(0.4))]
}

function settingsOf(seed: number, name: ScenarioName): (base: Settings) => Settings {
  const random = randomOf(seed, 'settings')
  const hook = (run: string): HookConfig => ({ run, timeoutMs: 5_000, onUnknown: random.pick(['ask', 'retry']) })
  const some = (probability: number) => name === 'hooks' || random.chance(probability)
  const hooks = {
    ...(some(0.1) ? { before: hook('./before.sh') } : {}),
    ...(some(0.1) ? { beforeTraffic: hook('./before-traffic.sh') } : {}),
    ...(some(0.1) ? { afterSwitch: hook('./after-switch.sh') } : {}),
    ...(some(0.1) ? { afterRollback: hook('./after-rollback.sh') } : {}),
  }
  const approval = name === 'approval' || random.chance(0.1)
  const weights = random.pick([[10, 50, 100], [25, 100], [100], [10, 25, 50, 100]])
  const onUnknown = random.pick(['hold', 'rollback'] as const)
  const onNoTraffic = random.pick(['advance-on-health', 'hold'] as const)
  const mode = random.pick(['threshold', 'threshold', 'sequential'] as const)
  const early = random.chance(0.3)
  const preSwitchPercent = random.pick([0, 0, 10, 25])
  const keepMs = random.pick([0, 5_000, 25_000])
  const webhook = name === 'hooks' || random.chance(0.2)
  return (base) => ({
    ...base,
    canary: { ...base.canary, weights, early },
    blueGreen: { ...base.blueGreen, approval, preSwitchPercent },
    triggers: { ...base.triggers, mode },
    waits: { ...base.waits, onUnknown, onNoTraffic },
    keepMs,
    hooks,
    notify: webhook ? { webhook: 'http://127.0.0.1/hook' } : null,
  })
}
