// What the statistics of the judge reach, beside the decision rules of other tools on the same simulated requests.
//
//   npm run bench:judgement -- [--trials 1000] [--ramps 200] [--only "ideal traffic"] [--ticks 1000000] [--seed 7] [--threads 2]
//   npm run bench:judgement -- --ci     1,000 stages of each kind, 500 releases in each scenario; minutes on two cores
//
// Ends with 1 when a goal or a promise is broken. A share that is measured in few trials is not yet a broken one: its
// one-sided 99 % limit has to be beyond the promise. Seeds are fixed, so a run says the same on every machine.
import { parseArgs } from 'node:util'
import { spendOn, startOfBoundary } from '../src/analysis/conditional-boundary.ts'
import { betOn, logEvidence, noEvidence } from '../src/analysis/relative-evidence.ts'
import { binomial, chanceFrom } from './simulation/chance.ts'
import { startThreads, type Threads } from './simulation/in-parallel.ts'
import { type Detection, judgeNames, simulateStage } from './simulation/one-stage.ts'
import {
  type LayoutName,
  layouts,
  lowerLimit,
  type RampResult,
  type ScenarioName,
  STAGES,
  scenarios,
  upperLimit,
} from './simulation/ramp.ts'

const { values } = parseArgs({
  options: {
    ci: { type: 'boolean', default: false },
    trials: { type: 'string', default: '1000' },
    /** Releases of each scenario with each layout of replicas. */
    ramps: { type: 'string' },
    only: { type: 'string', multiple: true },
    ticks: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '7' },
    threads: { type: 'string', default: '2' },
  },
})
const trials = Number(values.trials)
const ramps = Number(values.ramps ?? (values.ci ? 250 : 200))
const ticks = Number(values.ticks)
const seed = Number(values.seed)

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`

interface Goal {
  readonly rate: number
  readonly atLeast: number
  readonly atMost: number
  readonly seconds: number
  readonly errors: number
}

const NO_LIMIT = Number.POSITIVE_INFINITY
/** What a median or a mean of a thousand trials may be off by. */
const SLACK = 1.05
const goals: readonly Goal[] = [
  { rate: 0.001, atLeast: 0, atMost: 0.01, seconds: NO_LIMIT, errors: NO_LIMIT },
  { rate: 0.005, atLeast: 0.97, atMost: 1, seconds: 240, errors: 7.5 },
  { rate: 0.01, atLeast: 1, atMost: 1, seconds: 90, errors: 5.2 },
  { rate: 0.05, atLeast: 1, atMost: 1, seconds: 15, errors: 5 },
  { rate: 0.2, atLeast: 1, atMost: 1, seconds: 5, errors: 6.6 },
]

/** @returns whether every goal is reached, as far as so many trials can tell */
function detection(): boolean {
  console.log(
    `\n${trials} stages of 15 minutes: 50 requests/s, 10 % to the canary, stable fails 0.1 %, α = 1 %, margin 1`,
  )
  console.log('detected · median time · errors that the canary served (times ours)\n')
  console.log(`| canary fails | ${judgeNames.join(' | ')} | goal |\n| --- | --- | --- | --- | --- | --- |`)
  let allReached = true
  for (const goal of goals) {
    const found = simulateStage({ trials, seed, canaryRate: goal.rate })
    const ours = found.moodify
    const cells = judgeNames.map((name) => cellOf(found[name], name === 'moodify' ? null : ours))
    const isMissed = isClearlyMissed(ours, goal)
    const result = isReached(ours, goal) ? 'reached' : isMissed ? 'MISSED' : 'nearly, more trials needed'
    allReached &&= !isMissed
    console.log(`| ${percent(goal.rate)} | ${cells.join(' | ')} | ${result} |`)
  }
  return allReached
}

function cellOf({ detected, medianSeconds, errors }: Detection, ours: Detection | null): string {
  if (medianSeconds === null || errors === null) return percent(detected)
  const times = ours?.errors ? ` (${(errors / ours.errors).toFixed(1)}×)` : ''
  return `${percent(detected)} · ${medianSeconds} s · ${errors.toFixed(1)}${times}`
}

function isReached({ detected, medianSeconds, errors }: Detection, goal: Goal): boolean {
  const inTime = (medianSeconds ?? 0) <= goal.seconds && (errors ?? 0) <= goal.errors
  return detected >= goal.atLeast && detected <= goal.atMost && (goal.atLeast === 0 || inTime)
}

function isClearlyMissed({ detected, medianSeconds, errors }: Detection, goal: Goal): boolean {
  const found = Math.round(detected * trials)
  const isLate = (medianSeconds ?? 0) > goal.seconds * SLACK || (errors ?? 0) > goal.errors * SLACK
  return (
    lowerLimit(found, trials) > goal.atMost ||
    upperLimit(found, trials) < Math.min(goal.atLeast, 1 - 1 / trials) ||
    (goal.atLeast > 0 && isLate)
  )
}

/** @returns whether no promise is broken */
async function falseRollbacks(threads: Threads): Promise<boolean> {
  const chosen = (Object.keys(scenarios) as ScenarioName[]).filter((name) =>
    values.only ? values.only.includes(name) : !values.ci || scenarios[name].promised !== null,
  )
  const what = STAGES.filter((weight) => !values.ci || weight < 100).join(' → ')
  let isKept = true
  for (const layout of Object.keys(layouts) as LayoutName[]) {
    console.log(`\n${ramps} releases of a good version, ${what} %, 5 minutes each; replicas: ${layout}\n`)
    console.log('| scenario | taken back | upper 99 % limit | promised | taken back at 100 % | by | stages healthy |')
    console.log('| --- | --- | --- | --- | --- | --- | --- |')
    for (const name of chosen) {
      const result = await threads.simulateRamps(name, { trials: ramps, seed, layout, untilAlone: values.ci })
      console.log(rowOf(name, result))
      isKept &&= promiseOf(name, result) !== 'BROKEN'
    }
  }
  return isKept
}

function rowOf(name: ScenarioName, result: RampResult): string {
  const { falseRollbacks, alone, trials, rules, healthyStages } = result
  const { promised } = scenarios[name]
  const cells = [
    name,
    percent(falseRollbacks / trials),
    percent(upperLimit(falseRollbacks, trials)),
    promised === null ? 'nothing' : `${percent(promised)}, ${promiseOf(name, result)}`,
    values.ci ? '' : percent(alone / trials),
    Object.entries(rules)
      .map(([rule, count]) => `${rule} ${count}`)
      .join(', '),
    percent(healthyStages / trials / (values.ci ? STAGES.length - 1 : STAGES.length)),
  ]
  return `| ${cells.join(' | ')} |`
}

function promiseOf(name: ScenarioName, { falseRollbacks, trials }: RampResult): 'kept' | 'open' | 'BROKEN' {
  const promised = scenarios[name].promised ?? 1
  if (upperLimit(falseRollbacks, trials) <= promised) return 'kept'
  return lowerLimit(falseRollbacks, trials) > promised ? 'BROKEN' : 'open'
}

/** One metric, of which a tick has 50 requests: against adding counts up and comparing a rate with a limit. */
function speed(): void {
  const chance = chanceFrom(seed, 0)
  const ring = Array.from({ length: 4096 }, () => ({
    canary: { units: 5, bad: binomial(chance, 5, 0.001) },
    stable: { units: 45, bad: binomial(chance, 45, 0.001) },
  }))
  const sequential = millisecondsOf(() => {
    let boundary = startOfBoundary
    let evidence = noEvidence
    let highest = 0
    for (let tick = 0; tick < ticks; tick++) {
      const counts = ring[tick & 4095]!
      boundary = spendOn(boundary, counts, { alpha: 0.01, oddsRatio: 1.25 })
      evidence = betOn(evidence, counts, 1.25)
      highest = Math.max(highest, logEvidence(evidence))
    }
    return boundary.bad + highest
  })
  const threshold = millisecondsOf(() => {
    let broken = 0
    let units = 0
    let bad = 0
    for (let tick = 0; tick < ticks; tick++) {
      const oldest = ring[(tick - 12) & 4095]!.canary
      const newest = ring[tick & 4095]!.canary
      units += newest.units - (tick >= 12 ? oldest.units : 0)
      bad += newest.bad - (tick >= 12 ? oldest.bad : 0)
      if (bad > 0.05 * units) broken++
    }
    return broken
  })
  const each = (sequential / ticks) * 1000
  console.log(
    `\n${ticks} ticks of one metric: ${(sequential / 1000).toFixed(2)} s, ${each.toFixed(2)} µs each; a threshold on a window ${(threshold / 1000).toFixed(2)} s, ${(sequential / threshold).toFixed(0)} times less`,
  )
}

function millisecondsOf(work: () => number): number {
  const started = performance.now()
  const result = work()
  if (!Number.isFinite(result)) throw new Error('the benchmark computed nothing')
  return performance.now() - started
}

await using threads = startThreads(Number(values.threads))
const isReachedAll = values.only !== undefined || detection()
const isKept = await falseRollbacks(threads)
if (!values.only) speed()
process.exitCode = isReachedAll && isKept ? 0 : 1
