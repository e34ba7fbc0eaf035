// One release of each strategy through a judge as it ships, on simulated requests: when is it taken back? 50 requests/s,
// default settings, a tick each second; stable fails 0.1 % and answers none slowly. A canary is watched at its first
// weight of 10 %, with as many replicas as stable or with as many as its share.
import type { Judge, Question } from '../../src/analysis/judge.ts'
import { judgeByMode } from '../../src/analysis/judges.ts'
import type { TriggerMode, Triggers } from '../../src/config/config.ts'
import { type Cell, type Counts, LATENCY_BUCKETS, latencyBucket } from '../../src/domain/counts.ts'
import { emptySlot, type SlotFacts } from '../../src/domain/snapshot.ts'
import { binomial, type Chance, chanceFrom, poisson } from './chance.ts'

/** Shares of the requests; what is left of them takes 40 ms or, a tenth, 200 ms. */
export interface Behaviour {
  readonly fails: number
  /** Take 5.5 s, and are counted when they end. */
  readonly slow: number
}

interface Strategy {
  readonly hasControl: boolean
  readonly stages: number
  readonly weightPercent?: number
  /** Replicas of the new and of the old version. */
  readonly replicas: (second: number) => number
  readonly oldReplicas: (second: number) => number
  /** Share of the traffic that the new ones get, all together. */
  readonly share: (second: number) => number
  /** From the first request to the new version to the end of the monitor time. */
  readonly seconds: number
}

const REQUESTS_PER_SECOND = 50
const REPLICAS = 3
const MOST_REPLICAS = 10
const MONITOR_SECONDS = 300
const SLOW_SECONDS = 5.5
/** A replica starts in 5 s and is ready for the default of 10 s before the next one goes. */
const REPLACE_SECONDS = 15
/** As long as the front keeps what it has counted. */
const BEFORE_SECONDS = 600

const all = () => REPLICAS
const canary = { hasControl: true, stages: 4, weightPercent: 10, share: () => 0.1, seconds: MONITOR_SECONDS }
const replaced = (second: number) => Math.min(REPLICAS, 1 + Math.floor(second / REPLACE_SECONDS))

export const strategies = {
  'canary, 3 and 3 replicas': { ...canary, replicas: all, oldReplicas: all },
  'canary, 1 and 9 replicas': { ...canary, replicas: () => 1, oldReplicas: () => 9 },
  'blue-green': {
    hasControl: false,
    stages: 1,
    replicas: all,
    oldReplicas: () => 0,
    share: () => 1,
    seconds: MONITOR_SECONDS,
  },
  rolling: {
    hasControl: true,
    stages: 1,
    replicas: replaced,
    oldReplicas: (second) => REPLICAS - replaced(second),
    share: (second) => replaced(second) / REPLICAS,
    seconds: (REPLICAS - 1) * REPLACE_SECONDS + MONITOR_SECONDS,
  },
} as const satisfies Record<string, Strategy>
export type StrategyName = keyof typeof strategies

const stableVersion: Behaviour = { fails: 0.001, slow: 0 }

const triggers: Omit<Triggers, 'mode'> = {
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

export interface RunOptions {
  readonly strategy: StrategyName
  readonly mode: TriggerMode
  readonly candidate: Behaviour
  /** What both versions do for some time, such as while a dependency is down. */
  readonly outage?: { readonly from: number; readonly to: number; readonly fails: number }
  readonly stable?: Behaviour
  readonly seed: number
  readonly trial: number
  readonly judge?: Judge
}

/** Seconds from the first request to the new version until it is taken back; null if it is not. */
export function secondsToRollback(options: RunOptions): number | null {
  const { mode, candidate, outage, stable = stableVersion, judge = judgeByMode } = options
  const chance = chanceFrom(options.seed, options.trial)
  const strategy: Strategy = strategies[options.strategy]
  let state = judge.start(questionOf(strategy, mode, beforeOf(chance, stable)))
  const late = { candidate: new Map<number, number>(), stable: new Map<number, number>() }
  for (let second = 0; second < strategy.seconds; second++) {
    const isOut = outage && second >= outage.from && second < outage.to
    const nowOf = (behaviour: Behaviour) => (isOut ? { ...behaviour, fails: outage.fails } : behaviour)
    const cells = [
      ...serve(chance, { arm: 'candidate', strategy, second, behaviour: nowOf(candidate), late: late.candidate }),
      ...serve(chance, { arm: 'stable', strategy, second, behaviour: nowOf(stable), late: late.stable }),
    ]
    const slot = slotAt(strategy, second)
    const answer = judge.tick(state, { elapsedMs: (second + 1) * 1000, cells, candidate: slot, hasData: true })
    if (answer.verdict.kind === 'unhealthy') return second + 1
    state = answer.state
  }
  return null
}

/** In a roll both versions are in one slot. */
const oldSlot = ({ weightPercent }: Strategy) => (weightPercent === undefined ? 'green' : 'blue')

function slotAt(strategy: Strategy, second: number): SlotFacts {
  if (oldSlot(strategy) !== 'green') return emptySlot
  const well = { running: true, ready: true, restarts: 0, crashLooping: false, failingHealth: false, ending: false }
  const replicas = (count: number, revision: string) =>
    Array.from({ length: count }, (_, at) => ({ id: `${revision}-${at}`, revision, ...well, startedAgoMs: 60_000 }))
  const all = [...replicas(strategy.replicas(second), 'new'), ...replicas(strategy.oldReplicas(second), 'old')]
  return { desiredRevision: 'new', desiredReplicas: REPLICAS, replicas: all }
}

function questionOf(strategy: Strategy, mode: TriggerMode, before: Counts): Question {
  const { hasControl, stages, weightPercent } = strategy
  return {
    triggers: { ...triggers, mode },
    candidate: { slot: 'green', revision: 'new' },
    control: hasControl ? { slot: oldSlot(strategy), revision: 'old' } : null,
    monitorMs: MONITOR_SECONDS * 1000,
    stage: { index: 0, count: stages },
    before,
    ...(weightPercent !== undefined && { weightPercent }),
  }
}

function beforeOf(chance: Chance, { fails }: Behaviour): Counts {
  const requests = REQUESTS_PER_SECOND * BEFORE_SECONDS
  return { requests, failures: binomial(chance, requests, fails), latency: latencyOf(chance, requests, 0) }
}

interface Serving {
  readonly arm: 'candidate' | 'stable'
  readonly strategy: Strategy
  readonly second: number
  readonly behaviour: Behaviour
  /** Slow answers by the cell in which they end. */
  readonly late: Map<number, number>
}

function serve(chance: Chance, { arm, strategy, second, behaviour, late }: Serving): Cell[] {
  const isNew = arm === 'candidate'
  const share = isNew ? strategy.share(second) : 1 - strategy.share(second)
  const replicas = isNew ? strategy.replicas(second) : strategy.oldReplicas(second)
  if (share === 0 || replicas === 0) return []
  return Array.from({ length: replicas }, (_, at) => {
    const sent = poisson(chance, (REQUESTS_PER_SECOND * share) / replicas)
    const slow = binomial(chance, sent, behaviour.slow)
    const key = (when: number) => Math.floor(when) * MOST_REPLICAS + at
    late.set(key(second + SLOW_SECONDS), slow)
    const ended = late.get(key(second)) ?? 0
    late.delete(key(second))
    const requests = sent - slow + ended
    return {
      slot: isNew ? 'green' : oldSlot(strategy),
      revision: isNew ? 'new' : 'old',
      replica: `${arm}-${at}`,
      second,
      requests,
      failures: binomial(chance, sent - slow, behaviour.fails),
      latency: latencyOf(chance, requests, ended),
    }
  })
}

function latencyOf(chance: Chance, requests: number, slow: number): number[] {
  const latency = new Array<number>(LATENCY_BUCKETS).fill(0)
  const slower = binomial(chance, requests - slow, 0.1)
  latency[latencyBucket(40)] = requests - slow - slower
  latency[latencyBucket(200)] = slower
  latency[latencyBucket(SLOW_SECONDS * 1000)] = slow
  return latency
}
