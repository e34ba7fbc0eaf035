// Spreads trials over threads. Each trial has random numbers of its own, so the result does not depend on how many.
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { addResults, type RampOptions, type RampResult, type ScenarioName, simulateRamps } from './ramp.ts'

type Options = Pick<RampOptions, 'trials' | 'seed' | 'layout' | 'untilAlone'>
interface Task {
  readonly name: ScenarioName
  readonly options: Options & { readonly first: number }
}

const TRIALS_PER_TASK = 50

/** Whole releases, as `simulateRamps` does them one after the other. */
export interface Threads extends AsyncDisposable {
  simulateRamps(name: ScenarioName, options: Options): Promise<RampResult>
}

export function startThreads(count: number): Threads {
  const workers = Array.from({ length: count }, () => new Worker(new URL(import.meta.url)))
  return {
    async simulateRamps(name, options) {
      const firsts = Array.from(
        { length: Math.ceil(options.trials / TRIALS_PER_TASK) },
        (_, at) => at * TRIALS_PER_TASK,
      )
      const results: RampResult[] = []
      const work = async (worker: Worker) => {
        for (let first = firsts.shift(); first !== undefined; first = firsts.shift()) {
          const trials = Math.min(TRIALS_PER_TASK, options.trials - first)
          results.push(await ask(worker, { name, options: { ...options, first, trials } }))
        }
      }
      await Promise.all(workers.map(work))
      return results.reduce(addResults)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

function ask(worker: Worker, task: Task): Promise<RampResult> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', (result: RampResult) => {
      worker.off('error', reject)
      resolve(result)
    })
    worker.postMessage(task)
  })
}

if (!isMainThread) {
  parentPort?.on('message', ({ name, options }: Task) => parentPort?.postMessage(simulateRamps(name, options)))
}
