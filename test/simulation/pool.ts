// Many runs on several threads.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { ScenarioName } from './scenario.ts'
import type { Done, Work } from './worker.ts'

export interface RunsOptions {
  readonly seed: number
  readonly runs: number
  readonly only: ScenarioName | null
  /** Stops all threads after this many failing seeds. */
  readonly mostFailures: number
  readonly onRun?: (done: Done, count: number) => void
  /** Another copy of the worker, with another copy of the source. */
  readonly worker?: URL
}

export interface Runs {
  readonly failed: readonly Done[]
  readonly runs: number
  readonly releases: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly virtualMs: number
}

export async function runMany(options: RunsOptions): Promise<Runs> {
  const { seed, runs, only, mostFailures, worker = new URL('./worker.ts', import.meta.url) } = options
  const threads = Math.max(1, Math.min(availableParallelism(), Math.ceil(runs / 20)))
  const failed: Done[] = []
  const outcomes: Record<string, number> = {}
  let count = 0
  let virtualMs = 0
  const workers = Array.from({ length: threads }, (_, thread) => {
    const seeds = Array.from({ length: runs }, (_, index) => seed + index).filter(
      (_, index) => index % threads === thread,
    )
    const work: Work = { seeds, only }
    return new Worker(worker, { workerData: work, resourceLimits: { maxOldGenerationSizeMb: 1024 } })
  })
  const ended = workers.map(
    (one) =>
      new Promise<void>((resolve, reject) => {
        one.on('message', (done: Done) => {
          count++
          virtualMs += done.virtualMs
          for (const outcome of done.outcomes) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
          if (done.violations.length > 0) failed.push(done)
          options.onRun?.(done, count)
          if (failed.length >= mostFailures) for (const other of workers) void other.terminate()
        })
        one.on('error', reject)
        one.on('exit', () => resolve())
      }),
  )
  await Promise.all(ended).finally(() => Promise.all(workers.map((one) => one.terminate())))
  const releases = Object.values(outcomes).reduce((sum, one) => sum + one, 0)
  return { failed: failed.toSorted((a, b) => a.seed - b.seed), runs: count, releases, outcomes, virtualMs }
}
