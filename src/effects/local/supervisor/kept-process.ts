import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readIfExists } from '../durable.ts'
import {
  adoptDetached,
  type DetachedProcess,
  type Exit,
  isRunning,
  type Launch,
  startDetached,
  terminate,
} from '../processes/detached.ts'
import { programOf } from '../processes/identity.ts'
import { afterExit, type ExitHistory, pauseMs } from './exit-history.ts'
import type { Tuning } from './tuning.ts'

export interface KeptOptions {
  /** What it is called in the log. */
  readonly name: string
  /** Of its own: the log and one folder for each start. */
  readonly folder: string
  readonly tuning: Tuning
  /** Of what is started. */
  readonly build: string
  /** One of another build that is found is asked to end with SIGTERM, and started again when it has. */
  readonly renewsOtherBuilds: boolean
  command(): readonly string[]
  /** What follows an exit: nothing, another start at once, or one after a pause that grows. */
  next(exit: Exit): 'nothing' | 'start' | 'pause'
  /** Process id of whoever does the work already, though we did not start it or have lost sight of it. */
  worker?(): Promise<number | null>
  say(line: string): void
}

/** In the folder of a start. */
const BUILD_FILE = 'build'

/** A process of our own, a front or a runner, that is adopted or started, and started again when it ends. */
export class KeptProcess {
  readonly #options: KeptOptions
  readonly #stopping = new AbortController()
  #running: DetachedProcess | null = null
  /** Asks another process to take over; null in the end means that none has. */
  #replacing: Promise<DetachedProcess | null> | null = null
  #successor = Promise.withResolvers<DetachedProcess>()
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

  /** Ends it for good, and whatever else of it still runs. */
  async stop(ask?: () => Promise<void>): Promise<void> {
    this.#stopping.abort()
    await this.#replacing
    await this.end(ask)
    await this.#life
    const left = this.#starts().map((start) => this.#startFolder(start))
    for (const folder of left.filter(isRunning)) {
      const running = await adoptDetached(folder)
      if (running) await terminate(running, this.#options.tuning.ownGraceMs)
    }
  }

  /**
   * Lets another process take the work over from the one of now, which ends by itself when it has nothing left to do.
   *
   * @param handOver  starts the other one; resolves when it has taken over
   * @throws          what `handOver` throws: then everything is as before
   */
  async replace(handOver: (launch: Launch) => Promise<void>): Promise<void> {
    if (this.#stopping.signal.aborted) throw new Error(`${this.#options.name} is being ended`)
    const launch = this.#nextLaunch()
    const taken = handOver(launch).then(() => adoptDetached(launch.folder))
    this.#replacing = taken.catch(() => null)
    try {
      const successor = await taken
      if (!successor) throw new Error(`nothing was started in ${launch.folder}`)
      this.#noteBuild(launch.folder)
      this.#successor.resolve(successor)
    } finally {
      this.#replacing = null
    }
  }

  /** Builds of all that runs here now; null for one that is not known. */
  buildsInUse(): (string | null)[] {
    const folders = this.#starts().map((start) => this.#startFolder(start))
    return folders.filter(isRunning).map(buildIn)
  }

  async #live(): Promise<void> {
    mkdirSync(this.#options.folder, { recursive: true, mode: 0o700 })
    let successor: DetachedProcess | null = null
    while (!this.#stopping.signal.aborted) {
      const startedAt = performance.now()
      const found: DetachedProcess | null = successor ?? (await this.#adopt())
      const isRenewed = found !== null && !successor && this.#askToEndForRenewal(found)
      const exit = await this.#runOnce(found)
      if (this.#stopping.signal.aborted) return
      successor = await this.#takeSuccessor()
      if (successor) continue
      const next = isRenewed ? 'start' : exit ? this.#options.next(exit) : 'pause'
      if (next === 'nothing') return
      if (next === 'pause') successor = await this.#pause(exit, startedAt)
    }
  }

  /** Runs until it exits or another one has taken its work over. @returns null when it was not started */
  async #runOnce(found: DetachedProcess | null): Promise<Exit | null> {
    const running = found ?? (await this.#startUnlessElsewhere())
    this.#running = running
    if (running && this.#stopping.signal.aborted) await terminate(running, this.#options.tuning.ownGraceMs)
    const replaced = this.#successor.promise.then(() => null)
    const exit = running ? await Promise.race([running.exited, replaced]) : null
    // The one that hands over may end before we are told that it has.
    await this.#replacing
    this.#running = null
    return exit
  }

  async #takeSuccessor(): Promise<DetachedProcess | null> {
    const successor = await Promise.race([this.#successor.promise, null])
    if (successor) this.#successor = Promise.withResolvers()
    return successor
  }

  /** @returns what has taken over in the meantime */
  async #pause(exit: Exit | null, startedAt: number): Promise<DetachedProcess | null> {
    const { name, tuning, say } = this.#options
    const atMs = performance.now()
    this.#history = afterExit(this.#history, { atMs, ranMs: atMs - startedAt }, tuning)
    const pause = pauseMs(this.#history, tuning)
    if (exit) {
      this.#restarts++
      say(`${name} exited with status ${exit.code ?? 'unknown'}; next start in ${pause} ms`)
    }
    const over = new AbortController()
    const signal = AbortSignal.any([this.#stopping.signal, over.signal])
    await Promise.race([sleep(pause, undefined, { signal }).catch(() => {}), this.#successor.promise])
    over.abort()
    return this.#takeSuccessor()
  }

  /** The newest one; else, where several run because one takes over from another, the one that does the work. */
  async #adopt(): Promise<DetachedProcess | null> {
    const starts = this.#starts()
    const last = starts.at(-1)
    if (last === undefined) return null
    const newest = await adoptDetached(this.#startFolder(last))
    if (newest && isRunning(this.#startFolder(last))) return newest
    const others = starts.slice(0, -1).map((start) => this.#startFolder(start))
    if (!others.some(isRunning)) return null
    const worker = await this.#options.worker?.()
    for (const folder of others.filter(isRunning)) {
      const running = await adoptDetached(folder)
      if (running && programOf(running.identity.pid) === worker) return running
    }
    return null
  }

  #askToEndForRenewal(found: DetachedProcess): boolean {
    const { renewsOtherBuilds, build, name, say } = this.#options
    const last = this.#starts().at(-1)
    if (!renewsOtherBuilds || last === undefined || buildIn(this.#startFolder(last)) === build) return false
    say(`${name} is of another build; it ends when what it is doing is written down, and is started again`)
    found.signal('SIGTERM')
    return true
  }

  async #startUnlessElsewhere(): Promise<DetachedProcess | null> {
    try {
      return (await this.#options.worker?.()) ? null : await this.#start()
    } catch (error) {
      this.#options.say(`${this.#options.name} could not be started: ${(error as Error).message}`)
      return null
    }
  }

  async #start(): Promise<DetachedProcess> {
    const launch = this.#nextLaunch()
    const started = await startDetached(launch)
    this.#noteBuild(launch.folder)
    return started
  }

  #nextLaunch(): Launch {
    const starts = this.#starts()
    const old = starts.slice(0, -1).map((start) => this.#startFolder(start))
    for (const folder of old) if (!isRunning(folder)) rmSync(folder, { recursive: true })
    return {
      folder: this.#startFolder((starts.at(-1) ?? 0) + 1),
      log: this.log,
      command: this.#options.command(),
      directory: this.#options.folder,
      env: process.env,
    }
  }

  /** A full disk is no reason to lose sight of what runs: of an unknown build is what anybody may replace. */
  #noteBuild(folder: string): void {
    const { name, build, say } = this.#options
    try {
      writeFileSync(join(folder, BUILD_FILE), build, { mode: 0o600 })
    } catch (error) {
      say(`the build of ${name} could not be noted: ${(error as Error).message}`)
    }
  }

  #startFolder(start: number): string {
    return join(this.#options.folder, `start-${start}`)
  }

  /** Numbers of the starts whose folders are still there, rising. */
  #starts(): number[] {
    if (!existsSync(this.#options.folder)) return []
    const names = readdirSync(this.#options.folder).flatMap((name) => /^start-(\d+)$/.exec(name)?.[1] ?? [])
    return names.map(Number).toSorted((a, b) => a - b)
  }
}

function buildIn(startFolder: string): string | null {
  return readIfExists(join(startFolder, BUILD_FILE))
}
