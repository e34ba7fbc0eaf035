import { parentPort, workerData } from 'node:worker_threads'
import type { ScenarioName } from './scenario.ts'
import { simulate } from './simulation.ts'

export interface Work {
  readonly seeds: readonly number[]
  readonly only: ScenarioName | null
}

export interface Done {
  readonly seed: number
  readonly violations: readonly string[]
  readonly outcomes: readonly string[]
  readonly virtualMs: number
}

const { seeds, only } = workerData as Work
for (const seed of seeds) {
  const { violations, outcomes, virtualMs } = await simulate({ seed, only })
  const done: Done = { seed, violations: violations.map(({ check, text }) => `${check}: ${text}`), outcomes, virtualMs }
  parentPort!.postMessage(done)
  // Lets the message out.
  await new Promise((resolve) => setImmediate(resolve))
}
