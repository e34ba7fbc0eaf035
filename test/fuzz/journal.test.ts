import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JournalRecord } from '../../src/engine/record.ts'
import { OperatingError } from '../../src/errors/catalogue.ts'
import { type Journal, JournalDamaged } from '../../src/journal/journal.ts'
import { openSqliteJournal } from '../../src/journal/sqlite.ts'

const RECORDS = 60
const PLACE = /record \d+|offset \d+/
const runner = { name: 'a runner', moodify: '0.0.0' }
const folder = mkdtempSync(join(tmpdir(), 'fuzz-journal-'))
const sound = join(folder, 'sound.db')
const file = join(folder, 'journal.db')
let bytes: Buffer
let records: readonly JournalRecord[]

const open = (path = file) => openSqliteJournal(path, 'production', { wall: () => '2026-01-01T00:00:00Z' })

beforeAll(async () => {
  const journal = open(sound)
  let epoch = await journal.takeEpoch(runner)
  for (let seq = 1; seq < RECORDS; seq++) {
    if (seq % 20 === 0) {
      epoch = await journal.takeEpoch(runner)
    } else {
      const reason = `reason ${seq} ${'x'.repeat((seq * 37) % 500)}`
      const actor = { kind: 'person', name: 'ana' } as const
      await journal.append([{ body: { kind: 'paused' }, reason, actor }], { epoch, seq, release: 'r-1' })
    }
  }
  records = await journal.read()
  journal.close()
  bytes = readFileSync(sound)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function withJournal<T>(use: (journal: Journal) => Promise<T>): Promise<T> {
  const journal = open()
  try {
    return await use(journal)
  } finally {
    journal.close()
  }
}

/** Puts the sound journal there, in use since long. */
function restore(): void {
  for (const suffix of ['-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true })
  copyFileSync(sound, file)
  copyFileSync(`${sound}.in-use`, `${file}.in-use`)
}

/** Either it reads as it was written, or it says what is wrong and where, and nothing is written to it. */
async function expectWholeOrDamaged(): Promise<'whole' | 'damaged'> {
  const read = await withJournal((journal) => journal.read().catch((error: unknown) => error))
  if (Array.isArray(read)) {
    expect(read).toEqual(records)
    return 'whole'
  }
  expect(read).toBeInstanceOf(JournalDamaged)
  const { message, whole } = read as JournalDamaged
  expect(message).toMatch(PLACE)
  expect(whole).toEqual(records.slice(0, whole.length))
  const before = contentOf()
  const refused = await withJournal((journal) => journal.takeEpoch(runner).catch((error: unknown) => error))
  expect(refused).toBeInstanceOf(OperatingError)
  expect(contentOf()).toEqual(before)
  return 'damaged'
}

/** What stands in it, as far as it can be read without any help of ours. */
function contentOf(): unknown {
  try {
    const db = new DatabaseSync(file, { readOnly: true })
    try {
      return db.prepare('select count(*) as records, max(epoch) as epoch from records').get()
    } finally {
      db.close()
    }
  } catch (error) {
    return (error as Error).message
  }
}

const runs = { seed: 20260401, numRuns: 250 }

test('journal: with bytes flipped it is whole, or damaged with the place, and then nobody takes it over', async () => {
  const seen = { whole: 0, damaged: 0 }
  const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(flips, async (changes) => {
      restore()
      const changed = Buffer.from(bytes)
      for (const [at, mask] of changes) changed[at % changed.length]! ^= mask
      writeFileSync(file, changed)
      seen[await expectWholeOrDamaged()]++
    }),
    runs,
  )
  expect(seen.damaged, 'a test that damages nothing shows nothing').toBeGreaterThan(50)
})

test('journal: cut off anywhere it is whole, or damaged with the place', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (length) => {
      restore()
      truncateSync(file, length % bytes.length)
      expect(await expectWholeOrDamaged()).toBe('damaged')
    }),
    { ...runs, numRuns: 60 },
  )
})

test('journal: overwritten with anything it is damaged with the place', async () => {
  const anything = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 9000 }),
    fc.string({ minLength: 1, unit: 'grapheme' }),
  )
  await fc.assert(
    fc.asyncProperty(anything, async (content) => {
      restore()
      writeFileSync(file, content)
      expect(await expectWholeOrDamaged()).toBe('damaged')
    }),
    { ...runs, numRuns: 60 },
  )
})

test('journal: an empty file, or none, is not taken for the journal of a new environment once one was in use', async () => {
  for (const lose of [() => writeFileSync(file, ''), () => rmSync(file)]) {
    restore()
    lose()
    expect(await expectWholeOrDamaged()).toBe('damaged')
  }
  rmSync(`${file}.in-use`)
  await withJournal(async (journal) => expect(await journal.read()).toEqual([]))
})

const changes: Record<string, [sql: string, place: string]> = {
  'broken JSON in the middle': [`update records set body = '{"kind":' where seq = 30`, 'record 30 '],
  'other valid JSON in the middle': [`update records set body = '{"kind":"continued"}' where seq = 30`, 'record 30 '],
  'broken JSON and no checksum': [`update records set body = '{"kind":', checksum = null where seq = 30`, 'record 30 '],
  'a record of another time': [`update records set at = '2001-01-01T00:00:00Z' where seq = 30`, 'record 30 '],
  'a record that is gone': ['delete from records where seq = 30', 'record 30 '],
  'another environment': [`update records set environment = 'test', checksum = null where seq = 30`, 'record 30 '],
}
test.each(Object.entries(changes))(
  'journal: with %s it names the record and gives those before it',
  async (_what, [sql, place]) => {
    restore()
    const db = new DatabaseSync(file)
    db.exec(sql)
    db.close()
    expect(await expectWholeOrDamaged()).toBe('damaged')
    const error = await withJournal((journal) => journal.read().catch((read: unknown) => read))
    expect((error as JournalDamaged).message).toContain(place)
    expect((error as JournalDamaged).whole).toHaveLength(29)
    expect((error as JournalDamaged).hint).toContain('rm ')
  },
)

test('journal: commands and checkpoints that cannot be read are said and left out', async () => {
  restore()
  await withJournal(async (journal) => {
    await journal.post({ verb: 'pause' }, { kind: 'person', name: 'ana' })
    await journal.saveCheckpoint('watch', { key: 'a' })
  })
  const db = new DatabaseSync(file)
  db.exec(`update commands set command = '{'; update checkpoints set value = '{'`)
  db.close()
  await withJournal(async (journal) => {
    await expect(journal.commands(0)).rejects.toThrow(/command 1 cannot be read/)
    expect(await journal.checkpoint('watch')).toBe(null)
  })
})

test('journal: while somebody else holds it, it is read all the same, and refuses what is written', async () => {
  restore()
  const other = new DatabaseSync(file)
  other.exec('begin immediate')
  try {
    await withJournal(async (journal) => {
      expect(await journal.read()).toEqual(records)
      await expect(journal.takeEpoch(runner)).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
      expect(await journal.read()).toEqual(records)
    })
  } finally {
    other.exec('rollback')
    other.close()
  }
})

test('journal: text behind its end changes nothing', async () => {
  restore()
  appendFileSync(file, 'text behind the end')
  expect(await expectWholeOrDamaged()).toBe('whole')
})

test('journal: one of 0.1, whose records have no checksums, is read and gets them from now on', async () => {
  restore()
  const db = new DatabaseSync(file)
  db.exec('alter table records drop column checksum')
  db.close()
  await withJournal(async (journal) => {
    expect(await journal.read()).toEqual(records)
    await journal.takeEpoch(runner)
    expect(await journal.read()).toHaveLength(RECORDS + 1)
  })
  const changed = new DatabaseSync(file)
  changed.exec(`update records set reason = 'another' where seq = ${RECORDS + 1}`)
  changed.close()
  await withJournal((journal) =>
    expect(journal.read()).rejects.toThrow(`record ${RECORDS + 1} is not what was written`),
  )
})
