// How fast is a bad version found, every wait of the real loop included? Real processes behind the real front, a
// canary at 10 % of 300 requests/s from a client that never retries; the time counts from the first bad answer that a
// user got to the last answer of the version, which is when the traffic is restored.
//
//   npm run bench:detect                 all versions, three releases each, about six minutes
//   npm run bench:detect -- --short      the one that fails 20 % and a good one, once
//
// Ends with 1 when a goal is missed.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Shell, shellIn } from '../demo/command.ts'
import { TrafficClient } from '../demo/traffic.ts'
import { type Embedded, embedded } from '../test/support/embedded.ts'

const { values: flags } = parseArgs({
  options: { short: { type: 'boolean', default: false }, runs: { type: 'string' } },
})
const runs = Number(flags.runs ?? (flags.short ? 1 : 3))

interface Version {
  readonly name: string
  readonly what: string
  /** Share of the pages that fail, 0 to 1. */
  readonly failShare: number
  readonly answerMs: number
  /** Seconds from the first bad answer within which it has to be gone; null: it must stay. */
  readonly goal: number | null
}

const versions: readonly Version[] = [
  { name: 'fails-5', what: 'fails 5 %', failShare: 0.05, answerMs: 5, goal: 10 },
  { name: 'fails-20', what: 'fails 20 %', failShare: 0.2, answerMs: 5, goal: 10 },
  { name: 'fails-all', what: 'fails 100 %', failShare: 1, answerMs: 5, goal: 10 },
  { name: 'slow-900', what: 'answers after 900 ms', failShare: 0, answerMs: 900, goal: 10 },
  { name: 'as-good', what: 'good', failShare: 0, answerMs: 5, goal: null },
]
const inShort = ['fails-20', 'as-good']

const REQUESTS_PER_SECOND = 300
const SLOW_MS = 500
/** How often the client's counts are read. */
const LOOK_MS = 20
const SETTINGS = {
  replicas: 3,
  canary: { weights: [10, 50, 100], stageSeconds: 15 },
  triggers: { mode: 'sequential', warmUpSeconds: 1 },
}

/** One replica of any of them; which one says `behaviour.json` beside it. The smoke test has a query, and passes. */
const SERVER = `import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
const { name, failShare, answerMs } = JSON.parse(readFileSync('behaviour.json', 'utf8'))
const server = createServer((request, response) => {
  response.setHeader('x-app-version', name)
  if (request.url === '/health') return response.end()
  if (request.url === '/' && Math.random() < failShare) response.statusCode = 500
  setTimeout(() => response.end(name), answerMs)
})
server.keepAliveTimeout = 10_000
server.listen(Number(process.env.PORT), '127.0.0.1')
`

interface Release {
  readonly code: number
  /** From the first bad answer to the last answer of the version; null if it had none or stayed. */
  readonly seconds: number | null
  readonly hurt: number
  readonly dropped: number
}

const stopped = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopped.abort())

try {
  process.exitCode = (await main()) ? 0 : 1
} catch (error) {
  if (!stopped.signal.aborted) throw error
  process.exitCode = 130
}

async function main(): Promise<boolean> {
  await using platform = embedded(SETTINGS)
  const { folder, root } = platform
  const env = { ...process.env, XDG_STATE_HOME: join(folder, 'state'), XDG_RUNTIME_DIR: folder, NO_COLOR: '1' }
  const shell = shellIn(root, env, () => {})
  await platform.serve()
  const url = await platform.url()
  const chosen = versions.filter(({ name }) => !flags.short || inShort.includes(name))
  console.log(
    `\ncanary at 10 % of ${REQUESTS_PER_SECOND} requests/s, 3 replicas a slot, warm-up 1 s, ${runs} release(s) each\n`,
  )
  console.log('| version | taken back | seconds, median (worst) | requests hurt, median (worst) | dropped | goal |')
  console.log('| --- | --- | --- | --- | --- | --- |')
  let allReached = true
  for (const version of chosen) {
    const releases: Release[] = []
    for (let run = 1; run <= runs; run++) {
      const name = `${version.name}-${run}`
      writeVersion(platform, name, version)
      releases.push(await ship(platform, shell, url, name))
    }
    const isReached = releases.every((release) => reaches(release, version))
    allReached &&= isReached
    console.log(rowOf(version, releases, isReached))
  }
  return allReached
}

/** Traffic goes on until the release has ended, so the last answer of a version that was taken back is seen. */
async function ship(platform: Embedded, shell: Shell, url: string, name: string): Promise<Release> {
  stopped.signal.throwIfAborted()
  const client = new TrafficClient({
    url,
    requestsPerSecond: REQUESTS_PER_SECOND,
    kinds: [{ name: 'page', weight: 1, make: () => ({ method: 'GET', path: '/' }) }],
    slowMs: SLOW_MS,
  })
  client.start()
  const watch = watchVersion(client, name)
  try {
    // What a stable version fails and how slow it is has to be known before.
    await sleep(3000, undefined, { signal: stopped.signal })
    const { code } = await shell.ask('deploy', '-v', name, '-s', 'canary', '--yes')
    await platform.settled()
    const report = await client.stop()
    const { errors = 0, slow = 0 } = report.versions[name] ?? {}
    const { firstBadAt, lastAnswerAt } = watch.stop()
    const seconds = firstBadAt === null || lastAnswerAt === null ? null : (lastAnswerAt - firstBadAt) / 1000
    return { code, seconds, hurt: errors + slow, dropped: report.dropped }
  } finally {
    watch.stop()
    await client.stop()
  }
}

/** When users got the first bad answer and the last answer of a version, in milliseconds of the same clock. */
function watchVersion(client: TrafficClient, name: string) {
  let seen = 0
  let firstBadAt: number | null = null
  let lastAnswerAt: number | null = null
  const look = () => {
    const counts = client.snapshot().versions[name]
    if (!counts || counts.answers === seen) return
    seen = counts.answers
    lastAnswerAt = performance.now()
    if (counts.errors + counts.slow > 0) firstBadAt ??= lastAnswerAt
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    stop() {
      clearInterval(timer)
      return { firstBadAt, lastAnswerAt }
    },
  }
}

function reaches({ code, seconds, dropped }: Release, { goal }: Version): boolean {
  if (dropped > 0) return false
  return goal === null ? code === 0 : code !== 0 && seconds !== null && seconds <= goal
}

function rowOf({ what, goal }: Version, releases: readonly Release[], isReached: boolean): string {
  const back = releases.filter(({ code }) => code !== 0)
  const dropped = releases.reduce((sum, release) => sum + release.dropped, 0)
  const wanted = goal === null ? 'stays' : `gone within ${goal} s`
  const seconds =
    goal === null
      ? ''
      : medianAndWorst(
          releases.flatMap((release) => release.seconds ?? []),
          1,
        )
  const cells = [
    what,
    `${back.length} of ${releases.length}`,
    seconds,
    medianAndWorst(
      releases.map(({ hurt }) => hurt),
      0,
    ),
    String(dropped),
    `${wanted}: ${isReached ? 'reached' : 'MISSED'}`,
  ]
  return `| ${cells.join(' | ')} |`
}

function medianAndWorst(values: readonly number[], digits: number): string {
  const sorted = [...values].sort((a, b) => a - b)
  const median = sorted[(sorted.length - 1) >> 1]
  return median === undefined ? '' : `${median.toFixed(digits)} (${sorted.at(-1)!.toFixed(digits)})`
}

function writeVersion({ root }: Embedded, name: string, { failShare, answerMs }: Version): void {
  const folder = join(root, 'versions', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'server.mjs'), SERVER)
  writeFileSync(join(folder, 'behaviour.json'), JSON.stringify({ name, failShare, answerMs }))
}
