// How fast is a bad version found, every wait of the real loop included? Real processes behind the real front, a
// canary at 10 % of a steady traffic from a client that never retries, and a switch of all of it; the time counts to
// the last answer of the version, which is when the traffic is restored.
//
//   npm run bench:detect                         all versions, three releases each (--runs), a good one ten; half an hour
//   npm run bench:detect -- --only fails-5       some of them, by name
//   npm run bench:detect -- --ci                 5 and 20 % once, a good one twice; about three minutes
//
// Ends with 1 when a bad version stays, a good one goes, or a request is dropped; without --ci also when it takes
// longer than the goal, which is not asked of a machine that does other things too.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Shell, shellIn } from '../demo/command.ts'
import { TrafficClient } from '../demo/traffic.ts'
import { type Embedded, embedded } from '../test/support/embedded.ts'

const { values: flags } = parseArgs({
  options: {
    ci: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    rps: { type: 'string', default: '300' },
    only: { type: 'string', multiple: true },
  },
})
const requestsPerSecond = Number(flags.rps)

interface Version {
  readonly name: string
  readonly what: string
  /** Share of the pages that fail, 0 to 1. */
  readonly failShare: number
  readonly answerMs: number
  readonly strategy: 'canary' | 'blue-green'
  readonly goal: Goal
}

type Goal =
  | { readonly kind: 'stays' }
  /** `withinSeconds` from the first answer of the version, or from the end of its warm-up; null for any time. */
  | { readonly kind: 'goes'; readonly since: 'first answer' | 'warm-up'; readonly withinSeconds: number | null }

const quick = { failShare: 0, answerMs: 5, strategy: 'canary' } as const
const goneAfterWarmUp = { kind: 'goes', since: 'warm-up', withinSeconds: 10 } as const
const goneFromTheFirst = { kind: 'goes', since: 'first answer', withinSeconds: 10 } as const

const versions: readonly Version[] = [
  { ...quick, name: 'fails-1', what: 'fails 1 %', failShare: 0.01, goal: { ...goneAfterWarmUp, withinSeconds: null } },
  { ...quick, name: 'fails-5', what: 'fails 5 %', failShare: 0.05, goal: goneAfterWarmUp },
  { ...quick, name: 'fails-20', what: 'fails 20 %', failShare: 0.2, goal: goneFromTheFirst },
  { ...quick, name: 'fails-all', what: 'fails 100 %', failShare: 1, goal: goneFromTheFirst },
  { ...quick, name: 'slow-900', what: 'answers after 900 ms', answerMs: 900, goal: goneAfterWarmUp },
  {
    ...quick,
    name: 'switch-20',
    what: 'fails 20 %, by blue-green',
    failShare: 0.2,
    strategy: 'blue-green',
    goal: goneFromTheFirst,
  },
  { ...quick, name: 'as-good', what: 'good', goal: { kind: 'stays' } },
]
const GOOD_RUNS = 10
const runsInCi: Readonly<Record<string, number>> = { 'fails-5': 1, 'fails-20': 1, 'as-good': 2 }

const WARM_UP_SECONDS = 1
const SLOW_MS = 500
/** How often the client's counts are read. */
const LOOK_MS = 20
const SETTINGS = {
  replicas: 3,
  canary: { weights: [10, 50, 100], stageSeconds: 15 },
  triggers: { mode: 'sequential', warmUpSeconds: WARM_UP_SECONDS },
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
  /** From the first answer of the version to its last; null without one. */
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
  console.log(
    `\ncanary at 10 % of ${requestsPerSecond} requests/s, 3 replicas a slot, warm-up ${WARM_UP_SECONDS} s; seconds from the first answer of the version, or from the end of its warm-up, to its last\n`,
  )
  console.log('| version | taken back | seconds, median (worst) | requests hurt, median (worst) | dropped | goal |')
  console.log('| --- | --- | --- | --- | --- | --- |')
  let isGood = true
  for (const version of versions) {
    const releases: Release[] = []
    for (let run = 1; run <= runsOf(version); run++) {
      const name = `${version.name}-${run}`
      writeVersion(platform, name, version)
      releases.push(await ship(shell, url, { name, strategy: version.strategy }))
    }
    if (releases.length === 0) continue
    const isRight = releases.every((release) => isRightVerdict(release, version))
    const inTime = releases.filter((release) => isInTime(release, version)).length
    isGood &&= isRight && (flags.ci || inTime === releases.length)
    console.log(rowOf(version, releases, isRight ? `in time: ${inTime} of ${releases.length}` : 'WRONG VERDICT'))
  }
  return isGood
}

function runsOf({ name, goal }: Version): number {
  if (flags.ci) return runsInCi[name] ?? 0
  if (flags.only && !flags.only.includes(name)) return 0
  return goal.kind === 'stays' ? GOOD_RUNS : Number(flags.runs)
}

/** Traffic goes on until the release has ended, so the last answer of a version that was taken back is seen. */
async function ship(
  shell: Shell,
  url: string,
  { name, strategy }: { readonly name: string; readonly strategy: Version['strategy'] },
): Promise<Release> {
  stopped.signal.throwIfAborted()
  const client = new TrafficClient({
    url,
    requestsPerSecond,
    kinds: [{ name: 'page', weight: 1, make: () => ({ method: 'GET', path: '/' }) }],
    slowMs: SLOW_MS,
  })
  client.start()
  const watch = watchVersion(client, name)
  try {
    // What a stable version fails and how slow it is has to be known before.
    await sleep(3000, undefined, { signal: stopped.signal })
    const { code } = await shell.ask('deploy', '-v', name, '-s', strategy, '--yes')
    await settled(shell)
    const report = await client.stop()
    const { errors = 0, slow = 0 } = report.versions[name] ?? {}
    const { firstAnswerAt, lastAnswerAt } = watch.stop()
    const seconds = firstAnswerAt === null || lastAnswerAt === null ? null : (lastAnswerAt - firstAnswerAt) / 1000
    return { code, seconds, hurt: errors + slow, dropped: report.dropped }
  } finally {
    watch.stop()
    await client.stop()
  }
}

async function settled(shell: Shell): Promise<void> {
  while ((await shell.json<{ phase: string }>('status')).phase !== 'settled') {
    await sleep(500, undefined, { signal: stopped.signal })
  }
}

/** When users got the first and the last answer of a version, in milliseconds of the same clock. */
function watchVersion(client: TrafficClient, name: string) {
  let seen = 0
  let firstAnswerAt: number | null = null
  let lastAnswerAt: number | null = null
  const look = () => {
    const counts = client.snapshot().versions[name]
    if (!counts || counts.answers === seen) return
    seen = counts.answers
    lastAnswerAt = performance.now()
    firstAnswerAt ??= lastAnswerAt
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    stop() {
      clearInterval(timer)
      return { firstAnswerAt, lastAnswerAt }
    },
  }
}

function isRightVerdict({ code, dropped }: Release, { goal }: Version): boolean {
  return dropped === 0 && (goal.kind === 'stays' ? code === 0 : code !== 0)
}

function isInTime(release: Release, { goal }: Version): boolean {
  if (goal.kind === 'stays' || goal.withinSeconds === null) return true
  return (secondsTo(release, goal) ?? 0) <= goal.withinSeconds
}

function secondsTo({ seconds }: Release, goal: Goal): number | null {
  if (goal.kind === 'stays' || seconds === null) return null
  return goal.since === 'warm-up' ? Math.max(0, seconds - WARM_UP_SECONDS) : seconds
}

function rowOf({ what, goal }: Version, releases: readonly Release[], result: string): string {
  const back = releases.filter(({ code }) => code !== 0)
  const dropped = releases.reduce((sum, release) => sum + release.dropped, 0)
  const seconds = releases.flatMap((release) => secondsTo(release, goal) ?? [])
  const hurt = releases.map((release) => release.hurt)
  const cells = [
    what,
    `${back.length} of ${releases.length}`,
    medianAndWorst(seconds, 1),
    medianAndWorst(hurt, 0),
    String(dropped),
    `${inWords(goal)}; ${result}`,
  ]
  return `| ${cells.join(' | ')} |`
}

function inWords(goal: Goal): string {
  if (goal.kind === 'stays') return 'stays'
  if (goal.withinSeconds === null) return 'goes'
  return `gone ${goal.withinSeconds} s after ${goal.since === 'warm-up' ? 'its warm-up' : 'its first answer'}`
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
