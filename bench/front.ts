// The front beside nginx, before the same service, each on one pinned core: requests per second of that core's time,
// and what each adds to the 99th percentile at a small load. The load is made on the other core.
//
//   node bench/front.ts [--rounds 5] [--seconds 4] [--profile]
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { FrontStatus } from '../src/effects/local/protocol.ts'
import { socketClient } from '../src/effects/local/socket-client.ts'
import { nginxBinary, startNginx } from '../test/hostile/nginx.ts'
import { cpuSeconds, median } from './support/measure.ts'
import { topOfProfile } from './support/profile.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    profile: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const CONNECTIONS = 32
const PACE_PER_SECOND = 500
const PROXY_CORE = ['taskset', '-c', '1']
const LOAD_CORE = ['taskset', '-c', '0']
const [SERVICE_PORT, NGINX_PORT, BARE_PORT] = [18_471, 18_472, 18_473]

for (const [what, isThere] of [
  ['nginx', nginxBinary !== undefined],
  ['wrk', spawnSync('wrk', ['-v']).error === undefined],
  ['two cores', cpus().length > 1],
] as const) {
  if (isThere) continue
  console.log(`skipped: this needs ${what}`)
  process.exit()
}

interface Proxy {
  readonly name: string
  readonly port: number
  readonly pids: readonly number[]
}

const folder = mkdtempSync(join(tmpdir(), 'bench-front-'))
await using service = await startNginx({
  backendPort: SERVICE_PORT,
  by: LOAD_CORE,
  listen: `127.0.0.1:${SERVICE_PORT}`,
  answer: 'hello, world',
})
await using nginx = await startNginx({ backendPort: SERVICE_PORT, by: PROXY_CORE, listen: `127.0.0.1:${NGINX_PORT}` })
const bare = startBareProxy()
const front = await startFrontProcess()
try {
  const proxies: readonly Proxy[] = [
    { name: 'nginx', port: NGINX_PORT, pids: nginx.pids() },
    { name: 'the least of node:http', port: BARE_PORT, pids: [bare.pid!] },
    { name: 'front', port: front.port, pids: [front.child.pid!] },
  ]
  console.log(
    `${nginx.version}, Node ${process.version}, ${cpus()[0]!.model.trim()}, wrk with ${CONNECTIONS} connections`,
  )
  await throughput(proxies)
  await latency([{ name: 'service', port: SERVICE_PORT, pids: [] }, ...proxies])
  void service
} finally {
  bare.kill()
  front.child.kill('SIGTERM')
  await once(front.child, 'exit')
  if (values.profile) console.log(topOfProfile(join(folder, 'profile')))
  rmSync(folder, { recursive: true, force: true })
}

function startBareProxy(): ChildProcess {
  const file = join(import.meta.dirname, 'support/bare-proxy.ts')
  const [command, ...args] = [...PROXY_CORE, process.execPath, file, String(BARE_PORT), String(SERVICE_PORT)]
  return spawn(command!, args, { stdio: 'inherit' })
}

async function startFrontProcess(): Promise<{ child: ChildProcess; port: number }> {
  const bundle = join(folder, 'moodify.mjs')
  spawnSync(process.execPath, [join(import.meta.dirname, '../tools/build.ts'), bundle], { stdio: 'inherit' })
  mkdirSync(join(folder, 'profile'))
  const profiling = values.profile ? ['--cpu-prof', `--cpu-prof-dir=${join(folder, 'profile')}`] : []
  const socket = join(folder, 'front.sock')
  const args = ['internal', 'front', '--environment', 'bench', '--port', '0', '--socket', socket]
  const [command, ...rest] = [
    ...PROXY_CORE,
    process.execPath,
    ...profiling,
    bundle,
    ...args,
    '--state',
    join(folder, 'state'),
  ]
  const child = spawn(command!, rest, { stdio: ['ignore', 'ignore', 'inherit'] })
  const control = socketClient(socket)
  for (;;) {
    const status = await control.request<FrontStatus>('GET', '/status').catch(() => null)
    if (!status) {
      if (child.exitCode !== null) throw new Error('the front does not start')
      await new Promise((resolve) => setTimeout(resolve, 20))
      continue
    }
    const route = { name: 'web', path: '/', stripPath: false, drainMs: 1000 }
    await control.request('PUT', '/table', { services: [route] })
    const endpoints = [{ replica: 'a', revision: 'a', port: SERVICE_PORT }]
    await control.request('PUT', '/endpoints', { service: 'web', slot: 'blue', endpoints })
    await control.request('PUT', '/shares', { service: 'web', shares: { blue: 100 }, generation: 1, epoch: 1 })
    control.close()
    return { child, port: status.listening.port }
  }
}

/** By turns, so that whatever else the machine does meets both. */
async function throughput(proxies: readonly Proxy[]): Promise<void> {
  const results = new Map<string, { perSecond: number[]; perCpuSecond: number[]; busy: number[] }>()
  for (let round = 0; round <= rounds; round++) {
    for (const { name, port, pids } of proxies) {
      const before = cpuSeconds(pids)
      const startedAt = performance.now()
      const requests = await wrk(port)
      const elapsed = (performance.now() - startedAt) / 1000
      const cpu = cpuSeconds(pids) - before
      // The first round warms up.
      if (round === 0) continue
      const result = results.get(name) ?? { perSecond: [], perCpuSecond: [], busy: [] }
      results.set(name, result)
      result.perSecond.push(requests / elapsed)
      result.perCpuSecond.push(requests / cpu)
      result.busy.push((100 * cpu) / elapsed)
    }
  }
  console.log('\n| Proxy | requests/s | requests per CPU second | busy | ratio |\n| --- | ---: | ---: | ---: | ---: |')
  const reference = median(results.get('nginx')!.perCpuSecond)
  for (const [name, { perSecond, perCpuSecond, busy }] of results) {
    const ratio = ((100 * median(perCpuSecond)) / reference).toFixed(0)
    console.log(
      `| ${name} | ${whole(median(perSecond))} | ${whole(median(perCpuSecond))} | ${whole(median(busy))} % | ${ratio} % |`,
    )
  }
}

async function wrk(port: number): Promise<number> {
  const [command, ...args] = [
    ...LOAD_CORE,
    'wrk',
    '-t1',
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    `http://127.0.0.1:${port}/`,
  ]
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part) => {
    text += part
  })
  await once(child, 'close')
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(text)
  return Number(/(\d+) requests in/.exec(text)![1])
}

/** At a fixed pace, from this process. */
async function latency(targets: readonly Proxy[]): Promise<void> {
  const all = new Map<string, number[]>(targets.map(({ name }) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const { name, port } of targets) {
      const took = await paced(port, seconds)
      if (round > 0) all.get(name)!.push(...took)
    }
  }
  console.log(`\n| At ${PACE_PER_SECOND} requests/s | P50 | P99 | added to P99 |\n| --- | ---: | ---: | ---: |`)
  const direct = quantile(all.get('service')!, 0.99)
  for (const [name, took] of all) {
    const added = name === 'service' ? '' : ms(quantile(took, 0.99) - direct)
    console.log(`| ${name} | ${ms(quantile(took, 0.5))} | ${ms(quantile(took, 0.99))} | ${added} |`)
  }
}

async function paced(port: number, forSeconds: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const took: number[] = []
  const asked: Promise<void>[] = []
  const startedAt = performance.now()
  for (let sent = 0; sent < PACE_PER_SECOND * forSeconds; sent++) {
    const waitMs = startedAt + (1000 * sent) / PACE_PER_SECOND - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    asked.push(ask(port, agent, took))
  }
  await Promise.all(asked)
  agent.destroy()
  return took
}

async function ask(port: number, agent: Agent, took: number[]): Promise<void> {
  const startedAt = performance.now()
  const outgoing = request({ port, agent, host: '127.0.0.1' }).end()
  const [incoming] = await once(outgoing, 'response')
  incoming.resume()
  await once(incoming, 'end')
  took.push(performance.now() - startedAt)
}

function quantile(sample: readonly number[], share: number): number {
  const sorted = sample.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
