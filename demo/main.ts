// The main job in one command: real versions of a real service, shipped, judged and taken back on this machine,
// under traffic from a client without retries. Ends with 0 only if all of what it says really happened.
//
//   npm run demo              about a minute and a half
//   npm run demo -- --keep    leaves the platform running to play with
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createStyle, shouldColor } from '../src/views/cli/style.ts'
import { program, type Ran, shellIn } from './command.ts'
import { makeRepository } from './repository.ts'
import { type Act, printSummary } from './summary.ts'
import { TrafficClient } from './traffic.ts'

const { values: flags } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })
const folder = join(tmpdir(), `moodify-demo-${userInfo().uid}`)
const repository = join(folder, 'moodify')
const env = { ...process.env, XDG_STATE_HOME: join(folder, 'state'), XDG_RUNTIME_DIR: folder, NO_COLOR: '1' }
const config = readFileSync(new URL('moodify.yaml', import.meta.url), 'utf8')
const palette = createStyle({ color: shouldColor(process.stdout, process.env) })
const say = (line = '') => process.stdout.write(`${line}\n`)
const shell = shellIn(repository, env, (line) => say(line.startsWith('$') ? palette.bold(line) : palette.dim(line)))
const acts: Act[] = []
let traffic: TrafficClient | null = null
let interrupted = false

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    interrupted = true
    say('\nStopping and cleaning up ...')
    void cleanUp().then(() => process.exit(130))
  })
}

try {
  process.exitCode = (await main()) ? 0 : 1
} catch (error) {
  if (!interrupted) {
    say(palette.red(`The demo failed: ${(error as Error).stack}`))
    process.exitCode = 1
  }
} finally {
  if (!interrupted && !(flags.keep && process.exitCode === 0)) await cleanUp()
}

async function main(): Promise<boolean> {
  await cleanUp()
  title('A git repository with real versions of the music app')
  const { versions } = await makeRepository(repository)
  for (const { name, what } of versions) say(`  ${name}  ${what}`)
  writeFileSync(join(repository, 'moodify.yaml'), config)
  title('Its moodify.yaml, with short times for this demo')
  say(palette.dim(config.replace(/^/gm, '  ').trimEnd()))

  title('The embedded platform')
  expectCode(await shell.show('up'), 0)
  await act('v0.9.0', 'the first release', 'released', () => shell.show('deploy', '-v', 'v0.9.0', '--yes'))

  const { url } = await shell.json<{ url: string }>('status')
  traffic = new TrafficClient({ url, requestsPerSecond: 300 })
  traffic.start()
  say(`\n300 requests/s go to ${url} from now on; nothing is retried.`)

  await act('v1.0.0', 'a good version by blue-green', 'released', () =>
    shell.show('deploy', '-v', 'v1.0.0', '-s', 'blue-green', '--supersede', '--yes'),
  )
  await act('v1.2.0', 'a canary whose code fails', 'taken back', () =>
    shell.show('deploy', '-v', 'v1.2.0', '--supersede', '--yes'),
  )
  await act('v1.3.0', 'a canary whose code is slow', 'taken back', () => shell.show('deploy', '-v', 'v1.3.0', '--yes'))
  const killed: { pid: number | null } = { pid: null }
  await act('v1.1.0', 'a better version by canary, its runner killed at 50 %', 'released', async () => {
    const release = shell.show('deploy', '-v', 'v1.1.0', '--yes')
    killed.pid = await killRunnerAtHalf()
    return release
  })
  await act('v1.0.0', 'back by hand', 'back', () => shell.show('rollback', '--yes'))

  const report = await traffic.stop()
  const better = acts.find(({ version, expected }) => version === 'v1.1.0' && expected === 'released')!
  const takeOvers = await takeOversOf(better.release)
  const live = await shell.json<{ services: { slots: { role: string; version: string }[] }[] }>('status')
  const liveVersion = live.services[0]?.slots.find(({ role }) => role === 'stable')?.version ?? null
  const allTrue = printSummary({ acts, report, killedPid: killed.pid, takeOvers, liveVersion }, say, palette)
  if (allTrue && flags.keep) sayHowToPlay()
  return allTrue
}

/** One release: shown, timed, and compared with what it should come to. */
async function act(version: string, what: string, expected: Act['expected'], run: () => Promise<Ran>): Promise<void> {
  if (interrupted) await new Promise(() => {})
  title(`${version}: ${what}`)
  const before = traffic?.snapshot()
  const ran = await run()
  const [newest] = (
    await shell.json<{ release: string; outcome: string; version: string; reason: string }[]>('history')
  ).slice(-1)
  const hurt = (traffic?.snapshot().hurt ?? 0) - (before?.hurt ?? 0)
  acts.push({
    version,
    what,
    expected,
    code: ran.code,
    seconds: ran.seconds,
    hurt,
    release: newest?.release ?? '',
    outcome: newest?.outcome ?? '',
    reason: newest?.reason ?? '',
  })
}

/** The runner is ended without warning while half of the traffic goes to the new version. */
async function killRunnerAtHalf(): Promise<number | null> {
  for (let tries = 0; tries < 600; tries++) {
    const { runnerPid, services } = await shell.json<{
      runnerPid: number | null
      services: { slots: { sharePercent: number }[] }[]
    }>('status')
    if (runnerPid && services[0]?.slots.some((slot) => slot.sharePercent === 50)) {
      process.kill(runnerPid, 'SIGKILL')
      say(palette.red(`  kill -9 ${runnerPid}   (the runner)`))
      return runnerPid
    }
    await sleep(100)
  }
  return null
}

/** How many runners took a release over while it ran. */
async function takeOversOf(release: string): Promise<number> {
  const records = await shell.json<{ kind: string }[]>('explain', release)
  return records.filter(({ kind }) => kind === 'epochTaken').length
}

function sayHowToPlay(): void {
  say(`\nThe platform goes on running. In ${repository}, with these variables set:`)
  say(`  export XDG_STATE_HOME=${env.XDG_STATE_HOME} XDG_RUNTIME_DIR=${env.XDG_RUNTIME_DIR}`)
  say(`  alias moodify=${program}`)
  say(
    'try: moodify status; moodify explain; moodify deploy -v v1.1.0 --again. End it with: moodify down, or npm run demo.',
  )
}

async function cleanUp(): Promise<void> {
  await traffic?.stop()
  traffic = null
  if (!existsSync(folder)) return
  if (existsSync(join(repository, 'moodify.yaml'))) await shell.ask('down', '--yes')
  rmSync(folder, { recursive: true, force: true })
}

function expectCode(ran: Ran, code: number): void {
  if (ran.code !== code) throw new Error(`the command ended with ${ran.code}, not ${code}`)
}

function title(text: string): void {
  say(`\n${palette.bold(palette.cyan(text))}`)
}
