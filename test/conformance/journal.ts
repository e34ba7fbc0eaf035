// What every journal does, whoever stores it.
import { describe, expect, test } from 'vitest'
import type { Actor } from '../../src/domain/names.ts'
import { fold } from '../../src/engine/evolve.ts'
import type { Decision } from '../../src/engine/record.ts'
import { emptyState } from '../../src/engine/state.ts'
import type { Journal, Sample } from '../../src/journal/journal.ts'
import { ship, shipMany, start, stateIn, takeOver } from '../support/small-releases.ts'
import { type MakeSubject, skipWithout } from './subject.ts'

export interface JournalSubject extends AsyncDisposable {
  readonly journal: Journal
  /** Another runner on the same journal. Both keep `KEPT` releases. */
  readonly other: Journal
  /** What only a journal on a disk can show; else the reason why it is not tested. */
  readonly stored: Stored | string
}

export interface Stored {
  /** Opens it anew, after everything that had it open has ended. */
  reopen(): Journal | Promise<Journal>
  /** Makes the last record one that a moodify of the future wrote. */
  markNewer(): void | Promise<void>
  /** Permissions of its files and folders by name. Left out where files have no part in it. */
  modes?(): Readonly<Record<string, number>>
}

/** Releases that a journal of this suite keeps. */
export const KEPT = 3

const runner = { name: 'pid 1 on here', moodify: '0.1.0' }
const ana: Actor = { kind: 'person', name: 'ana' }

function decision(reason: string): Decision {
  return { body: { kind: 'paused' }, reason, actor: ana }
}

function sample(change: Partial<Sample> = {}): Sample {
  const counts = { requests: 10, failures: 1, latency: [9, 1] }
  return { release: 'r-1', service: 'backend', step: 's', atMs: 5, candidate: counts, control: counts, ...change }
}

/** Takes over and appends these reasons, each by itself. */
async function written(journal: Journal, ...reasons: string[]): Promise<{ epoch: number; seq: number }> {
  const epoch = await journal.takeEpoch(runner)
  let { seq } = (await journal.read()).at(-1)!
  for (const reason of reasons) {
    await journal.append([decision(reason)], { epoch, seq, release: 'r-1' })
    seq++
  }
  return { epoch, seq }
}

const reasonsOf = async (journal: Journal, after?: number) => (await journal.read(after)).map((record) => record.reason)

export function describeJournal(name: string, makeSubject: MakeSubject<JournalSubject>): void {
  describe(`journal, ${name}`, () => {
    test('a new one is empty', async () => {
      await using subject = await makeSubject()
      expect(await subject.journal.read()).toEqual([])
      expect(await subject.journal.commands(0)).toEqual([])
      expect(await subject.journal.samples('r-1')).toEqual([])
      expect(await subject.journal.checkpoint('none')).toBe(null)
    })

    test('each take-over has the next epoch and says who took over', async () => {
      await using subject = await makeSubject()
      expect(await subject.journal.takeEpoch(runner)).toBe(1)
      expect(await subject.other.takeEpoch({ ...runner, name: 'pid 2 on there' })).toBe(2)
      const records = await subject.journal.read()
      expect(records.map(({ seq, epoch, body }) => ({ seq, epoch, body }))).toEqual([
        { seq: 1, epoch: 1, body: { kind: 'epochTaken', runner: 'pid 1 on here', moodify: '0.1.0' } },
        { seq: 2, epoch: 2, body: { kind: 'epochTaken', runner: 'pid 2 on there', moodify: '0.1.0' } },
      ])
    })

    test('what an append returns is what is read, in order and without a gap', async () => {
      await using subject = await makeSubject()
      const { journal } = subject
      const epoch = await journal.takeEpoch(runner)
      const added = await journal.append([decision('one'), decision('two')], { epoch, seq: 1, release: 'r-1' })
      expect(await journal.read(1)).toEqual(added)
      expect(await subject.other.read(1)).toEqual(added)
      expect(added).toMatchObject([
        { seq: 2, epoch: 1, version: 1, environment: 'production', release: 'r-1', reason: 'one', actor: ana },
        { seq: 3, epoch: 1, version: 1, environment: 'production', release: 'r-1', reason: 'two', actor: ana },
      ])
      expect(added[0]!.at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      expect(await reasonsOf(journal, 2)).toEqual(['two'])
      expect(await reasonsOf(journal, 3)).toEqual([])
    })

    test('an append is all or nothing', async () => {
      await using subject = await makeSubject()
      const { journal } = subject
      const { epoch, seq } = await written(journal)
      const cannotBeStored = {
        ...decision('bad'),
        body: {
          kind: 'paused' as const,
          toJSON() {
            throw new Error('this cannot be stored')
          },
        },
      }
      const append = journal.append([decision('good'), cannotBeStored], { epoch, seq, release: null })
      await expect(append).rejects.toThrow()
      expect(await journal.read(seq)).toEqual([])
      await journal.append([decision('next')], { epoch, seq, release: null })
      expect(await reasonsOf(journal, seq)).toEqual(['next'])
    })

    test('an append after a record that the writer has not seen is refused and changes nothing', async () => {
      await using subject = await makeSubject()
      const { journal } = subject
      const { epoch, seq } = await written(journal, 'one')
      for (const wrong of [seq - 1, seq + 1]) {
        const append = journal.append([decision('two')], { epoch, seq: wrong, release: null })
        await expect(append).rejects.toMatchObject({ code: 'STALE_EPOCH' })
      }
      expect(await reasonsOf(journal, seq - 1)).toEqual(['one'])
    })

    test('whoever has been taken over from cannot append any more', async () => {
      await using subject = await makeSubject()
      const old = await written(subject.journal, 'one')
      const epoch = await subject.other.takeEpoch(runner)
      for (const seq of [old.seq, old.seq + 1]) {
        const append = subject.journal.append([decision('late')], { epoch: old.epoch, seq, release: null })
        await expect(append).rejects.toMatchObject({ code: 'STALE_EPOCH' })
      }
      await subject.other.append([decision('new')], { epoch, seq: old.seq + 1, release: null })
      expect(await reasonsOf(subject.journal, old.seq + 1)).toEqual(['new'])
    })

    test('of two appends after the same record one is taken', async () => {
      await using subject = await makeSubject()
      const { epoch, seq } = await written(subject.journal)
      const both = await Promise.allSettled(
        [subject.journal, subject.other].map((journal, index) =>
          journal.append([decision(`writer ${index}`)], { epoch, seq, release: null }),
        ),
      )
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      expect(await subject.journal.read(seq)).toHaveLength(1)
    })

    test('commands are read in the order in which they were left, by whoever left them', async () => {
      await using subject = await makeSubject()
      const { journal } = subject
      const first = await journal.post({ verb: 'pause' }, ana)
      const second = await subject.other.post(
        { verb: 'resolve', hook: 'before', as: 'done' },
        { kind: 'pipeline', name: 'ci' },
      )
      expect(second).toBeGreaterThan(first)
      expect(await journal.commands(0)).toMatchObject([
        { id: first, actor: ana, command: { verb: 'pause' } },
        {
          id: second,
          actor: { kind: 'pipeline', name: 'ci' },
          command: { verb: 'resolve', hook: 'before', as: 'done' },
        },
      ])
      expect((await journal.commands(first)).map(({ id }) => id)).toEqual([second])
      expect(await journal.commands(second)).toEqual([])
    })

    test('a command that nobody has taken can be withdrawn, and its number is not given again', async () => {
      await using subject = await makeSubject()
      const { journal } = subject
      const kept = await journal.post({ verb: 'pause' }, ana)
      const withdrawn = await journal.post({ verb: 'abort' }, ana)
      await journal.withdraw(withdrawn)
      await journal.withdraw(withdrawn)
      expect((await journal.commands(0)).map(({ id }) => id)).toEqual([kept])
      expect(await journal.post({ verb: 'promote' }, ana)).toBeGreaterThan(withdrawn)
    })

    test('commands are taken while somebody else writes records', async () => {
      await using subject = await makeSubject()
      const { epoch, seq } = await written(subject.journal)
      await subject.other.post({ verb: 'abort' }, ana)
      await subject.journal.append([decision('one')], { epoch, seq, release: null })
      expect(await subject.journal.commands(0)).toHaveLength(1)
    })

    test('a checkpoint comes back as it was saved, the last one of its key', async () => {
      await using subject = await makeSubject()
      const { journal } = subject
      const value = { key: 'r-1/x', nested: { list: [1, 2.5, null], text: 'ä "quoted"' } }
      await journal.saveCheckpoint('judge/backend', { key: 'older' })
      await journal.saveCheckpoint('judge/backend', value)
      await journal.saveCheckpoint('watch', { key: 'other' })
      expect(await subject.other.checkpoint('judge/backend')).toEqual(value)
      expect(await journal.checkpoint('watch')).toEqual({ key: 'other' })
    })

    test('a checkpoint that is changed after it was saved is not changed in the journal', async () => {
      await using subject = await makeSubject()
      const value = { count: 1 }
      await subject.journal.saveCheckpoint('watch', value)
      value.count = 2
      expect(await subject.journal.checkpoint('watch')).toEqual({ count: 1 })
    })

    test('samples come back in order, those of one release', async () => {
      await using subject = await makeSubject()
      const { journal } = subject
      const mine = [sample(), sample({ atMs: 6, control: null })]
      await journal.saveSample(mine[0]!)
      await journal.saveSample(sample({ release: 'r-2' }))
      await journal.saveSample(mine[1]!)
      expect(await subject.other.samples('r-1')).toEqual(mine)
    })

    test('the present is read from before the newest release, and is the same', async () => {
      await using subject = await makeSubject()
      const { journal, other } = subject
      expect(await journal.newest()).toEqual({ base: { seq: 0, state: emptyState }, records: [] })
      const first = await ship(journal, await takeOver(journal))
      expect(await stateIn(other)).toEqual(first.state)
      const second = await ship(journal, first)
      const running = await start(journal, second)
      for (const writer of [second, running]) {
        const { base, records } = await other.newest(writer.state.seq)
        expect(fold(records, base.state)).toEqual(running.state)
        expect(base.state.release).toBe(null)
      }
      const { records } = await other.newest()
      const started = records.flatMap(({ body }) => (body.kind === 'releaseStarted' ? [body.release] : []))
      expect(started.at(-1)).toBe('r-3')
      expect(await journal.read()).toHaveLength(running.state.seq)
    })

    test('releases beyond those that are kept are forgotten, what is now is not', async () => {
      await using subject = await makeSubject()
      const { journal, other } = subject
      const last = await shipMany(journal, await takeOver(journal), 3 * KEPT)
      expect(await stateIn(other)).toEqual(last.state)
      const records = await other.read()
      const started = records.flatMap(({ body }) => (body.kind === 'releaseStarted' ? [body.release] : []))
      expect(started.slice(-KEPT)).toEqual(['r-7', 'r-8', 'r-9'])
      expect(started).not.toContain('r-1')
      expect(records.at(-1)!.seq).toBe(last.state.seq)
      expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => records[0]!.seq + index))
      expect(await other.samples('r-9')).toHaveLength(1)
      expect(await other.samples('r-1')).toEqual([])
      const next = await ship(journal, last)
      expect(next.state.seq).toBeGreaterThan(last.state.seq)
      expect(await stateIn(other)).toEqual(next.state)
    })

    test('a command that is left after old ones were forgotten is newer than they were', async () => {
      await using subject = await makeSubject()
      const { journal, other } = subject
      const last = await shipMany(journal, await takeOver(journal), 2 * KEPT)
      const id = await other.post({ verb: 'abort' }, ana)
      expect(id).toBeGreaterThan(last.state.lastCommandId)
      expect(await journal.commands(last.state.lastCommandId)).toMatchObject([{ id, command: { verb: 'abort' } }])
    })

    test('a seal that is made twice is made once', async () => {
      await using subject = await makeSubject()
      const { journal } = subject
      const last = await ship(journal, await takeOver(journal))
      await journal.seal(last.state)
      await subject.other.seal(last.state)
      expect(await stateIn(journal)).toEqual(last.state)
      expect(await stateIn(subject.other)).toEqual(last.state)
    })

    test('what was written is there after everybody has closed it', async (context) => {
      await using subject = await makeSubject()
      const stored = skipWithout(context, subject.stored)
      const { seq } = await written(subject.journal, 'one')
      await subject.journal.post({ verb: 'pause' }, ana)
      await subject.journal.saveCheckpoint('watch', { key: 'k' })
      await subject.journal.saveSample(sample())
      const before = await subject.journal.read()
      const again = await stored.reopen()
      expect(await again.read()).toEqual(before)
      expect(await again.commands(0)).toHaveLength(1)
      expect(await again.checkpoint('watch')).toEqual({ key: 'k' })
      expect(await again.samples('r-1')).toEqual([sample()])
      expect(await again.takeEpoch(runner)).toBe(2)
      expect((await again.read(seq)).map((record) => record.seq)).toEqual([seq + 1])
    })

    test('one with records of a newer moodify is neither read nor taken over', async (context) => {
      await using subject = await makeSubject()
      const stored = skipWithout(context, subject.stored)
      const { seq } = await written(subject.journal, 'one')
      await stored.markNewer()
      for (const refused of [() => subject.journal.read(), () => subject.other.takeEpoch(runner)]) {
        await expect(refused()).rejects.toMatchObject({ code: 'JOURNAL_NEWER', hint: expect.stringContaining('newer') })
      }
      expect(await subject.journal.read(seq)).toEqual([])
    })

    test('nobody but its owner can read it', async (context) => {
      await using subject = await makeSubject()
      const stored = skipWithout(context, subject.stored)
      if (!stored.modes) return context.skip('who can read it is decided elsewhere')
      await written(subject.journal, 'one')
      const modes = Object.entries(stored.modes())
      expect(modes.length).toBeGreaterThan(1)
      for (const [file, mode] of modes) expect(mode & 0o077, file).toBe(0)
    })
  })
}
