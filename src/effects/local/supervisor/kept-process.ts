import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  adoptDetached,
  type DetachedProcess,
  type Exit,
  isRunning,
  startDetached,
  terminate,
} from '../processes/detached.ts'
import { afterExit, type ExitHistory, pauseMs } from './exit-history.ts'
import type { Tuning } from './tuning.ts'

export interface KeptOptions {
  /** What it is called in the log. */
  readonly name: string
  /** Of its own: the log and one folder for each start. */
  readonly folder: string
  readonly tuning: Tuning
  command(): readonly string[]
  /** What follows an exit: nothing, another start at once, or one after a pause that grows. */
  next(exit: Exit): 'nothing' | 'start' | 'pause'
  /** Asked before a start: whether one that we did not start does the work already. */
  runsElsewhere?(): Promise<boolean>
  say(line: string): void
}

/** A process of our own, a front or a runner, that is adopted or started, and started again when it ends. */
export class KeptProcess {
  readonly #options: KeptOptions
  readonly #stopping = new AbortController()
  #running: DetachedProcess | null = null
  #history: ExitHistory = []
  #restarts = 0
  #life: Promise<void> | null = null

  constructor(options: KeptOptions) {
    this.#options = options
  }

  get pid(): number | null {
    return this.#running?.identity.pid ?? null
  }

  get restarts(): number {
    return this.#restarts
  }

  get log(): string {
    return join(this.#options.folder, 'log')
  }

  /** Makes sure that it lives; nothing happens when it does. */
  start(): void {
    if (this.#stopping.signal.aborted) return
    this.#life ??= this.#live().finally(() => {
      this.#life = null
      this.#running = null
    })
  }

  /** For one that hangs. */
  kill(): void {
    this.#running?.signal('SIGKILL')
  }

  /** Ends the process of now, which is then started again. @param ask  asks it to end; without, it gets SIGTERM */
  async end(ask?: () => Promise<void>): Promise<void> {
    const running = this.#running
    if (!running) return
    const graceMs = this.#options.tuning.ownGraceMs
    if (ask) {
      await ask()
      await Promise.race([running.exited, sleep(graceMs, undefined, { ref: false })])
    }
    await terminate(running, graceMs)
  }

  /** Ends it for good. */
  async stop(ask?: () => Promise<void>): Promise<void> {
    this.#stopping.abort()
    await this.end(ask)
    await this.#life
  }

  async #live(): Promise<void> {
    mkdirSync(this.#options.folder, { recursive: true, mode: 0o700 })
    for (let adopted = await this.#adopt(); !this.#stopping.signal.aborted; adopted = null) {
      const startedAt = performance.now()
      const exit = await this.#runOnce(adopted)
      if (this.#stopping.signal.aborted) return
      const next = exit ? this.#options.next(exit) : 'pause'
      if (next === 'nothing') return
      if (next === 'start') continue
      const atMs = performance.now()
      this.#history = afterExit(this.#history, { atMs, ranMs: atMs - startedAt }, this.#options.tuning)
      const pause = pauseMs(this.#history, this.#options.tuning)
      if (exit) this.#restarts++
      if (exit)
        this.#options.say(
          `${this.#options.name} exited with status ${exit.code ?? 'unknown'}; next start in ${pause} ms`,
        )
      await sleep(pause, undefined, { signal: this.#stopping.signal }).catch(() => {})
    }
  }

  /** @returns null when it was not started */
  async #runOnce(adopted: DetachedProcess | null): Promise<Exit | null> {
    const running = adopted ?? (await this.#startUnlessElsewhere())
    this.#running = running
    if (running && this.#stopping.signal.aborted) await terminate(running, this.#options.tuning.ownGraceMs)
    const exit = await running?.exited
    this.#running = null
    return exit ?? null
  }

  async #adopt(): Promise<DetachedProcess | null> {
    const last = this.#starts().at(-1)
    if (last === undefined) return null
    const folder = join(this.#options.folder, `start-${last}`)
    const process = await adoptDetached(folder)
    return isRunning(folder) ? process : null
  }

  async #startUnlessElsewhere(): Promise<DetachedProcess | null> {
    try {
      return (await this.#options.runsElsewhere?.()) ? null : await this.#start()
    } catch (error) {
      this.#options.say(`${this.#options.name} could not be started: ${(error as Error).message}`)
      return null
    }
  }

  #start(): Promise<DetachedProcess> {
    const starts = this.#starts()
    for (const start of starts.slice(0, -1)) rmSync(join(this.#options.folder, `start-${start}`), { recursive: true })
    return startDetached({
      folder: join(this.#options.folder, `start-${(starts.at(-1) ?? 0) + 1}`),
      log: this.log,
      command: this.#options.command(),
      directory: this.#options.folder,
      env: process.env,
    })
  }

  /** Numbers of the starts whose folders are still there, rising. */
  #starts(): number[] {
    const names = readdirSync(this.#options.folder).flatMap((name) => /^start-(\d+)$/.exec(name)?.[1] ?? [])
    return names.map(Number).toSorted((a, b) => a - b)
  }
}
