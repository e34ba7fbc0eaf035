import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { RECORD_VERSION } from '../../src/engine/record.ts'
import { memoryJournal } from '../../src/journal/memory.ts'
import { openSqliteJournal } from '../../src/journal/sqlite.ts'
import { apiServer } from '../support/api-server/index.ts'
import { namespaceJournals } from '../support/namespace-journals.ts'
import { describeJournal, type JournalSubject, KEPT } from './journal.ts'

const wall = () => '2026-01-06T10:00:00.000Z'

describeJournal('in memory', () => {
  const journal = memoryJournal('production', wall, { keepReleases: KEPT })
  return {
    journal,
    other: journal,
    stored: 'nothing is stored: it ends with the process',
    async [Symbol.asyncDispose]() {},
  }
})

describeJournal('in SQLite', (): JournalSubject => {
  const folder = mkdtempSync(join(tmpdir(), 'moodify-journal-'))
  const file = join(folder, 'state', 'journal.db')
  const opened: ReturnType<typeof openSqliteJournal>[] = []
  const open = () => {
    opened.push(openSqliteJournal(file, 'production', { wall, keepReleases: KEPT }))
    return opened.at(-1)!
  }
  const closeAll = () => {
    for (const journal of opened.splice(0)) journal.close()
  }
  return {
    journal: open(),
    other: open(),
    stored: {
      reopen() {
        closeAll()
        return open()
      },
      markNewer() {
        const db = new DatabaseSync(file)
        db.exec(`update records set version = ${RECORD_VERSION + 1} where seq = (select max(seq) from records)`)
        db.close()
      },
      modes() {
        const names = ['.', ...readdirSync(join(folder, 'state'))]
        return Object.fromEntries(names.map((name) => [name, statSync(join(folder, 'state', name)).mode]))
      },
    },
    async [Symbol.asyncDispose]() {
      closeAll()
      rmSync(folder, { recursive: true, force: true })
    },
  }
})

describeJournal('in a namespace of the API server in process', () => {
  const server = apiServer({ namespaces: ['shop'] })
  return { ...namespaceJournals(server.api, 'shop'), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
})

test('journal, in SQLite: a file that is no database is an operating error which names it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'moodify-journal-'))
  try {
    expect(() => openSqliteJournal(folder, 'production', { wall })).toThrow(
      expect.objectContaining({ code: 'JOURNAL_FAILED', message: expect.stringContaining(folder) }),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
