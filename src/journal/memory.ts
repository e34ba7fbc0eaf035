// The journal for tests and for trying a plan out: the same rules, nothing durable.
import { type JournalRecord, recordVersion } from '../engine/record.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { Journal, PostedCommand, Sample } from './journal.ts'
import { baseOf, firstBase, KEEP_RELEASES, prunableTo, type Seal, sealOf } from './seals.ts'

export function memoryJournal(
  environment: string,
  wall: () => string,
  { keepReleases = KEEP_RELEASES }: { readonly keepReleases?: number } = {},
): Journal {
  const records: JournalRecord[] = []
  let seals: readonly Seal[] = []
  let prunedTo = 0
  let commands: PostedCommand[] = []
  let posted = 0
  const checkpoints = new Map<string, string>()
  let samples: Sample[] = []
  const highestEpoch = () => records.at(-1)?.epoch ?? 0
  const lastSeq = () => prunedTo + records.length
  const recordsAfter = (seq: number) => records.slice(Math.max(0, seq - prunedTo))
  const startsAfter = (seq: number) => recordsAfter(seq).some(({ body }) => body.kind === 'releaseStarted')

  function prune(upTo: number): void {
    const gone = records.splice(0, upTo - prunedTo)
    const releases = gone.flatMap(({ body }) => (body.kind === 'releaseStarted' ? [body.release] : []))
    samples = samples.filter(({ release }) => !releases.includes(release))
    seals = seals.filter(({ seq }) => seq >= upTo)
    prunedTo = upTo
  }

  /** All of them or, when one cannot be stored, none. */
  function add(added: readonly Omit<JournalRecord, 'version' | 'seq' | 'at' | 'environment'>[]): JournalRecord[] {
    const made = added.map((record, index) =>
      structuredClone({
        version: recordVersion(record.body),
        seq: lastSeq() + 1 + index,
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
      const epoch = Math.max(highestEpoch(), runner.above ?? 0) + 1
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
      if (highestEpoch() > expected.epoch || lastSeq() !== expected.seq) {
        throw new OperatingError('STALE_EPOCH', 'another runner writes this journal')
      }
      const { epoch, release } = expected
      return add(decisions.map((decision) => ({ ...decision, epoch, release })))
    },
    async newest(notAfter = Number.POSITIVE_INFINITY) {
      const seal =
        seals.findLast(({ seq }) => seq <= notAfter && startsAfter(seq)) ?? seals.find(({ seq }) => seq === prunedTo)
      const base = (seal && baseOf(seal)) ?? firstBase
      return { base, records: recordsAfter(base.seq) }
    },
    async seal(state) {
      seals = [...seals.filter(({ seq }) => seq !== state.seq), sealOf(state)]
      const upTo = prunableTo(seals, state, keepReleases)
      if (upTo <= prunedTo) return
      prune(upTo)
      commands = commands.filter(({ id }) => id > state.lastCommandId)
    },
    async read(after = 0) {
      return recordsAfter(after)
    },
    async post(command, actor) {
      posted++
      commands.push(structuredClone({ id: posted, at: wall(), actor, command }))
      return posted
    },
    async withdraw(id) {
      commands = commands.filter((posted) => posted.id !== id)
    },
    async commands(after) {
      return commands.filter(({ id }) => id > after)
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
