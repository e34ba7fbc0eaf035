import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fold } from '../../src/engine/evolve.ts'
import { type EnvironmentState, emptyState } from '../../src/engine/state.ts'
import { type Journal, JournalDamaged } from '../../src/journal/journal.ts'
import { memoryJournal } from '../../src/journal/memory.ts'
import { baseOf, prunableTo, SEAL_VERSION, type Seal, sealChecksum, sealOf } from '../../src/journal/seals.ts'
import { openSqliteJournal } from '../../src/journal/sqlite.ts'
import { fakeEnvironment } from '../support/fake-environment.ts'
import { ship, shipMany, stateIn, takeOver, type Writer } from '../support/small-releases.ts'

const wall = () => '2026-01-06T10:00:00.000Z'
const RELEASES = 1000

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moodify-seals-'))
  file = join(folder, 'journal.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (keepReleases?: number) =>
  openSqliteJournal(file, 'production', { wall, ...(keepReleases && { keepReleases }) })

async function withJournal<T>(use: (journal: Journal) => Promise<T>, keepReleases?: number): Promise<T> {
  const journal = open(keepReleases)
  try {
    return await use(journal)
  } finally {
    journal.close()
  }
}

function sql(text: string, ...values: (string | number)[]): void {
  const db = new DatabaseSync(file)
  db.prepare(text).run(...values)
  db.close()
}

function seals(): Seal[] {
  const db = new DatabaseSync(file)
  const rows = db.prepare('select * from seals order by seq').all()
  db.close()
  return rows as unknown as Seal[]
}

describe.each(['memory', 'SQLite'] as const)('journal, in %s', (kind) => {
  const openOne = (keepReleases: number): Journal =>
    kind === 'memory' ? memoryJournal('production', wall, { keepReleases }) : open(keepReleases)

  test('after 1,000 releases what status reads has not grown, though all of them are kept', async () => {
    const { journal, sizes, state } = await shipped(RELEASES, 10 * RELEASES)
    expect(state.releaseCount).toBe(RELEASES)
    expect(new Set(sizes).size, `${sizes}`).toBe(1)
    expect(await journal.read()).toHaveLength(state.seq)
    journal.close()
  })

  test('with the newest releases kept, what is stored does not grow either', async () => {
    const { journal, sizes, state } = await shipped(130, 20)
    expect(new Set(sizes).size, `${sizes}`).toBe(1)
    expect(await journal.read()).toHaveLength(20 * sizes[0]!)
    expect((await journal.read()).at(-1)!.seq).toBe(state.seq)
    journal.close()
  })

  /** Ships that many, and looks ten times on the way at what status would read. */
  async function shipped(releases: number, keepReleases: number) {
    const journal = openOne(keepReleases)
    const sizes: number[] = []
    let writer = await takeOver(journal)
    for (let left = 10; left > 0; left--) {
      const missing = releases - writer.state.releaseCount
      writer = await shipMany(journal, writer, Math.ceil(missing / left))
      const { base, records } = await journal.newest()
      expect(fold(records, base.state)).toEqual(writer.state)
      sizes.push(records.length)
    }
    return { journal, sizes, state: writer.state }
  }
})

test('journal: the runner seals each release at its end, and forgets as many as it was told to', async () => {
  const environment = fakeEnvironment({ keepReleases: 2 })
  for (const version of ['v1', 'v2', 'v3', 'v4']) {
    await environment.deploy(version)
    await environment.run()
  }
  const records = await environment.journal.read()
  const started = records.flatMap(({ body }) => (body.kind === 'releaseStarted' ? [body.release] : []))
  expect(started).toEqual(['r-3', 'r-4'])
  expect(await environment.stableVersion()).toBe('v4')
  await environment.deploy('v5')
  await environment.run()
  expect(await environment.stableVersion()).toBe('v5')
})

describe('seals that cannot be used', () => {
  /** Makes three releases and gives what was known then. */
  async function threeReleases(keepReleases?: number): Promise<Writer> {
    return withJournal(async (journal) => shipMany(journal, await takeOver(journal), 3), keepReleases)
  }

  test('journal: one that is not what was written is passed over', async () => {
    const { state } = await threeReleases()
    const spoilt = seals().map(({ seq }) => seq)
    for (const seq of spoilt.toReversed()) {
      sql(`update seals set state = replace(state, '"epoch":1', '"epoch":7') where seq = ?`, seq)
      expect(await withJournal(stateIn)).toEqual(state)
    }
  })

  test('journal: one of a newer moodify is passed over as long as the records are there', async () => {
    const { state } = await threeReleases()
    await makeNewer()
    expect(await withJournal(stateIn)).toEqual(state)
    const next = await withJournal(async (journal) => ship(journal, await takeOver(journal)))
    expect(next.state.releaseCount).toBe(4)
  })

  test('journal: one of another version never becomes the only way to what was before it', async () => {
    await threeReleases(1)
    await makeNewer()
    const [first] = seals()
    // What this version seals from here on lets records go only behind its own seals.
    await withJournal(async (journal) => {
      const writer = await takeOver(journal).catch((error: unknown) => error)
      expect(writer).toMatchObject({
        code: 'JOURNAL_NEWER',
        message: expect.stringContaining('sealed by a newer moodify'),
      })
      expect((await journal.read())[0]!.seq).toBe(first!.seq + 1)
    }, 1)
    const newer = { ...sealOf({ ...emptyState, seq: 10, releaseCount: 1 }), version: SEAL_VERSION + 1 }
    expect(prunableTo([newer], { ...emptyState, seq: 90, releaseCount: 9 }, 2)).toBe(0)
  })

  async function makeNewer(): Promise<void> {
    for (const seal of seals()) {
      const checksum = sealChecksum({ ...seal, version: SEAL_VERSION + 1 })
      sql('update seals set version = ?, checksum = ? where seq = ?', SEAL_VERSION + 1, checksum, seal.seq)
    }
  }
})

describe('damage', () => {
  test('journal: in a release that is over it is named to whoever reads it, and what is now is known all the same', async () => {
    const { state } = await withJournal(async (journal) => shipMany(journal, await takeOver(journal), 3))
    sql(`update records set reason = 'another' where seq = 4`)
    await withJournal(async (journal) => {
      expect(await stateIn(journal)).toEqual(state)
      await expect(journal.read()).rejects.toThrow('record 4 is not what was written')
    })
  })

  test('journal: in the newest release nothing is added, and what is whole can be folded', async () => {
    const { state } = await withJournal(async (journal) => shipMany(journal, await takeOver(journal), 3))
    sql(`update records set reason = 'another' where seq = ?`, state.seq - 1)
    await withJournal(async (journal) => {
      const error = (await journal.newest().catch((thrown: unknown) => thrown)) as JournalDamaged
      expect(error).toBeInstanceOf(JournalDamaged)
      expect(error.message).toContain(`record ${state.seq - 1} is not what was written`)
      expect(fold(error.whole, error.base.state)).toMatchObject({ seq: state.seq - 2, release: { id: 'r-3' } })
      await expect(takeOver(journal)).rejects.toBeInstanceOf(JournalDamaged)
    })
  })

  test('journal: records that were sealed and are gone are missed', async () => {
    const { state } = await withJournal(async (journal) => shipMany(journal, await takeOver(journal), 3))
    for (const gone of ['seq > 5', 'seq = 1', '1 = 1']) {
      sql(`delete from records where ${gone}`)
      await withJournal(async (journal) => {
        await expect(journal.read(), gone).rejects.toThrow(/record \d+ is missing/)
        if (gone === 'seq = 1') return
        await expect(takeOver(journal), gone).rejects.toBeInstanceOf(JournalDamaged)
      })
    }
    expect(state.releaseCount).toBe(3)
  })
})

test('journal: what a seal of version 1 holds is read by every later moodify', () => {
  const seal = JSON.parse(readFileSync(new URL('seal-1.json', import.meta.url), 'utf8')) as Seal
  const base = baseOf(seal)
  expect(base).toMatchObject({ seq: 13, state: { seq: 13, releaseCount: 2, last: { id: 'r-2' }, lock: null } })
})

test('journal: a state that has got another shape needs another seal version', () => {
  const known: Record<number, (keyof EnvironmentState)[]> = {
    1: [
      'seq',
      'epoch',
      'lastCommandId',
      'releaseCount',
      'services',
      'release',
      'last',
      'lastReleased',
      'takenBack',
      'queued',
      'lock',
    ],
  }
  expect(Object.keys(emptyState).toSorted(), 'see SEAL_VERSION in src/journal/seals.ts').toEqual(
    known[SEAL_VERSION]!.toSorted(),
  )
})
