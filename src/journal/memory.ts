// The journal for tests and for trying a plan out: the same rules, nothing durable.
import { type JournalRecord, recordVersion } from '../engine/record.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { Journal, PostedCommand, Sample } from './journal.ts'

export function memoryJournal(environment: string, wall: () => string): Journal {
  const records: JournalRecord[] = []
  const commands: PostedCommand[] = []
  const checkpoints = new Map<string, string>()
  const samples: Sample[] = []
  const highestEpoch = () => records.reduce((highest, record) => Math.max(highest, record.epoch), 0)

  /** All of them or, when one cannot be stored, none. */
  function add(added: readonly Omit<JournalRecord, 'version' | 'seq' | 'at' | 'environment'>[]): JournalRecord[] {
    const made = added.map((record, index) =>
      structuredClone({
        version: recordVersion(record.body),
        seq: records.length + 1 + index,
        at: wall(),
        environment,
        ...record,
      }),
    )
    records.push(...made)
    return made
  }

  return {
    async takeEpoch(runner) {
      const epoch = highestEpoch() + 1
      add([
        {
          epoch,
          release: null,
          body: { kind: 'epochTaken', runner: runner.name, moodify: runner.moodify },
          reason: `${runner.name} took over`,
          actor: { kind: 'moodify', name: 'moodify' },
        },
      ])
      return epoch
    },
    async append(decisions, expected) {
      if (highestEpoch() > expected.epoch || records.length !== expected.seq) {
        throw new OperatingError('STALE_EPOCH', 'another runner writes this journal')
      }
      const { epoch, release } = expected
      return add(decisions.map((decision) => ({ ...decision, epoch, release })))
    },
    async read(after = 0) {
      return records.slice(after)
    },
    async post(command, actor) {
      commands.push(structuredClone({ id: commands.length + 1, at: wall(), actor, command }))
      return commands.length
    },
    async commands(after) {
      return commands.slice(after)
    },
    async saveCheckpoint(key, value) {
      checkpoints.set(key, JSON.stringify(value))
    },
    async checkpoint(key) {
      return JSON.parse(checkpoints.get(key) ?? 'null')
    },
    async saveSample(sample) {
      samples.push(sample)
    },
    async samples(release) {
      return samples.filter((sample) => sample.release === release)
    },
    close() {},
  }
}
