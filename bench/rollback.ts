// From the moment that `moodify rollback` is typed to the last request that the version taken back has answered, with
// the version before still warm. Users ask all the time, over kept connections.
//
//   node bench/rollback.ts [--trials 9]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Embedded, embedded } from '../test/support/embedded.ts'
import { until } from '../test/support/until.ts'
import { installProgram } from './support/installed.ts'
import { median } from './support/measure.ts'

const { values } = parseArgs({ options: { trials: { type: 'string', default: '9' } } })
const CLIENTS = 8
const GOAL_MS = 300

const program = installProgram()
await using platform = embedded({ keepSeconds: 600 })
await platform.serve()
const users = startUsers(await platform.url())
const trials: { total: number; accepted: number; started: number }[] = []
for (let trial = 0; trial < Number(values.trials); trial++) trials.push(await oneTrial(platform))
const { requests, failures } = await users.stop()

const [total, accepted, started] = (['total', 'accepted', 'started'] as const).map((key) =>
  trials.map((trial) => trial[key]),
)
const row = (what: string, sample: readonly number[]) =>
  console.log(`| ${what} | ${median(sample).toFixed(0)} ms | ${Math.max(...sample).toFixed(0)} ms |`)
console.log(`${trials.length} rollbacks, ${requests} requests, ${failures} failed\n`)
console.log('| From typing the command to | median | longest |\n| --- | ---: | ---: |')
row('the program has read the state and sent it to the runner', started!)
row('the runner has written it down', accepted!)
row(`the last answer of the version taken back (goal ${GOAL_MS} ms)`, total!)

async function oneTrial({ moodify, root, folder, state, records }: Embedded): Promise<(typeof trials)[number]> {
  await moodify('deploy', '-v', 'good2', '--yes', '--again', '--detach')
  await until('good2 is released and good is kept warm', async () => {
    const { release } = await state()
    return release?.outcome === 'released'
  })
  const seq = (await state()).seq
  const typedMs = performance.now()
  const typedAt = Date.now()
  const env = { ...process.env, XDG_STATE_HOME: join(folder, 'state') }
  const running = spawn(process.execPath, [program, 'rollback', '--yes', '--detach'], {
    cwd: root,
    env,
    stdio: 'ignore',
  })
  await once(running, 'exit')
  await until('the rollback is over', async () => (await state()).release === null)
  const after = (await records()).filter((record) => record.seq > seq)
  const commanded = after.find(({ body }) => body.kind === 'commanded')!
  const turned = after.find(({ body }) => body.kind === 'turnedBack' || body.kind === 'releaseStarted')!
  return {
    total: users.lastOf('good2') - typedMs,
    started: Date.parse(commanded.at) - typedAt,
    accepted: Date.parse(turned.at) - typedAt,
  }
}

interface Users {
  /** When this version gave its last answer, in monotonic milliseconds. */
  lastOf(version: string): number
  stop(): Promise<{ requests: number; failures: number }>
}

function startUsers(url: string): Users {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  const last = new Map<string, number>()
  let [requests, failures, stopped] = [0, 0, false]
  const user = async () => {
    while (!stopped) {
      requests++
      const outgoing = request(url, { agent }).end()
      try {
        const [incoming] = await once(outgoing, 'response')
        let version = ''
        for await (const part of incoming.setEncoding('utf8')) version += part
        last.set(version, performance.now())
        if (incoming.statusCode !== 200) failures++
      } catch {
        failures++
      }
    }
  }
  const all = Array.from({ length: CLIENTS }, user)
  return {
    lastOf: (version) => last.get(version) ?? Number.NaN,
    async stop() {
      stopped = true
      await Promise.all(all)
      agent.destroy()
      return { requests, failures }
    },
  }
}
