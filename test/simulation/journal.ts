// The journal of the simulated world: the rules of the real ones, with faults, and every record is shown to the
// checks at the moment in which it becomes durable.
import type { Actor } from '../../src/domain/names.ts'
import { evolve } from '../../src/engine/evolve.ts'
import { type Command, type Decision, type JournalRecord, recordVersion } from '../../src/engine/record.ts'
import { type EnvironmentState, emptyState } from '../../src/engine/state.ts'
import { OperatingError } from '../../src/errors/catalogue.ts'
import type { Journal, Newest, PostedCommand } from '../../src/journal/journal.ts'
import { baseOf, firstBase, type Seal, sealOf } from '../../src/journal/seals.ts'
import { callFar, callNow, type Process } from './process.ts'
import type { Simulation } from './simulation.ts'

export interface Store {
  readonly records: JournalRecord[]
  readonly commands: PostedCommand[]
  readonly checkpoints: Map<string, unknown>
  readonly seals: Seal[]
  /** Fold of the records: what an operator would see. */
  state: EnvironmentState
  epoch: number
  /** An append was refused since the journal broke. */
  refused: boolean
}

export const emptyStore = (): Store => ({
  records: [],
  commands: [],
  checkpoints: new Map(),
  seals: [],
  state: emptyState,
  epoch: 0,
  refused: false,
})

const ENVIRONMENT = 'production'

function add(simulation: Simulation, epoch: number, release: string | null, decision: Decision): JournalRecord {
  const { store } = simulation
  const record: JournalRecord = {
    version: recordVersion(decision.body),
    seq: store.records.length + 1,
    at: simulation.wall(),
    epoch,
    environment: ENVIRONMENT,
    release,
    ...decision,
  }
  store.records.push(record)
  store.epoch = Math.max(store.epoch, epoch)
  simulation.checks.onRecord(record)
  store.state = evolve(store.state, record)
  return record
}

function refuseWhileBroken(simulation: Simulation): void {
  if (simulation.fault('journal-refuses')) throw new OperatingError('JOURNAL_FAILED', 'no space is left on the device')
}

/** The journal as one runner process reaches it. */
export function processJournal(simulation: Simulation, process: Process): Journal {
  const { store } = simulation
  const now = <T>(act: () => T) => callNow(simulation, process, act)
  return {
    ...operatorJournal(simulation),
    takeEpoch: (runner) =>
      now(() => {
        refuseWhileBroken(simulation)
        const epoch = Math.max(store.epoch, runner.above ?? 0) + 1
        add(simulation, epoch, null, {
          body: { kind: 'epochTaken', runner: runner.name, moodify: runner.moodify },
          reason: `${runner.name} took over`,
          actor: { kind: 'moodify', name: 'moodify' },
        })
        process.epoch = epoch
        return epoch
      }),
    append(decisions, expected) {
      const act = () => {
        if (simulation.fault('journal-refuses')) store.refused = true
        refuseWhileBroken(simulation)
        if (store.epoch > expected.epoch || store.records.length !== expected.seq) {
          throw new OperatingError('STALE_EPOCH', 'another runner writes this journal')
        }
        const records = decisions.map((decision) => add(simulation, expected.epoch, expected.release, decision))
        if (simulation.fault('journal-stores-but-fails')) throw new OperatingError('JOURNAL_FAILED', 'timed out')
        return records
      }
      const slow = simulation.fault('journal-slow')
      if (!slow) return now(act)
      return callFar(simulation, process, { thereMs: 1, backMs: slow.size % 8_000, act })
    },
    read: (after = 0) => now(() => store.records.slice(after)),
    newest: (notAfter) => now(() => newestOf(store, notAfter)),
    seal: (state) =>
      now(() => {
        refuseWhileBroken(simulation)
        store.seals.push(sealOf(state))
      }),
    commands: (after) => now(() => (store.commands.length > after ? store.commands.slice(after) : [])),
    saveCheckpoint: (key, value) =>
      now(() => {
        refuseWhileBroken(simulation)
        store.checkpoints.set(key, value)
      }),
    checkpoint: (key) => now(() => JSON.parse(JSON.stringify(store.checkpoints.get(key) ?? null))),
    saveSample: () => now(() => refuseWhileBroken(simulation)),
  }
}

/** The journal as a person at a terminal reaches it. */
export function operatorJournal(simulation: Simulation): Journal {
  const { store } = simulation
  const never = () => Promise.reject(new Error('only a runner does this'))
  return {
    takeEpoch: never,
    append: never,
    read: async (after = 0) => store.records.slice(after),
    newest: async (notAfter) => newestOf(store, notAfter),
    seal: never,
    async post(command: Command, actor: Actor) {
      store.commands.push({ id: store.commands.length + 1, at: simulation.wall(), actor, command })
      simulation.note(() => `${actor.name} types: ${inWords(command)}`)
      return store.commands.length
    },
    withdraw: never,
    commands: async (after) => store.commands.slice(after),
    saveCheckpoint: never,
    checkpoint: async () => null,
    saveSample: never,
    samples: async () => [],
    close() {},
  }
}

function newestOf({ records, seals }: Store, notAfter = Number.POSITIVE_INFINITY): Newest {
  const started = records.findLast(({ body }) => body.kind === 'releaseStarted')?.seq ?? 0
  const seal = seals.findLast(({ seq }) => seq <= notAfter && seq < started)
  const base = (seal && baseOf(seal)) ?? firstBase
  return { base, records: records.slice(base.seq) }
}

function inWords(command: Command): string {
  const { plan, ...rest } = { plan: null, ...command }
  const words = Object.entries(rest).map(([name, value]) => (name === 'verb' ? String(value) : `${name}=${value}`))
  return plan ? `${words.join(' ')} ${plan.version} by ${plan.strategy}` : words.join(' ')
}
