import { dirname, join } from 'node:path'
import { RUNNER_METRICS_FILE, type StatePaths } from '../paths.ts'
import type { FrontSupervisor, RunSpec, SupervisorSlot, SupervisorSnapshot } from '../protocol.ts'
import { FrontKeeper } from './front-keeper.ts'
import { supervisorCommand, supervisorLog, supervisorPidFile } from './launch.ts'
import type { EnvironmentMetrics } from './metrics.ts'
import type { PortRange } from './ports.ts'
import type { Replica, ReplicaContext } from './replica.ts'
import { loadRecords, type ReplicaRecord } from './replica-record.ts'
import { RunnerKeeper } from './runner-keeper.ts'
import { keepSecrets, pruneSecrets } from './secrets.ts'
import { Slot } from './slot.ts'
import type { SlotState, StateStore } from './state.ts'
import type { Tuning } from './tuning.ts'

export interface Shared {
  readonly paths: StatePaths
  readonly root: string
  readonly command: readonly string[]
  /** Version and hash of this program. */
  readonly build: string
  readonly store: StateStore
  readonly ports: PortRange
  readonly tuning: Tuning
  say(line: string): void
}

const SECRETS_KEEP = 20

/** All that runs for one environment: its front, its runner, its slots. */
export class Environment {
  readonly front: FrontKeeper
  readonly runner: RunnerKeeper
  readonly #name: string
  readonly #shared: Shared
  readonly #context: ReplicaContext
  readonly #slots = new Map<string, Slot>()

  constructor(name: string, shared: Shared) {
    const { paths, root, command, build, store, ports, tuning } = shared
    const folder = join(paths.state, 'environments', name)
    const say = (line: string) => shared.say(`${name}: ${line}`)
    this.#name = name
    this.#shared = shared
    const kept = { environment: name, folder, command, build, store, tuning, say }
    this.front = new FrontKeeper({ ...kept, socket: paths.frontSocket(name), supervisor: howToStart(shared) })
    this.runner = new RunnerKeeper({ ...kept, root })
    this.#context = {
      folder: join(folder, 'replicas'),
      secretsFolder: join(folder, 'revisions'),
      tuning,
      ports,
      front: this.front.link,
      unsafeNoDrain: process.env['MOODIFY_UNSAFE_NO_DRAIN'] === '1',
      say,
    }
    this.#loadSlots()
  }

  get replicas(): readonly Replica[] {
    return [...this.#slots.values()].flatMap((slot) => slot.replicas)
  }

  /** Folders in which replicas run or shall run. */
  get directories(): string[] {
    return this.#runs().map(({ directory }) => directory)
  }

  /** Records what a slot is to run; the slot follows. */
  setSlot(wanted: SlotState): void {
    const { store } = this.#shared
    if (wanted.run) keepSecrets(this.#context.secretsFolder, wanted.run)
    store.setSlot(this.#name, wanted)
    const slot = this.#slots.get(slotKey(wanted)) ?? this.#addSlot(wanted, [])
    slot.wake()
    if (!wanted.run) this.#forgetSecrets()
  }

  snapshot(): SupervisorSnapshot['environments'][string] {
    const { epoch, slots } = this.#shared.store.environment(this.#name)
    const services: Record<string, { slots: Record<string, SupervisorSlot> }> = {}
    for (const { service, slot } of slots) {
      services[service] ??= { slots: {} }
      services[service].slots[slot] = this.#slots.get(slotKey({ service, slot }))!.snapshot()
    }
    return { epoch, front: this.front.snapshot(), runner: this.runner.snapshot(), services }
  }

  async metrics(): Promise<EnvironmentMetrics> {
    const { paths } = this.#shared
    const runnerFile = join(dirname(paths.journal(this.#name)), RUNNER_METRICS_FILE)
    const front = await this.front.link.metrics()
    return { environment: this.#name, seen: this.snapshot(), runnerFile, front }
  }

  /** Ends everything, the front last. What the slots are to run stays recorded. */
  async down(): Promise<void> {
    await this.runner.stop()
    await Promise.all([...this.#slots.values()].map((slot) => slot.down()))
    await this.front.stop()
  }

  #loadSlots(): void {
    const records = loadRecords(this.#context.folder).filter((record) => !record.ended)
    for (const state of this.#shared.store.environment(this.#name).slots) {
      this.#addSlot(
        state,
        records.filter((record) => slotKey(record) === slotKey(state)),
      )
    }
  }

  #addSlot(state: SlotState, records: readonly ReplicaRecord[]): Slot {
    const { service, slot } = state
    const desired = () => this.#shared.store.slot(this.#name, service, slot)
    const added = new Slot(state, desired, this.#context, records)
    this.#slots.set(slotKey(state), added)
    return added
  }

  #forgetSecrets(): void {
    const used = this.#runs().map(({ revision }) => revision)
    pruneSecrets(this.#context.secretsFolder, new Set(used), SECRETS_KEEP)
  }

  /** Of all replicas there are and are to be. */
  #runs(): RunSpec[] {
    const desired = this.#shared.store.environment(this.#name).slots.flatMap(({ run }) => run ?? [])
    return [...desired, ...this.replicas.map(({ record }) => record.run)]
  }
}

function howToStart({ paths, root, command, tuning }: Shared): FrontSupervisor | null {
  if (tuning.supervisorWatchMs === null) return null
  return {
    socket: paths.supervisorSocket,
    identityFile: supervisorPidFile(paths),
    command: supervisorCommand(command, root),
    directory: paths.state,
    log: supervisorLog(paths),
    everyMs: tuning.supervisorWatchMs,
    hungMs: tuning.supervisorHungMs,
  }
}

const slotKey = ({ service, slot }: { service: string; slot: string }): string => `${service}/${slot}`
