// A thousand releases at once in one process, each with its own runner, on the simulated platform and in virtual time:
// how much of a core that would be in real time, how much memory, and whether that grows.
//
//   node bench/thousand-releases.ts [--releases 1000] [--seconds 120]
import { parseArgs } from 'node:util'
import { fakeEnvironment } from '../test/support/fake-environment.ts'

const { values } = parseArgs({
  options: { releases: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '120' } },
})
const releases = Number(values.releases)
const seconds = Number(values.seconds)
const GOALS = { cores: 1, megabytes: 512 }
const REPORTS = 6

// A canary that is judged the whole time, at 20 requests/s.
const config = JSON.stringify({
  name: 'shop',
  services: { backend: { start: 'node .', replicas: 2 } },
  environments: { production: { listen: 0, strategy: 'canary' } },
  canary: { weights: [50, 100], stageSeconds: 20 * 86_400 },
})

interface One {
  readonly environment: ReturnType<typeof fakeEnvironment>
  readonly stop: AbortController
}

/** Virtual time of each release; all go on together, so that a slow one is not left behind. */
let untilMs = 0
const waiting = new Set<() => void>()

async function start(): Promise<One> {
  const environment = fakeEnvironment({ config, requestsPerSecond: 20, keptSeconds: 30 })
  await environment.deploy('v1')
  await environment.run()
  await environment.deploy('v2')
  const stop = new AbortController()
  const offsetMs = environment.clock.monotonicMs()
  const clock = {
    ...environment.clock,
    async sleep(ms: number, signal?: AbortSignal) {
      await environment.clock.sleep(ms, signal)
      while (environment.clock.monotonicMs() - offsetMs > untilMs && !stop.signal.aborted)
        await new Promise<void>((resolve) => waiting.add(resolve))
    },
  }
  void environment.run({ clock, signal: stop.signal })
  return { environment, stop }
}

const all = await Promise.all(Array.from({ length: releases }, start))
await settle()
const decided = async () =>
  (await Promise.all(all.map(async ({ environment }) => (await environment.state()).seq))).reduce((a, b) => a + b, 0)

console.log(`${releases} releases, ${seconds} s of their time; Node ${process.version}\n`)
console.log('| their time | cores | resident memory | heap in use | decisions |\n| ---: | ---: | ---: | ---: | ---: |')
let decisions = await decided()
for (let report = 1; report <= REPORTS; report++) {
  const cpuBefore = process.cpuUsage()
  const stepMs = (1000 * seconds) / REPORTS
  // Second by second, as all releases live in the same time.
  for (let passedMs = 0; passedMs < stepMs; passedMs += 1000) {
    untilMs += 1000
    await settle()
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const now = await decided()
  const cores = (user + system) / 1000 / stepMs
  const cells = [
    `${untilMs / 1000} s`,
    cores.toFixed(2),
    `${megabytes(rss)} MB`,
    `${megabytes(heapUsed)} MB`,
    now - decisions,
  ]
  console.log(`| ${cells.join(' | ')} |`)
  decisions = now
}
for (const { stop } of all) stop.abort()
for (const resolve of waiting) resolve()
console.log(`\nGoals: at most ${GOALS.cores} core and ${GOALS.megabytes} MB.`)

/** Until every release has come to the time that it may go to. */
async function settle(): Promise<void> {
  const ready = [...waiting]
  waiting.clear()
  for (const resolve of ready) resolve()
  while (waiting.size < releases) await new Promise((resolve) => setImmediate(resolve))
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
