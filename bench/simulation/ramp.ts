// Whole releases of a good version, 10 → 25 → 50 → 100 %, five minutes each, through the judge as it ships: how often
// is it taken back? Each scenario breaks an assumption that naive statistics make.
import type { Judge, JudgeState, Question } from '../../src/analysis/judge.ts'
import { sequentialJudge } from '../../src/analysis/sequential-judge.ts'
import type { Triggers } from '../../src/config/config.ts'
import { type Cell, LATENCY_BUCKETS, latencyBucket } from '../../src/domain/counts.ts'
import { emptySlot } from '../../src/domain/snapshot.ts'
import { binomial, type Chance, chanceFrom, poisson } from './chance.ts'

/** What happens in a second to a replica. */
interface Weather {
  readonly requestsPerSecond: number
  readonly rate: number
}

interface Replica {
  readonly name: string
  readonly isCanary: boolean
  /** Its own error rate and share of slow requests, as a multiple of everyone's. */
  readonly factor: number
  readonly startedAt: number
}

interface Scenario {
  /** Largest share of false rollbacks that is promised while stable receives traffic; null: none. */
  readonly promised: number | null
  /** Requests that fail together when one does. */
  readonly cluster?: number
  /** Standard deviation of ln factor of the replicas. */
  readonly spread?: number
  /** Whether a new replica starts at ten times the error rate and slowness. */
  readonly cold?: boolean
  /** Chance per replica and second, whatever its load, that all of its requests fail, or that one does. */
  readonly stalls?: number
  readonly hitches?: number
  readonly weather: (second: number, luck: Luck) => Weather
}

/** Drawn once per trial. */
interface Luck {
  readonly outageAt: number
  readonly phase: number
  readonly bursts: ReadonlySet<number>
}

const RATE = 0.001
const calm: Weather = { requestsPerSecond: 50, rate: RATE }
const STAGE_SECONDS = 300
export const STAGES = [10, 25, 50, 100] as const
const TICK_SECONDS = 5
const COLD_SECONDS = 10

/** Replicas of stable, and of the canary at a weight in percent. */
export const layouts = {
  'as many as its share, beside 9': { stable: 9, canaryAt: (weight: number) => Math.ceil(weight / 10) },
  '3 beside 3': { stable: 3, canaryAt: () => 3 },
} as const
export type LayoutName = keyof typeof layouts

export const scenarios = {
  'ideal traffic': { promised: 0.01, weather: () => calm },
  'diurnal drift': {
    promised: 0.01,
    weather: (second, { phase }) => {
      const wave = Math.sin((second / 1200) * 2 * Math.PI + phase)
      return { requestsPerSecond: 50 * (1 + 0.5 * wave), rate: RATE * (1 + 0.8 * wave) }
    },
  },
  'shared outage, 3 % for 6 min': {
    promised: 0.01,
    weather: (second, { outageAt }) => (second >= outageAt && second < outageAt + 360 ? { ...calm, rate: 0.03 } : calm),
  },
  'shared bursts, 20 % for 5 s': {
    promised: 0.01,
    weather: (second, { bursts }) => (bursts.has(Math.floor(second / 5)) ? { ...calm, rate: 0.2 } : calm),
  },
  'noisy baseline, 2 %': { promised: 0.01, weather: () => ({ ...calm, rate: 0.02 }) },
  'clustered errors, 3 at once': { promised: 0.02, cluster: 3, weather: () => calm },
  'pod effects, ±30 %': { promised: 0.02, spread: 0.3, weather: () => calm },
  'cold starts, 10×': { promised: 0.02, cold: true, weather: () => calm },
  'replicas stall for a second, one in 1000': { promised: 0.02, stalls: 0.001, weather: () => ({ ...calm, rate: 0 }) },
  // Harder than what is promised, to know where it ends.
  'clustered errors at 2 %': { promised: null, cluster: 3, weather: () => ({ ...calm, rate: 0.02 }) },
  'pod effects, ±30 %, at 0.5 %': { promised: null, spread: 0.3, weather: () => ({ ...calm, rate: 0.005 }) },
  'cold starts, 10×, at 0.5 %': { promised: null, cold: true, weather: () => ({ ...calm, rate: 0.005 }) },
  'one request of a replica fails, whatever its load': {
    promised: null,
    hitches: 0.005,
    weather: () => ({ ...calm, rate: 0 }),
  },
} as const satisfies Record<string, Scenario>
export type ScenarioName = keyof typeof scenarios

export interface RampResult {
  /** While stable received traffic beside it. */
  readonly falseRollbacks: number
  /** At 100 %, where nothing runs beside it and the evidence is weaker. */
  readonly alone: number
  readonly trials: number
  /** Rules that took a good version back, with how often. */
  readonly rules: Readonly<Record<string, number>>
  /** Ends of stages at which the canary was found healthy, of 4 in each trial. */
  readonly healthyStages: number
}

export interface RampOptions {
  readonly trials: number
  readonly seed: number
  /** Number of the first trial; each has random numbers of its own. */
  readonly first?: number
  /** Leaves out the stage at 100 %, where nothing is promised. */
  readonly untilAlone?: boolean
  readonly layout?: LayoutName
  readonly judge?: Judge
  readonly triggers?: Partial<Triggers>
}

export function simulateRamps(name: ScenarioName, options: RampOptions): RampResult {
  const rules: Record<string, number> = {}
  let healthyStages = 0
  let alone = 0
  const first = options.first ?? 0
  for (let trial = first; trial < first + options.trials; trial++) {
    const result = ramp(scenarios[name], chanceFrom(options.seed, trial), options)
    if (result.takenBackBy) rules[result.takenBackBy] = (rules[result.takenBackBy] ?? 0) + 1
    if (result.takenBackBy && result.atPercent === 100) alone++
    healthyStages += result.healthyStages
  }
  const all = Object.values(rules).reduce((sum, count) => sum + count, 0)
  return { falseRollbacks: all - alone, alone, trials: options.trials, rules, healthyStages }
}

export function addResults(a: RampResult, b: RampResult): RampResult {
  const rules = { ...a.rules }
  for (const [rule, count] of Object.entries(b.rules)) rules[rule] = (rules[rule] ?? 0) + count
  return {
    falseRollbacks: a.falseRollbacks + b.falseRollbacks,
    alone: a.alone + b.alone,
    trials: a.trials + b.trials,
    rules,
    healthyStages: a.healthyStages + b.healthyStages,
  }
}

const defaults: Triggers = {
  mode: 'sequential',
  alphaPercent: 1,
  margin: 1.25,
  warmUpMs: 30_000,
  sharedFault: 'freeze',
  errorRatePercent: 5,
  p95Ms: 5000,
  crashLoop: true,
  failingHealthPercent: 50,
  minRequests: 50,
  minBad: 5,
  windowMs: 60_000,
}

function ramp(scenario: Scenario, chance: Chance, options: RampOptions) {
  const { judge = sequentialJudge, triggers = {}, layout = 'as many as its share, beside 9' } = options
  const { stable: stableReplicas, canaryAt } = layouts[layout]
  const luck = luckOf(chance)
  const factor = () => Math.exp((scenario.spread ?? 0) * normal(chance))
  const stable = Array.from({ length: stableReplicas }, (_, at) => replica(`stable-${at}`, false, factor(), -1e9))
  const canary: Replica[] = []
  let state: JudgeState | null = null
  let healthyStages = 0
  for (const [index, weight] of STAGES.entries()) {
    if (options.untilAlone && weight === 100) break
    const startedAt = index * STAGE_SECONDS
    while (canary.length < canaryAt(weight)) canary.push(replica(`canary-${canary.length}`, true, factor(), startedAt))
    const question = questionOf(index, weight, { ...defaults, ...triggers })
    state = judge.start(question, state)
    const arms = { canary, stable: weight < 100 ? stable : [], weight: weight / 100 }
    for (let elapsed = TICK_SECONDS; elapsed <= STAGE_SECONDS; elapsed += TICK_SECONDS) {
      const from = startedAt + elapsed - TICK_SECONDS
      const cells = Array.from({ length: TICK_SECONDS }, (_, at) =>
        serve(scenario, chance, luck, from + at, arms),
      ).flat()
      const answer = judge.tick(state, { elapsedMs: elapsed * 1000, cells, candidate: emptySlot, hasData: true })
      state = answer.state
      if (answer.verdict.kind === 'unhealthy') {
        return { takenBackBy: answer.verdict.rule, atPercent: weight, healthyStages }
      }
      if (elapsed === STAGE_SECONDS && answer.verdict.kind === 'healthy') healthyStages++
    }
  }
  return { takenBackBy: null, atPercent: null, healthyStages }
}

function replica(name: string, isCanary: boolean, factor: number, startedAt: number): Replica {
  return { name, isCanary, factor, startedAt }
}

function luckOf(chance: Chance): Luck {
  const bursts = Array.from({ length: 20 }, () => Math.floor(chance() * ((STAGES.length * STAGE_SECONDS) / 5)))
  return { outageAt: Math.floor(chance() * 600), phase: chance() * 2 * Math.PI, bursts: new Set(bursts) }
}

function questionOf(index: number, weightPercent: number, triggers: Triggers): Question {
  return {
    triggers,
    candidate: { slot: 'green', revision: 'new' },
    control: weightPercent < 100 ? { slot: 'blue', revision: 'old' } : null,
    monitorMs: STAGE_SECONDS * 1000,
    stage: { index, count: STAGES.length },
    weightPercent,
  }
}

function serve(
  scenario: Scenario,
  chance: Chance,
  luck: Luck,
  second: number,
  { canary, stable, weight }: { canary: readonly Replica[]; stable: readonly Replica[]; weight: number },
): Cell[] {
  const weather = scenario.weather(second, luck)
  const share = (one: Replica) => (one.isCanary ? weight / canary.length : (1 - weight) / stable.length)
  return [...canary, ...stable].map((one) =>
    cellOf(one, second, chance, scenario, { ...weather, requestsPerSecond: weather.requestsPerSecond * share(one) }),
  )
}

function cellOf(one: Replica, second: number, chance: Chance, scenario: Scenario, weather: Weather): Cell {
  const age = second - one.startedAt
  const cold = scenario.cold ? 1 + 9 * Math.exp(-age / COLD_SECONDS) : 1
  const requests = poisson(chance, weather.requestsPerSecond)
  const cluster = scenario.cluster ?? 1
  const events = binomial(chance, requests, Math.min(1, (weather.rate * one.factor * cold) / cluster))
  const latency = new Array<number>(LATENCY_BUCKETS).fill(0)
  const slow = binomial(chance, requests, Math.min(1, 0.1 * one.factor * cold))
  const slower = binomial(chance, slow, 0.2)
  latency[latencyBucket(40)] = requests - slow
  latency[latencyBucket(200)] = slow - slower
  latency[latencyBucket(700)] = slower
  return {
    slot: one.isCanary ? 'green' : 'blue',
    revision: one.isCanary ? 'new' : 'old',
    replica: one.name,
    second,
    requests,
    failures: Math.min(requests, events * cluster + ofReplica(chance, scenario, requests)),
    latency,
  }
}

/** Requests that fail because of their replica, not because of what they ask for. */
function ofReplica(chance: Chance, { stalls = 0, hitches = 0 }: Scenario, requests: number): number {
  if (stalls > 0 && chance() < stalls) return requests
  return hitches > 0 && chance() < hitches ? 1 : 0
}

/** Source: Box and Muller. */
function normal(chance: Chance): number {
  return Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance())
}

/** Lower 99 % confidence limit of a share: the upper one of what is left. */
export function lowerLimit(hits: number, trials: number): number {
  return hits === 0 ? 0 : 1 - upperLimit(trials - hits, trials)
}

/** Upper 99 % confidence limit of a share, exact. Source: Clopper and Pearson (1934). */
export function upperLimit(hits: number, trials: number): number {
  let low = hits / trials
  let high = 1
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    if (atMost(hits, trials, middle) > 0.01) low = middle
    else high = middle
  }
  return high
}

/** P(X ≤ hits), X binomial. */
function atMost(hits: number, trials: number, rate: number): number {
  let log = trials * Math.log1p(-rate)
  let sum = Math.exp(log)
  for (let k = 1; k <= hits; k++) {
    log += Math.log((trials - k + 1) / k) + Math.log(rate / (1 - rate))
    sum += Math.exp(log)
  }
  return sum
}
