import { OperatingError } from '../../../errors/catalogue.ts'
import { PROTOCOL_VERSION, type SupervisorEnvironments, type SupervisorSnapshot } from '../protocol.ts'
import { plainText, type Routes } from '../socket-server.ts'
import { Environment, type Shared } from './environment.ts'
import { pruneNodes, pruneRuntime, supervisorLog } from './launch.ts'
import { metricsPage } from './metrics.ts'
import { MetricsServer } from './metrics-server.ts'
import { canListen, portBusy } from './ports.ts'
import { bodyOf } from './requests.ts'
import type { EnvironmentState } from './state.ts'
import { enforceMemoryLimits, rotateLog } from './upkeep.ts'

const FRONT_STARTS_MS = 15_000

type WantedEnvironment = SupervisorEnvironments['environments'][number]

/** All environments of one folder, and what may be asked of them. Requests only record what is desired. */
export class Supervisor {
  readonly #shared: Shared
  readonly #version: string
  readonly #environments = new Map<string, Environment>()
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #metricsServer = new MetricsServer(() => this.#metrics())
  readonly #downDone = Promise.withResolvers<void>()
  #settingUp: Promise<void> = Promise.resolve()
  #goingDown: Promise<void> | null = null

  constructor(shared: Shared, version: string) {
    this.#shared = shared
    this.#version = version
    for (const name of Object.keys(shared.store.environments))
      this.#environments.set(name, new Environment(name, shared))
    const { tuning } = shared
    this.#timers = [
      setInterval(() => {
        for (const { replicas } of this.#all()) enforceMemoryLimits(replicas)
      }, tuning.memoryTickMs),
      setInterval(() => this.#rotateLogs(), tuning.logTickMs),
    ]
    // Until the one before has let go of the port; `up` says it when it stays busy.
    this.#metricsServer.listen(shared.store.metricsPort).catch((error: Error) => shared.say(error.message))
  }

  /** Resolves when everything has been ended by a request. */
  get isDown(): Promise<void> {
    return this.#downDone.promise
  }

  readonly routes: Routes = {
    'GET /snapshot': () => this.#snapshot(),
    'GET /alive': () => undefined,
    'GET /metrics': async () => plainText(await this.#metrics()),
    'PUT /environments': (body) =>
      this.#write(async () => {
        const { environments, metricsPort = null } = bodyOf('environments', body)
        await this.#serveMetrics(metricsPort)
        await this.#setEnvironments(environments)
      }),
    'PUT /apply': (body) =>
      this.#write(() => {
        const { environment, service, slot, epoch, run, replicas } = bodyOf('apply', body)
        this.#shared.store.takeEpoch(environment, epoch)
        this.#environment(environment).setSlot({ service, slot, run, replicas, minReadyMs: null })
      }),
    'PUT /roll': (body) =>
      this.#write(() => {
        const { environment, service, slot, epoch, run, minReadyMs, replicas } = bodyOf('roll', body)
        this.#shared.store.takeEpoch(environment, epoch)
        const known = this.#shared.store.slot(environment, service, slot)
        this.#environment(environment).setSlot({ ...known, run, replicas: replicas ?? known.replicas, minReadyMs })
      }),
    'PUT /floor': (body) =>
      this.#write(() => {
        const { environment, service, slot, epoch, replicas } = bodyOf('floor', body)
        this.#shared.store.takeEpoch(environment, epoch)
        const known = this.#shared.store.slot(environment, service, slot)
        if (!known.run || known.replicas >= replicas) return
        this.#environment(environment).setSlot({ ...known, replicas })
      }),
    'PUT /retire': (body) =>
      this.#write(() => {
        const { environment, service, slot, epoch } = bodyOf('retire', body)
        this.#shared.store.takeEpoch(environment, epoch)
        this.#environment(environment).setSlot({ service, slot, run: null, replicas: 0, minReadyMs: null })
      }),
    'PUT /epoch': (body) =>
      this.#write(() => {
        const { environment, epoch } = bodyOf('epoch', body)
        this.#shared.store.takeEpoch(environment, epoch)
      }),
    'PUT /runner': (body) => {
      const { environment, replace } = bodyOf('runner', body)
      return this.#write(() => this.#environment(environment).runner.want({ replace }))
    },
    'POST /down': () => this.#down(),
  }

  #all(): Environment[] {
    return [...this.#environments.values()]
  }

  #environment(name: string): Environment {
    this.#shared.store.environment(name)
    return this.#environments.get(name)!
  }

  #write<T>(write: () => T): T {
    if (!this.#goingDown) return write()
    throw new OperatingError('PLATFORM_DOWN', 'The embedded platform is going down.', 'Start it again with: moodify up')
  }

  #snapshot(): SupervisorSnapshot {
    const environments = [...this.#environments].map(([name, environment]) => [name, environment.snapshot()])
    return {
      protocol: PROTOCOL_VERSION,
      version: this.#version,
      build: this.#shared.build,
      pid: process.pid,
      directories: this.#all().flatMap((environment) => environment.directories),
      environments: Object.fromEntries(environments),
    }
  }

  async #metrics(): Promise<string> {
    return metricsPage(this.#version, await Promise.all(this.#all().map((environment) => environment.metrics())))
  }

  /** @throws OperatingError PORT_BUSY */
  async #serveMetrics(port: number | null): Promise<void> {
    await this.#metricsServer.listen(port).catch(() => {
      throw new OperatingError(
        'PORT_BUSY',
        `The metrics cannot be served on 127.0.0.1:${port}: another program listens there.`,
        'End that program, or change "metrics" in moodify.yaml, and run: moodify up',
      )
    })
    if (port !== this.#shared.store.metricsPort) this.#shared.store.setMetricsPort(port)
  }

  /** One at a time, because a front that moves has to stop first. */
  #setEnvironments(wanted: readonly WantedEnvironment[]): Promise<void> {
    const done = this.#settingUp.then(() => this.#setUp(wanted))
    this.#settingUp = done.catch(() => {})
    return done
  }

  async #setUp(wanted: readonly WantedEnvironment[]): Promise<void> {
    const { store } = this.#shared
    const moved = wanted.filter((one) => hasMoved(one, store.environments[one.name]))
    for (const { name, host, port } of moved)
      if (port !== 0 && !(await canListen(host, port))) throw portBusy(name, host, port)
    await this.#dropUnused(new Set(wanted.map(({ name }) => name)))
    const changed = wanted.map((one) => [one.name, nextState(one, store.environments[one.name])] as const)
    store.setEnvironments({ ...store.environments, ...Object.fromEntries(changed) })
    for (const { name } of moved) await this.#environments.get(name)?.front.restart()
    for (const { name, table } of wanted) {
      const known = this.#environments.get(name)
      if (known) known.front.link.setTable(table)
      else this.#environments.set(name, new Environment(name, this.#shared))
    }
    const fronts = wanted.map(({ name }) => this.#environments.get(name)!.front)
    await Promise.all(fronts.map((front) => front.answers(FRONT_STARTS_MS)))
    await Promise.all(fronts.map((front) => front.upgrade()))
    this.#pruneRuntime()
  }

  /** Old bundles, as long as it is known of everything that runs which one it needs. */
  #pruneRuntime(): void {
    const { paths, build } = this.#shared
    const used = this.#all().flatMap(({ front, runner }) => [...front.buildsInUse(), ...runner.buildsInUse()])
    if (used.includes(null)) return
    pruneRuntime(paths, new Set([build, ...used]))
    // Whatever runs here is of this build, started with the Node that was noted with it.
    if (used.every((one) => one === build)) pruneNodes(paths)
  }

  /** What is no longer in moodify.yaml ends, unless it serves: a name changed by mistake must not be an outage. */
  async #dropUnused(wanted: ReadonlySet<string>): Promise<void> {
    const { store, say } = this.#shared
    for (const [name, { slots }] of Object.entries(store.environments)) {
      if (wanted.has(name)) continue
      if (slots.some(({ run }) => run !== null)) {
        say(`${name}: not in moodify.yaml any more, but it still serves; it ends with: moodify down`)
        continue
      }
      await this.#environments.get(name)?.down()
      this.#environments.delete(name)
      store.setEnvironments(Object.fromEntries(Object.entries(store.environments).filter(([other]) => other !== name)))
    }
  }

  #down(): Promise<void> {
    this.#goingDown ??= this.#endAll()
    return this.#goingDown
  }

  async #endAll(): Promise<void> {
    this.#shared.say('everything is ended, as asked')
    for (const timer of this.#timers) clearInterval(timer)
    this.#metricsServer.close()
    await this.#settingUp
    await Promise.all(this.#all().map((environment) => environment.down()))
    this.#downDone.resolve()
  }

  #rotateLogs(): void {
    const { paths, tuning } = this.#shared
    const kept = this.#all().flatMap(({ front, runner, replicas }) => [front, runner, ...replicas])
    for (const log of [supervisorLog(paths), ...kept.map((one) => one.log)]) rotateLog(log, tuning)
  }
}

function hasMoved(wanted: WantedEnvironment, known: EnvironmentState | undefined): boolean {
  return !known || known.host !== wanted.host || known.port !== wanted.port
}

function nextState(wanted: WantedEnvironment, known: EnvironmentState | undefined): EnvironmentState {
  const { host, port, table, front } = wanted
  const boundPort = hasMoved(wanted, known) ? null : known!.boundPort
  return { epoch: 0, runnerWanted: false, slots: [], ...known, host, port, boundPort, table, ...(front && { front }) }
}
