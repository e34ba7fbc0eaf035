// `npm run simulate -- --seed N --runs M [--only SCENARIO]`: whole releases in worlds made from seeds N to N+M−1.
// A failing seed is printed with the one command that runs it again; a single run is made smaller and told in full.
import { parseArgs } from 'node:util'
import { runMany } from '../test/simulation/pool.ts'
import { type ScenarioName, scenarioNames } from '../test/simulation/scenario.ts'
import { report } from '../test/simulation/shrink.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1000' },
    only: { type: 'string' },
  },
})
const seed = wholeNumber('seed', values.seed)
const runs = wholeNumber('runs', values.runs)
const only = scenarioOf(values.only)

const started = performance.now()
const { failed, ...done } = await runMany({
  seed,
  runs,
  only,
  mostFailures: 20,
  onRun: (_, count) => {
    if (process.stderr.isTTY && count % 100 === 0) process.stderr.write(`\r${count} of ${runs} runs`)
  },
})
if (process.stderr.isTTY) process.stderr.write('\r')
const seconds = (performance.now() - started) / 1000
const outcomes = Object.entries(done.outcomes).map(([outcome, count]) => `${count} ${outcome}`)
console.log(
  `${done.runs} runs from seed ${seed}${only ? ` of ${only}` : ''}: ${done.releases} releases (${outcomes.join(', ')}), ` +
    `${(done.virtualMs / 3_600_000).toFixed(1)} simulated hours in ${seconds.toFixed(1)} s; ${failed.length} failed`,
)
for (const { seed: one, violations } of failed) {
  console.log(`\nseed ${one}: ${violations[0]}`)
  console.log(`  npm run simulate -- --seed ${one} --runs 1${only ? ` --only ${only}` : ''}`)
}
if (failed[0]) {
  console.log(`\n${await report(failed[0].seed, only)}`)
  process.exitCode = 1
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  console.error(`--${name} takes a whole number, not ${text}`)
  process.exit(2)
}

function scenarioOf(text: string | undefined): ScenarioName | null {
  if (text === undefined) return null
  const found = scenarioNames.find((name) => name === text)
  if (found) return found
  console.error(`--only takes one of ${scenarioNames.join(', ')}, not ${text}`)
  process.exit(2)
}
