// Very many requests through promote, abort, supersede and rollback in a loop, on real processes: how many are dropped.
// The goal is 0. The rate is bounded, so that what is measured is the platform and not an overloaded machine.
//
//   node bench/million.ts [--requests 1000000] [--rate 300] [--processes 1]
import { parseArgs } from 'node:util'
import { embedded, SERVICE } from '../test/support/embedded.ts'
import { figures, startLoad } from '../test/support/load.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    rate: { type: 'string', default: '300' },
    processes: { type: 'string', default: '1' },
  },
})
const wanted = Number(values.requests)

await using platform = embedded({
  canary: { weights: [50, 100] },
  keepSeconds: 2,
  // As it is when nothing is said: a busy machine answers late, and what is cut at the drain time is cut as declared.
  drainSeconds: 30,
  environment: { front: { processes: Number(values.processes) } },
})
await platform.serve()
const traffic = startLoad(await platform.url(), { requestsPerSecond: Number(values.rate), sockets: 4 })
const run = (...args: string[]) => platform.run([...args, '--yes'])
const next = async () => ((await platform.stableVersion()) === 'good2' ? 'good' : 'good2')
let rounds = 0
while (traffic.snapshot().requests < wanted) {
  await run('deploy', '-v', await next(), '-s', 'canary', '-m', '300', '--again', '--detach')
  for (const weight of [50, 100]) {
    await platform.atStep(`${SERVICE}.analyse-${weight}`)
    await run('promote')
  }
  await run('rollback')
  await platform.settled()
  await run('deploy', '-v', await next(), '-s', 'canary', '-m', '300', '--again', '--detach')
  await platform.atStep(`${SERVICE}.analyse-50`)
  await run('abort')
  await platform.settled()
  await run('deploy', '-v', await next(), '-s', 'canary', '-m', '300', '--again', '--detach')
  await platform.atStep(`${SERVICE}.analyse-50`)
  await run('deploy', '-v', 'good3', '-s', 'blue-green', '--supersede', '--again')
  await platform.settled()
  await run('deploy', '-v', await next(), '-s', 'rolling', '--again')
  await platform.settled()
  rounds++
  const { requests, dropped, errors } = traffic.snapshot()
  console.log(`round ${rounds}: ${dropped} of ${requests} dropped, ${errors} errors`)
}
const report = await traffic.stop()
console.log(figures(`${rounds} rounds of promote, rollback, abort, supersede and rolling`, report))
for (const drop of report.drops) console.log(JSON.stringify(drop))
if (report.dropped > 0) process.exitCode = 1
