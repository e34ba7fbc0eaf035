// `node bench/analysis.ts [--trials 1000] [--ramps 200] [--ticks 1000000] [--seed 7]`: what the statistics of the judge
// reach, beside the decision rules of other tools on the same simulated requests. The goals stand in docs/judgement.md.
import { parseArgs } from 'node:util'
import { spendOn, startOfBoundary } from '../src/analysis/conditional-boundary.ts'
import { betOn, logEvidence, noEvidence } from '../src/analysis/relative-evidence.ts'
import { binomial, chanceFrom } from './simulation/chance.ts'
import { type Detection, judgeNames, simulateStage } from './simulation/one-stage.ts'
import { type ScenarioName, scenarios, simulateRamps, upperLimit } from './simulation/ramp.ts'

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '1000' },
    ramps: { type: 'string', default: '200' },
    ticks: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '7' },
  },
})
const [trials, ramps, ticks, seed] = [values.trials, values.ramps, values.ticks, values.seed].map(Number) as [
  number,
  number,
  number,
  number,
]

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`

interface Goal {
  readonly rate: number
  readonly atLeast: number
  readonly atMost: number
  readonly seconds: number
  readonly errors: number
}

const NO_LIMIT = Number.POSITIVE_INFINITY
const goals: readonly Goal[] = [
  { rate: 0.001, atLeast: 0, atMost: 0.01, seconds: NO_LIMIT, errors: NO_LIMIT },
  { rate: 0.005, atLeast: 0.97, atMost: 1, seconds: 240, errors: 7.5 },
  { rate: 0.01, atLeast: 1, atMost: 1, seconds: 90, errors: 5.2 },
  { rate: 0.05, atLeast: 1, atMost: 1, seconds: 15, errors: 5 },
  { rate: 0.2, atLeast: 1, atMost: 1, seconds: 5, errors: 6.6 },
]

function detection(): void {
  console.log(
    `\n${trials} stages of 15 minutes: 50 requests/s, 10 % to the canary, stable fails 0.1 %, α = 1 %, margin 1`,
  )
  console.log('detected · median time · errors that the canary served (times ours)\n')
  console.log(`| canary fails | ${judgeNames.join(' | ')} | goal |\n| --- | --- | --- | --- | --- | --- |`)
  for (const goal of goals) {
    const found = simulateStage({ trials, seed, canaryRate: goal.rate })
    const ours = found.moodify
    const cells = judgeNames.map((name) => cellOf(found[name], name === 'moodify' ? null : ours))
    console.log(`| ${percent(goal.rate)} | ${cells.join(' | ')} | ${isReached(ours, goal) ? 'reached' : 'MISSED'} |`)
  }
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

function falseRollbacks(): void {
  console.log(`\n${ramps} releases of a good version, 10 → 25 → 50 → 100 %, 5 minutes each, default settings\n`)
  console.log('| scenario | taken back | upper 99 % limit | promised | taken back at 100 % | by | stages healthy |')
  console.log('| --- | --- | --- | --- | --- | --- | --- |')
  for (const name of Object.keys(scenarios) as ScenarioName[]) {
    const { falseRollbacks, alone, rules, promoted } = simulateRamps(name, { trials: ramps, seed })
    const limit = upperLimit(falseRollbacks, ramps)
    const by = Object.entries(rules).map(([rule, count]) => `${rule} ${count}`)
    const cells = [
      name,
      percent(falseRollbacks / ramps),
      percent(limit),
      promiseInWords(scenarios[name].promised, falseRollbacks / ramps, limit),
      percent(alone / ramps),
      by.join(', '),
      percent(promoted / ramps),
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

function promiseInWords(promised: number | null, share: number, limit: number): string {
  if (promised === null) return 'nothing'
  return `${percent(promised)}, ${limit <= promised ? 'kept' : share <= promised ? 'kept so far, more releases needed' : 'BROKEN'}`
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

detection()
falseRollbacks()
speed()
