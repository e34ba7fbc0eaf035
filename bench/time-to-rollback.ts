// `node bench/time-to-rollback.ts [--trials 200] [--seed 7]`: how long the two modes of judging take to find versions
// a little and clearly beyond the runbook's limits, and what they do to versions that are no worse than stable.
import { parseArgs } from 'node:util'
import type { TriggerMode } from '../src/config/config.ts'
import {
  type Behaviour,
  type RunOptions,
  type StrategyName,
  secondsToRollback,
  strategies,
} from './simulation/strategies.ts'

const { values } = parseArgs({
  options: { trials: { type: 'string', default: '200' }, seed: { type: 'string', default: '7' } },
})
const trials = Number(values.trials)
const seed = Number(values.seed)

type Case = Pick<RunOptions, 'candidate' | 'stable' | 'outage'>

const names = Object.keys(strategies) as StrategyName[]
const modes: readonly TriggerMode[] = ['sequential', 'threshold']
const failing = (fails: number): Case => ({ candidate: { fails, slow: 0 } })
const slow = (share: number): Case => ({ candidate: { fails: 0.001, slow: share } })
const same = (behaviour: Behaviour): Case => ({ candidate: behaviour, stable: behaviour })

const bad: Readonly<Record<string, Case>> = {
  '1 % errors': failing(0.01),
  '6 % errors': failing(0.06),
  '7 % errors': failing(0.07),
  '10 % errors': failing(0.1),
  'P95 of 5.5 s: 6 % take 5.5 s': slow(0.06),
  'P95 of 5.5 s: 10 % take 5.5 s': slow(0.1),
}
const noWorse: Readonly<Record<string, Case>> = {
  'both fail 0.1 %': same({ fails: 0.001, slow: 0 }),
  'both fail 3 %': same({ fails: 0.03, slow: 0 }),
  'both fail 4.5 %': same({ fails: 0.045, slow: 0 }),
  'both fail 0.1 %, and 20 % in an outage of 30 s': {
    ...same({ fails: 0.001, slow: 0 }),
    outage: { from: 120, to: 150, fails: 0.2 },
  },
}

console.log(
  `${trials} releases each at 50 requests/s, default settings; the old version fails 0.1 %.`,
  '\nMedian time from the first request to the new version; in brackets the share found, where it is not all, before the 300 s of monitor time are over',
)
table(bad, inWords)
console.log('\nVersions that are no worse than the old one: share taken back')
table(noWorse, (found) => percent(found.length / trials))

function table(cases: Readonly<Record<string, Case>>, cellOf: (found: readonly number[]) => string): void {
  console.log(`\n| ${modes.join(' / ')} | ${names.join(' | ')} |\n| --- |${' --- |'.repeat(names.length)}`)
  for (const [what, one] of Object.entries(cases)) {
    const cells = names.map((strategy) => modes.map((mode) => cellOf(run({ ...one, strategy, mode }))).join(' / '))
    console.log(`| ${what} | ${cells.join(' | ')} |`)
  }
}

/** Seconds of the releases that were taken back, rising. */
function run(options: Omit<RunOptions, 'seed' | 'trial'>): readonly number[] {
  return Array.from({ length: trials }, (_, trial) => secondsToRollback({ ...options, seed, trial }))
    .filter((seconds) => seconds !== null)
    .sort((a, b) => a - b)
}

/** The median of all releases, those that were not found included; and the share found where it is not all. */
function inWords(found: readonly number[]): string {
  const median = found[(trials - 1) >> 1]
  const share = found.length === trials ? '' : ` (${percent(found.length / trials)})`
  return `${median === undefined ? 'not found' : `${median} s`}${share}`
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`
}
