import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReplicaFacts } from '../../../domain/snapshot.ts'
import {
  adoptDetached,
  type DetachedProcess,
  isRunning,
  shellCommand,
  startDetached,
  terminate,
} from '../processes/detached.ts'
import { killOrphans } from '../processes/identity.ts'
import { afterExit, type ExitHistory, isCrashLooping, pauseMs } from './exit-history.ts'
import type { FrontLink } from './front-link.ts'
import { watchHealth } from './health.ts'
import type { ReplicaView } from './plan-slot.ts'
import type { PortRange } from './ports.ts'
import { type ReplicaRecord, saveRecord } from './replica-record.ts'
import { secretsOf } from './secrets.ts'
import type { Tuning } from './tuning.ts'

// One replica from its first start to its end. Its life is the one loop in `#live`: start or adopt, watch until
// something happens, make sure that the process is gone, and then end or start again after a pause.

export interface ReplicaContext {
  /** Folder that holds the folders of all replicas of the environment. */
  readonly folder: string
  readonly secretsFolder: string
  readonly tuning: Tuning
  readonly ports: PortRange
  readonly front: FrontLink
  /** For the control test alone, which must see requests dropped. */
  readonly unsafeNoDrain: boolean
  say(line: string): void
}

type Outcome =
  | { readonly kind: 'exited'; readonly code: number | null }
  | { readonly kind: 'unhealthy'; readonly reason: string }
  | { readonly kind: 'end' }

export class Replica {
  readonly gone: Promise<void>
  #record: ReplicaRecord
  readonly #context: ReplicaContext
  readonly #onChange: () => void
  /** It shall not be started again. */
  readonly #ending = new AbortController()
  /** There is no time for a drain. */
  readonly #down = new AbortController()
  #process: DetachedProcess | null = null
  #history: ExitHistory = []
  #failingHealth = false
  #readySince: number | null
  #startedAt: number
  #restartFor: ((reason: string) => void) | null = null

  constructor(record: ReplicaRecord, context: ReplicaContext, onChange: () => void) {
    this.#context = context
    this.#onChange = onChange
    const running = record.starts > 0 && isRunning(startFolder(context, record))
    this.#record = running ? record : { ...record, ready: false, startupPassed: false }
    this.#readySince = this.#record.ready ? performance.now() : null
    this.#startedAt = performance.now() - Math.max(0, Date.now() - record.startedAtMs)
    if (record.port !== null && running) context.ports.reserve(record.port)
    if (record.ending) this.#ending.abort()
    this.gone = this.#live()
  }

  get id(): string {
    return this.#record.id
  }

  get record(): ReplicaRecord {
    return this.#record
  }

  get log(): string {
    return join(this.#context.folder, this.id, 'log')
  }

  /** Leader of its process group; null while nothing runs. */
  get pid(): number | null {
    return this.#process?.identity.pid ?? null
  }

  view(): ReplicaView {
    const { ready, ending, run } = this.#record
    const readyMs = this.#readySince === null ? 0 : performance.now() - this.#readySince
    const failing = !ready && (this.#failingHealth || this.#history.length > 0)
    return { id: this.id, revision: run.revision, ending, ready, readyMs, failing }
  }

  facts(): ReplicaFacts {
    const { id, run, ready, restarts, ending } = this.#record
    const now = performance.now()
    const runningMs = this.#process ? now - this.#startedAt : 0
    return {
      id,
      revision: run.revision,
      running: ready || this.#process !== null,
      ready,
      restarts,
      crashLooping: isCrashLooping(this.#history, now, runningMs, this.#context.tuning),
      failingHealth: this.#failingHealth,
      ending,
      startedAgoMs: Math.round(now - this.#startedAt),
    }
  }

  /** Takes it out of rotation, waits for the drain rule, ends it. */
  end(): void {
    if (this.#record.ending) return
    this.#change({ ending: true, ready: false })
    this.#ending.abort()
  }

  /** Ends it without a drain, and keeps it to be started again. */
  async down(): Promise<void> {
    this.#down.abort()
    this.#ending.abort()
    await this.gone
  }

  /** Ends its process by the drain rule and starts it again. */
  restart(reason: string): void {
    this.#restartFor?.(reason)
  }

  async #live(): Promise<void> {
    let adopted = await this.#adopt()
    for (;;) {
      if (!adopted && this.#ending.signal.aborted) break
      this.#process = adopted ?? (await this.#start())
      adopted = null
      if (this.#process) await this.#watchAndClear(this.#process)
      if (this.#ending.signal.aborted) break
      const pause = pauseMs(this.#history, this.#context.tuning)
      await sleep(pause, undefined, { signal: this.#ending.signal }).catch(() => {})
    }
    if (this.#record.ending) this.#change({ ended: true })
    if (this.#record.port !== null) this.#context.ports.release(this.#record.port)
  }

  async #adopt(): Promise<DetachedProcess | null> {
    if (this.#record.starts === 0) return null
    const folder = startFolder(this.#context, this.#record)
    const process = await adoptDetached(folder)
    if (process && isRunning(folder)) return process
    if (process) this.#clearOrphans(process)
    return null
  }

  async #start(): Promise<DetachedProcess | null> {
    const startedAtMs = Date.now()
    this.#startedAt = performance.now()
    try {
      const port = await this.#takePort()
      this.#change({ port, starts: this.#record.starts + 1, startedAtMs, startupPassed: false, ready: false })
      rmSync(startFolder(this.#context, { ...this.#record, starts: this.#record.starts - 1 }), {
        recursive: true,
        force: true,
      })
      const { run } = this.#record
      return await startDetached({
        folder: startFolder(this.#context, this.#record),
        log: this.log,
        command: shellCommand(run.start),
        directory: run.directory,
        env: this.#environment(),
      })
    } catch (error) {
      this.#recordExit(`could not be started: ${(error as Error).message}`)
      return null
    }
  }

  async #takePort(): Promise<number> {
    const { port } = this.#record
    if (port !== null) this.#context.ports.release(port)
    return this.#context.ports.take(port)
  }

  #environment(): NodeJS.ProcessEnv {
    const { id, slot, run, port } = this.#record
    return {
      ...inherited(),
      ...run.env,
      ...secretsOf(this.#context.secretsFolder, run),
      PORT: String(port),
      MOODIFY_VERSION: run.version,
      MOODIFY_SLOT: slot,
      MOODIFY_REVISION: run.revision,
      MOODIFY_REPLICA: id,
    }
  }

  /** Watches a process until something happens; it is gone afterwards. */
  async #watchAndClear(process: DetachedProcess): Promise<void> {
    const outcome = await this.#watch(process)
    if (this.#record.ready) this.#change({ ready: false })
    if (outcome.kind === 'unhealthy') this.#context.say(`${this.id} is restarted: ${outcome.reason}`)
    if (outcome.kind !== 'exited') await this.#clear(process)
    this.#clearOrphans(process)
    this.#process = null
    if (outcome.kind === 'end') return
    this.#recordExit(outcome.kind === 'exited' ? `exited with status ${outcome.code ?? 'unknown'}` : 'was ended')
  }

  async #watch(process: DetachedProcess): Promise<Outcome> {
    const stop = new AbortController()
    const restart = Promise.withResolvers<string>()
    this.#restartFor = restart.resolve
    const { run, port, startupPassed, ready } = this.#record
    // A probe may answer in the moment in which the watch ends.
    const whileWatched = (act: () => void) => {
      if (!stop.signal.aborted) act()
    }
    const health = watchHealth(
      {
        port: port!,
        probes: run.probes,
        eagerProbeMs: this.#context.tuning.eagerProbeMs,
        startupPassed,
        ready,
        onStartupPassed: () => whileWatched(() => this.#change({ startupPassed: true })),
        onReady: (now, saw) => whileWatched(() => this.#onReady(now, saw)),
      },
      stop.signal,
    ).then((reason): Outcome => {
      this.#failingHealth = true
      return { kind: 'unhealthy', reason }
    })
    health.catch(() => {})
    try {
      return await Promise.race([
        process.exited.then(({ code }): Outcome => ({ kind: 'exited', code })),
        aborted(this.#ending.signal).then((): Outcome => ({ kind: 'end' })),
        restart.promise.then((reason): Outcome => ({ kind: 'unhealthy', reason })),
        health,
      ])
    } finally {
      this.#restartFor = null
      stop.abort()
    }
  }

  /** The only place that ends a process which may be serving requests. */
  async #clear(process: DetachedProcess): Promise<void> {
    const { run } = this.#record
    if (!this.#context.unsafeNoDrain) {
      const reason = await this.#drained(process)
      this.#context.say(`${this.id} is ended: ${reason}`)
    }
    await terminate(process, run.graceMs)
  }

  async #drained(process: DetachedProcess): Promise<string> {
    const { service, slot, run } = this.#record
    const stop = new AbortController()
    const reason = await Promise.race([
      this.#context.front.drained(
        { service, slot, replica: this.id, drainMs: run.drainMs },
        stop.signal,
        this.#context.tuning.drainPollMs,
      ),
      process.exited.then(() => 'it exited'),
      aborted(this.#down.signal).then(() => 'everything is ended'),
    ])
    stop.abort()
    return reason
  }

  #clearOrphans(process: DetachedProcess): void {
    killOrphans(process.identity.pid, `MOODIFY_REPLICA=${this.id}`)
  }

  #onReady(ready: boolean, saw: string): void {
    this.#failingHealth = !ready
    this.#change({ ready })
    this.#context.say(`${this.id} is ${ready ? 'ready' : 'not ready any more'}: ${saw}`)
  }

  #recordExit(what: string): void {
    const now = performance.now()
    this.#history = afterExit(this.#history, { atMs: now, ranMs: now - this.#startedAt }, this.#context.tuning)
    this.#change({ restarts: this.#record.restarts + 1, ready: false })
    this.#context.say(`${this.id} ${what}; it is started again in ${pauseMs(this.#history, this.#context.tuning)} ms`)
  }

  #change(change: Partial<ReplicaRecord>): void {
    if (change.ready !== undefined && change.ready !== this.#record.ready) {
      this.#readySince = change.ready ? performance.now() : null
    }
    this.#record = { ...this.#record, ...change }
    this.#save()
    this.#onChange()
  }

  /** A full disk must not end anything: what cannot be saved is only not known to the next supervisor. */
  #save(): void {
    try {
      saveRecord(this.#context.folder, this.#record)
    } catch (error) {
      this.#context.say(`${this.id} could not be recorded: ${(error as Error).message}`)
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function startFolder(context: ReplicaContext, { id, starts }: ReplicaRecord): string {
  return join(context.folder, id, `start-${starts}`)
}

function inherited(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TZ']
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}
