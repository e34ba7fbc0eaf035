import { appendFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type LogLine, type ReplicaLog, recordedLogs, tailLogs } from '../../src/effects/local/logs.ts'
import { statePaths } from '../../src/effects/local/paths.ts'
import { newRecord, saveRecord } from '../../src/effects/local/supervisor/replica-record.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'moodify-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function logIn(folder: string, replica: string): ReplicaLog {
  return { service: 'backend', slot: 'blue', replica, revision: 'one', file: join(folder, replica) }
}

async function next(lines: AsyncIterator<LogLine>): Promise<string> {
  const { value } = await lines.next()
  return `${value.log.replica}: ${value.line}`
}

test('logs: the last lines of each replica are shown, and none of a replica that has no log yet', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'a'), '1\n2\n3\n')
  writeFileSync(join(folder, 'b'), '4\nhalf')
  const logs = ['a', 'b', 'c'].map((replica) => logIn(folder, replica))
  const shown: string[] = []
  for await (const { log, line } of tailLogs(() => logs, { lines: 2, follow: false }, new AbortController().signal)) {
    shown.push(`${log.replica} ${line}`)
  }
  expect(shown).toEqual(['a 2', 'a 3', 'b 4'])
})

test('logs: followed logs show what is added, whole lines only, also after the file was emptied', async () => {
  const folder = temporaryFolder()
  const abort = new AbortController()
  const logs = [logIn(folder, 'a')]
  writeFileSync(logs[0]!.file, 'old\n')
  const lines = tailLogs(() => logs, { lines: 10, follow: true }, abort.signal)
  expect(await next(lines)).toBe('a: old')
  appendFileSync(logs[0]!.file, 'half')
  const whole = next(lines)
  appendFileSync(logs[0]!.file, ' and half\n')
  expect(await whole).toBe('a: half and half')
  const rotated = next(lines)
  truncateSync(logs[0]!.file)
  appendFileSync(logs[0]!.file, 'new\n')
  expect(await rotated).toBe('a: new')
  logs.push(logIn(folder, 'b'))
  writeFileSync(logs[1]!.file, 'hello\n')
  expect(await next(lines)).toBe('b: hello')
  const end = lines.next()
  abort.abort()
  expect((await end).done).toBe(true)
})

test('logs: of a slot whose replicas have all ended, theirs are found', () => {
  const paths = statePaths('/project', { XDG_STATE_HOME: temporaryFolder() })
  const folder = join(paths.state, 'environments/production/replicas')
  mkdirSync(folder, { recursive: true })
  const run = { revision: 'one' } as Parameters<typeof newRecord>[2]
  const add = (slot: string, ended: boolean) => {
    const record = { ...newRecord('backend', slot, run), ended }
    saveRecord(folder, record)
    return record.id
  }
  const [living, gone] = [add('blue', false), add('green', true)]
  add('blue', true)
  const ids = (wanted: Parameters<typeof recordedLogs>[2]) =>
    recordedLogs(paths, 'production', wanted).map(({ replica }) => replica)
  expect(ids({}).toSorted()).toEqual([living, gone].toSorted())
  expect(ids({ slot: 'green' })).toEqual([gone])
  expect(ids({ service: 'frontend' })).toEqual([])
})
