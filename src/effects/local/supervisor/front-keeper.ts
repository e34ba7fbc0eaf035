import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { OperatingError } from '../../../errors/catalogue.ts'
import { optionsText } from '../front/options.ts'
import type { FrontSettings, FrontStatus, FrontSupervisor, SupervisorFront } from '../protocol.ts'
import { socketClient } from '../socket-client.ts'
import { FrontLink } from './front-link.ts'
import { KeptProcess } from './kept-process.ts'
import { canListen, portBusy } from './ports.ts'
import type { StateStore } from './state.ts'
import type { Tuning } from './tuning.ts'

/** When everything is ended, no answer is worth waiting for any more. */
const DOWN_MS = 500
const STARTING_TICK_MS = 50

export interface FrontOptions {
  readonly environment: string
  readonly socket: string
  /** Folder of the environment's state. */
  readonly folder: string
  /** How to start ourselves. */
  readonly command: readonly string[]
  readonly build: string
  /** How the front starts us again; null when it shall not. */
  readonly supervisor: FrontSupervisor | null
  readonly store: StateStore
  readonly tuning: Tuning
  say(line: string): void
}

/** Keeps the front of one environment alive and told. */
export class FrontKeeper {
  readonly link: FrontLink
  readonly #options: FrontOptions
  readonly #process: KeptProcess
  #timer: NodeJS.Timeout | null = null
  #stopped = false
  /** Since when which process has not answered. */
  #silence = { pid: null as number | null, since: performance.now(), hasAnswered: false }
  #status: FrontStatus | null = null
  #looking: Promise<boolean> | null = null
  #upgrading: Promise<void> | null = null
  /** Of the front of now: why it could not be replaced. */
  #notUpgraded: { readonly source: string; readonly reason: string } | null = null

  constructor(options: FrontOptions) {
    const { environment, socket, folder, build, supervisor, store, tuning, say } = options
    this.#options = options
    this.link = new FrontLink(socketClient(socket), { table: store.environment(environment).table, supervisor, say })
    this.#process = new KeptProcess({
      name: `the front of ${environment}`,
      folder: join(folder, 'front'),
      tuning,
      build,
      renewsOtherBuilds: false,
      command: () => this.#command(),
      next: () => 'pause',
      worker: async () => (await this.link.status())?.pid ?? null,
      say,
    })
    this.#process.start()
    void this.#keepLooking()
  }

  get log(): string {
    return this.#process.log
  }

  snapshot(): SupervisorFront {
    const { port, boundPort, front } = this.#options.store.environment(this.#options.environment)
    return {
      pid: this.#status?.pid ?? null,
      port: boundPort ?? port,
      encrypted: (front?.tls ?? null) !== null,
      socket: this.#options.socket,
      build: this.#status?.build ?? null,
      notUpgraded: this.#status && this.#isOther(this.#status) ? (this.#notUpgraded?.reason ?? null) : null,
    }
  }

  /** Of the front and of those before it that still run; null for one that is not known. */
  buildsInUse(): (string | null)[] {
    return this.#process.buildsInUse()
  }

  /** Makes sure that the front is of our build, also when that has failed before; a reason why not is in the snapshot. */
  async upgrade(): Promise<void> {
    const status = await this.link.status()
    if (!status || !this.#isOther(status)) return
    this.#upgrading ??= this.#replace(status).finally(() => {
      this.#upgrading = null
    })
    await this.#upgrading
    // What is being looked at may be older.
    await this.#looking
    await this.#look()
  }

  /** @throws OperatingError PORT_BUSY, or PLATFORM_FAILED when the front does not answer in time */
  async answers(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs
    while (!(await this.#look())) {
      await this.#refuseBusyPort()
      if (performance.now() > deadline) throw this.#doesNotAnswer(withinMs)
      await sleep(STARTING_TICK_MS)
    }
    await this.link.tell()
  }

  /** Ends the front, so that it starts again where it shall listen now. */
  async restart(): Promise<void> {
    await this.#process.end(() => this.link.stopFront(this.#options.tuning.ownGraceMs / 2))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#process.stop(() => this.link.stopFront(DOWN_MS))
    this.link.close()
  }

  #command(): string[] {
    const { environment, socket, folder, command, store } = this.#options
    const { host, port, boundPort, front } = store.environment(environment)
    const place = ['--environment', environment, '--host', host, '--port', String(boundPort ?? port)]
    const files = ['--socket', socket, '--state', join(folder, 'front.json')]
    return [...command, 'internal', 'front', ...place, ...files, ...settingsFlags(front)]
  }

  /** Often while it starts: until it is told otherwise, it sends to the replicas of before its restart. */
  async #keepLooking(): Promise<void> {
    const answers = await this.#look()
    const pauseMs = answers ? this.#options.tuning.frontTickMs : STARTING_TICK_MS
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#keepLooking(), pauseMs)
  }

  /** Looks whether it answers, and repeats what it was not told. */
  #look(): Promise<boolean> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  async #lookOnce(): Promise<boolean> {
    this.#status = await this.link.status()
    const { pid } = this.#process
    if (this.#silence.pid !== pid) this.#silence = { pid, since: performance.now(), hasAnswered: false }
    if (this.#status) this.#onStatus(this.#status)
    else this.#restartIfHung()
    return this.#status !== null
  }

  #onStatus(status: FrontStatus): void {
    const { listening } = status
    this.#silence = { pid: this.#process.pid, since: performance.now(), hasAnswered: true }
    const { environment, store } = this.#options
    try {
      if (store.environment(environment).boundPort !== listening.port) {
        store.change(environment, { boundPort: listening.port })
      }
    } catch (error) {
      this.#options.say(`the port of the front could not be noted: ${(error as Error).message}`)
    }
    void this.link.tell()
    if (this.#isOther(status) && this.#notUpgraded?.source !== status.source) void this.upgrade()
  }

  #isOther({ build, options }: FrontStatus): boolean {
    return build !== this.#options.build || options !== this.#wanted()
  }

  #wanted(): string {
    const { store, environment } = this.#options
    return optionsText(store.environment(environment).front ?? {})
  }

  /** Nothing here may become an outage: whatever fails, the front of another build is better than none. */
  async #replace({ build: before, source }: FrontStatus): Promise<void> {
    const { environment, build, say } = this.#options
    try {
      const options = this.#wanted()
      await this.#process.replace(({ folder, log, directory, command }) =>
        this.link.handOver({ build, options, folder, log, directory, command: [...command, '--take-over'] }),
      )
      const after = await this.link.status()
      await this.link.tell()
      if (after && this.#isOther(after)) {
        const reason = `what was started is ${after.build} with ${after.options}, not ${build} with ${options}`
        this.#notUpgraded = { source: after.source, reason }
      }
      say(`the front of ${environment} was replaced: ${before ?? 'an unknown build'} by ${after?.build ?? build}`)
    } catch (error) {
      this.#notUpgraded = { source, reason: (error as Error).message }
      say(`the front of ${environment} is still ${before ?? 'of an unknown build'}: ${(error as Error).message}`)
    }
  }

  #restartIfHung(): void {
    const { environment, tuning, say } = this.#options
    const { pid, since, hasAnswered } = this.#silence
    const silentMs = performance.now() - since
    if (this.#upgrading || pid === null || silentMs < (hasAnswered ? tuning.frontHungMs : tuning.frontStartsMs)) return
    say(`the front of ${environment} has not answered for ${Math.round(silentMs)} ms; it is started again`)
    this.#process.kill()
  }

  async #refuseBusyPort(): Promise<void> {
    const { environment, store } = this.#options
    const { host, port, boundPort } = store.environment(environment)
    const wanted = boundPort ?? port
    if (this.#process.pid === null && wanted !== 0 && !(await canListen(host, wanted))) {
      throw portBusy(environment, host, wanted)
    }
  }

  #doesNotAnswer(withinMs: number): OperatingError {
    return new OperatingError(
      'PLATFORM_FAILED',
      `The front of ${this.#options.environment} does not answer after ${withinMs} ms.`,
      `Its log says why: ${this.log}`,
    )
  }
}

function settingsFlags(front: FrontSettings | undefined): string[] {
  if (!front) return []
  const { processes, tls } = front
  return ['--processes', String(processes), ...(tls ? ['--cert', tls.cert, '--key', tls.key] : [])]
}
