// What a second process of the front is worth on this machine: requests per second with one and with two, and what
// they cost in CPU time. Load, service and front share the cores, so look at both columns.
//
//   node bench/front-processes.ts [--rounds 3] [--seconds 4]
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { FrontStatus } from '../src/effects/local/protocol.ts'
import { socketClient } from '../src/effects/local/socket-client.ts'
import { nginxBinary, startNginx } from '../test/hostile/nginx.ts'
import { cpuSeconds, median } from './support/measure.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '4' } },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const CONNECTIONS = 64
const SERVICE_PORT = 18_481
const COUNTS = [1, 2]

if (!nginxBinary || spawnSync('wrk', ['-v']).error) {
  console.log('skipped: this needs nginx and wrk')
  process.exit()
}

const folder = mkdtempSync(join(tmpdir(), 'bench-front-'))
await using _service = await startNginx({
  backendPort: SERVICE_PORT,
  by: [],
  listen: `127.0.0.1:${SERVICE_PORT}`,
  answer: 'hello, world',
})
const measured = new Map(COUNTS.map((count) => [count, { rates: [] as number[], costs: [] as number[] }]))
for (let round = 0; round < rounds; round++) {
  for (const count of COUNTS) {
    const { rate, cost } = await measure(count)
    measured.get(count)!.rates.push(rate)
    measured.get(count)!.costs.push(cost)
  }
}
rmSync(folder, { recursive: true })
console.log(`${cpus().length} cores, ${CONNECTIONS} kept connections, medians of ${rounds} rounds of ${seconds} s\n`)
console.log('| Processes | requests/s | per second of their CPU time |\n| ---: | ---: | ---: |')
for (const [count, { rates, costs }] of measured) {
  console.log(`| ${count} | ${Math.round(median(rates))} | ${Math.round(median(costs))} |`)
}

async function measure(processes: number): Promise<{ rate: number; cost: number }> {
  const socket = join(folder, `front-${processes}.sock`)
  const main = join(import.meta.dirname, '..', 'src', 'main.ts')
  const place = ['--environment', 'production', '--port', '0', '--socket', socket]
  const state = ['--state', join(folder, `front-${processes}.json`), '--processes', String(processes)]
  const child = spawn(process.execPath, [main, 'internal', 'front', ...place, ...state], { stdio: 'inherit' })
  const control = socketClient(socket)
  try {
    const status = await until(async () => {
      const found = await control.request<FrontStatus>('GET', '/status').catch(() => null)
      return found?.workers?.length === processes - 1 ? found : null
    })
    const service = { name: 'web', path: '/', stripPath: false, drainMs: 1000 }
    await control.request('PUT', '/table', { services: [service] })
    const endpoints = [{ replica: 'a', revision: 'r', port: SERVICE_PORT }]
    await control.request('PUT', '/endpoints', { service: 'web', slot: 'blue', endpoints })
    await control.request('PUT', '/shares', { service: 'web', shares: { blue: 100 }, generation: 1, epoch: 1 })
    const pids = [status.pid, ...status.workers!]
    await wrk(status.listening.port, 1)
    const before = cpuSeconds(pids)
    const rate = await wrk(status.listening.port, seconds)
    return { rate, cost: (rate * seconds) / (cpuSeconds(pids) - before) }
  } finally {
    control.close()
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
}

async function wrk(port: number, forSeconds: number): Promise<number> {
  const how = ['-t', '1', '-c', String(CONNECTIONS), '-d', `${forSeconds}s`]
  const child = spawn('wrk', [...how, `http://127.0.0.1:${port}/`], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  await once(child, 'close')
  if (/Non-2xx/.test(text)) throw new Error(text)
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)![1])
}

async function until<T>(look: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== null) return found
    await sleep(50)
  }
}
