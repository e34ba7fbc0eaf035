// Releases in a row on real processes, with the real journal and front: what grows with their number. Memory and file
// handles of supervisor and front, and the disk that the state takes, are noted every few releases.
//
//   node bench/many-releases.ts [--releases 1000] [--every 50]
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { embedded } from '../test/support/embedded.ts'
import { startLoad } from '../test/support/load.ts'
import { heapInUse } from './support/heap.ts'

const { values } = parseArgs({
  options: { releases: { type: 'string', default: '1000' }, every: { type: 'string', default: '50' } },
})
const releases = Number(values.releases)
const every = Number(values.every)
const KEEP_RELEASES = 20

await using platform = embedded({
  replicas: 1,
  drainSeconds: 1,
  service: { graceSeconds: 1 },
  blueGreen: { monitorSeconds: 0.1 },
  triggers: { mode: 'threshold', p95Seconds: 5, minRequests: 1, minBad: 1, windowSeconds: 1 },
  journal: { keepReleases: KEEP_RELEASES },
})
await platform.serve()
const traffic = startLoad(await platform.url(), { requestsPerSecond: 20, sockets: 0 })
console.log(`The journal keeps ${KEEP_RELEASES} releases; ${releases} are made.\n`)
console.log('Resident memory, and the heap in use after a garbage collection.\n')
console.log('| releases | supervisor | front | handles | journal | logs of replicas | the rest of the state |')
console.log('| ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
const startedAt = performance.now()
await report(0)
for (let number = 1; number <= releases; number++) {
  await platform.moodify('deploy', '-v', number % 2 ? 'good2' : 'good', '--again', '--yes')
  await platform.settled()
  if (number % every === 0) await report(number)
}
const { requests, dropped, errors } = await traffic.stop()
const minutes = (performance.now() - startedAt) / 60_000
console.log(`\n${dropped} of ${requests} requests dropped, ${errors} errors; ${minutes.toFixed(1)} min`)

async function report(number: number): Promise<void> {
  const supervisor = platform.supervisorPid()
  const front = (await platform.snapshot()).front.pid!
  const state = platform.paths.state
  const journal = bytesIn(platform.journalFolder, (name) => name.startsWith('journal.db'))
  const logs = bytesIn(join(platform.journalFolder, 'replicas'))
  const rest = bytesIn(state) - journal - logs
  const cells = [
    number,
    await memoryOf(supervisor),
    await memoryOf(front),
    `${handlesOf(supervisor)} + ${handlesOf(front)}`,
    ...[journal, logs, rest].map((bytes) => `${(bytes / 1024).toFixed(0)} KB`),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}

function bytesIn(folder: string, isWanted: (name: string) => boolean = () => true): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && isWanted(entry.name))
    .reduce(
      (sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    )
}

async function memoryOf(pid: number): Promise<string> {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  const heap = await heapInUse(pid)
  return `${Math.round(Number(kilobytes) / 1024)} MB, ${(heap / 1e6).toFixed(1)} MB`
}

function handlesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
