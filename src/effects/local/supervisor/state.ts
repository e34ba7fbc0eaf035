import { join } from 'node:path'
import { OperatingError } from '../../../errors/catalogue.ts'
import { readJson, writeDurably } from '../durable.ts'
import type { FrontSettings, FrontTable, RunSpec } from '../protocol.ts'

// What the supervisor was asked for, on disk before it answers. A supervisor that starts after a crash, a reboot
// or `down` makes the machine what this says.

export interface SlotState {
  readonly service: string
  readonly slot: string
  /** Null: the slot was retired. */
  readonly run: RunSpec | null
  readonly replicas: number
  /** Of a roll in place; null after an apply. */
  readonly minReadyMs: number | null
}

export interface EnvironmentState {
  readonly host: string
  /** As configured; 0 is any. */
  readonly port: number
  /** That the front got, which it gets again. */
  readonly boundPort: number | null
  readonly table: FrontTable
  /** Left out by earlier builds: one process, plain HTTP. */
  readonly front?: FrontSettings
  /** Highest that was seen. */
  readonly epoch: number
  readonly runnerWanted: boolean
  readonly slots: readonly SlotState[]
}

interface State {
  readonly format: 1
  readonly environments: Readonly<Record<string, EnvironmentState>>
  readonly metricsPort?: number | null
}

export class StateStore {
  readonly #file: string
  #state: State

  constructor(folder: string) {
    this.#file = join(folder, 'supervisor.json')
    this.#state = readJson<State>(this.#file) ?? { format: 1, environments: {} }
  }

  get environments(): Readonly<Record<string, EnvironmentState>> {
    return this.#state.environments
  }

  /** @throws OperatingError UNKNOWN_ENVIRONMENT */
  environment(name: string): EnvironmentState {
    const known = this.#state.environments[name]
    if (known) return known
    throw new OperatingError(
      'UNKNOWN_ENVIRONMENT',
      `The embedded platform does not know the environment ${name}.`,
      'Tell it about moodify.yaml with: moodify up',
    )
  }

  /** Null: metrics are served on no port. */
  get metricsPort(): number | null {
    return this.#state.metricsPort ?? null
  }

  setMetricsPort(metricsPort: number | null): void {
    this.#write({ ...this.#state, metricsPort })
  }

  setEnvironments(environments: Readonly<Record<string, EnvironmentState>>): void {
    this.#write({ ...this.#state, environments })
  }

  /** @throws OperatingError PLATFORM_FAILED when it cannot be saved: then nothing has changed */
  #write(next: State): void {
    try {
      writeDurably(this.#file, JSON.stringify(next))
    } catch (error) {
      const { message } = error as Error
      throw new OperatingError(
        'PLATFORM_FAILED',
        `The state of the platform cannot be saved: ${message}.`,
        'moodify doctor',
      )
    }
    this.#state = next
  }

  change(name: string, change: Partial<EnvironmentState>): void {
    const changed = { ...this.environment(name), ...change }
    this.setEnvironments({ ...this.#state.environments, [name]: changed })
  }

  slot(environment: string, service: string, slot: string): SlotState {
    const known = this.environment(environment).slots.find((one) => one.service === service && one.slot === slot)
    return known ?? { service, slot, run: null, replicas: 0, minReadyMs: null }
  }

  setSlot(environment: string, wanted: SlotState): void {
    const others = this.environment(environment).slots.filter(
      (one) => one.service !== wanted.service || one.slot !== wanted.slot,
    )
    this.change(environment, { slots: [...others, wanted] })
  }

  /** @throws OperatingError STALE_EPOCH when a higher one was seen */
  takeEpoch(environment: string, epoch: number): void {
    const known = this.environment(environment).epoch
    if (epoch < known) {
      throw new OperatingError(
        'STALE_EPOCH',
        `A runner of epoch ${known} has taken ${environment} over; this write is of epoch ${epoch}.`,
        'See what goes on with: moodify status',
      )
    }
    if (epoch > known) this.change(environment, { epoch })
  }
}
