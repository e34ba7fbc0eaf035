// What watching costs: CPU time of the runner, the supervisor and the front while a release is judged, while one is
// kept warm, and while nothing runs. The front serves a few requests, and its part is shown for comparison only.
//
//   node bench/loop.ts [--seconds 30]
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Embedded, embedded } from '../test/support/embedded.ts'
import { startLoad } from '../test/support/load.ts'
import { processesOf } from '../test/support/processes.ts'
import { until } from '../test/support/until.ts'
import { cpuSeconds } from './support/measure.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '30' } } })
const seconds = Number(values.seconds)
const REQUESTS_PER_SECOND = 50
const GOAL_PERCENT = 1

// Health checks as they are when nothing is said about them.
const backend = {
  start: `${process.execPath} server.mjs`,
  replicas: 2,
  health: { startup: '/health', ready: '/health', live: '/health' },
}
const canary = { weights: [50, 100], stageSeconds: 3 * seconds }
await using platform = embedded({ services: { backend }, canary, keepSeconds: 600 })
await platform.serve()
const load = startLoad(await platform.url(), { requestsPerSecond: REQUESTS_PER_SECOND, sockets: 0 })
console.log(`${seconds} s each, 2 replicas a slot, ${REQUESTS_PER_SECOND} requests/s; percent of one core\n`)
console.log('| While | runner | supervisor | front |\n| --- | ---: | ---: | ---: |')
await until('the runner has ended', async () => (await platform.snapshot()).runner.pid === null)
await measure('nothing runs', platform)
await platform.moodify('deploy', '-v', 'good2', '-s', 'canary', '--yes', '--detach')
await platform.atStep('backend.analyse-50')
await measure('a canary is judged at 50 %', platform)
await platform.moodify('promote', '--yes')
await platform.atStep('backend.analyse-100')
await platform.moodify('promote', '--yes')
await until('the old version is kept warm', async () => (await platform.state()).release?.outcome === 'released')
await measure('the version before is kept warm', platform)
console.log(`\nGoal: at most ${GOAL_PERCENT} % each for runner and supervisor.`)
await load.stop()

async function measure(what: string, { folder }: Embedded): Promise<void> {
  // What follows a change at once is not what goes on all the time.
  await sleep(3000)
  const pids = {
    runner: pidsOf(folder, 'runner'),
    supervisor: pidsOf(folder, 'supervisor'),
    front: pidsOf(folder, 'front'),
  }
  const names = Object.keys(pids) as (keyof typeof pids)[]
  const before = names.map((name) => cpuSeconds(pids[name]))
  const startedAt = performance.now()
  await sleep(1000 * seconds)
  const elapsed = (performance.now() - startedAt) / 1000
  const cells = names.map((name, index) =>
    pids[name].length === 0 ? '–' : `${((100 * (cpuSeconds(pids[name]) - before[index]!)) / elapsed).toFixed(2)} %`,
  )
  console.log(`| ${what} | ${cells.join(' | ')} |`)
}

/** The process itself, not the shell that started it. */
function pidsOf(folder: string, name: string): number[] {
  return processesOf(folder)
    .filter(({ command }) => command.includes(`internal ${name} `) && !command.startsWith('/bin/sh'))
    .map(({ pid }) => pid)
}
