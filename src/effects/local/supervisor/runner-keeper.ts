import { join } from 'node:path'
import { programOf } from '../processes/identity.ts'
import { NOT_AGAIN } from '../protocol.ts'
import { KeptProcess } from './kept-process.ts'
import type { StateStore } from './state.ts'
import type { Tuning } from './tuning.ts'

export interface RunnerOptions {
  readonly environment: string
  readonly root: string
  readonly folder: string
  readonly command: readonly string[]
  readonly build: string
  readonly store: StateStore
  readonly tuning: Tuning
  say(line: string): void
}

/** Keeps the runner of one environment alive for as long as there is something to do. */
export class RunnerKeeper {
  readonly #options: RunnerOptions
  readonly #process: KeptProcess
  // A runner that has seen that there is nothing to do may be asked for again before it has ended.
  #asked = 0
  #askedBeforeStart = 0

  constructor(options: RunnerOptions) {
    const { environment, root, folder, command, build, store, tuning, say } = options
    this.#options = options
    this.#process = new KeptProcess({
      name: `the runner of ${environment}`,
      folder: join(folder, 'runner'),
      tuning,
      build,
      renewsOtherBuilds: true,
      command: () => {
        this.#askedBeforeStart = this.#asked
        return [...command, 'internal', 'runner', '--root', root, '--environment', environment]
      },
      next: ({ code }) => {
        if (code === NOT_AGAIN) return 'nothing'
        return code !== 0 ? 'pause' : this.#isDone() ? 'nothing' : 'start'
      },
      say,
    })
    if (store.environment(environment).runnerWanted) this.#process.start()
  }

  get log(): string {
    return this.#process.log
  }

  /** Of the runner, when one runs; null for one that is not known. */
  buildsInUse(): (string | null)[] {
    return this.#process.buildsInUse()
  }

  snapshot(): { pid: number | null; restarts: number } {
    const { pid, restarts } = this.#process
    return { pid: pid === null ? null : programOf(pid), restarts }
  }

  /** @param replace  the one of now hangs: it is killed, and the next one goes on from the journal */
  want({ replace }: { replace: boolean } = { replace: false }): void {
    this.#asked++
    if (replace) this.#process.kill()
    const { store, environment } = this.#options
    if (!store.environment(environment).runnerWanted) store.change(environment, { runnerWanted: true })
    this.#process.start()
  }

  async stop(): Promise<void> {
    await this.#process.stop()
  }

  /** After an exit with status 0. */
  #isDone(): boolean {
    const done = this.#asked === this.#askedBeforeStart
    const { store, environment, say } = this.#options
    try {
      if (done) store.change(environment, { runnerWanted: false })
    } catch (error) {
      // Then the next supervisor starts one that has nothing to do, and ends.
      say(`that no runner is needed could not be noted: ${(error as Error).message}`)
    }
    return done
  }
}
