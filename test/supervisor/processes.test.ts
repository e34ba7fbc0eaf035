import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  adoptDetached,
  type DetachedProcess,
  isRunning,
  shellCommand,
  startDetached,
  terminate,
} from '../../src/effects/local/processes/detached.ts'
import { isAlive, residentBytes, startedOf } from '../../src/effects/local/processes/identity.ts'
import { until } from './platform.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'moodify-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function run(folder: string, line: string): Promise<DetachedProcess> {
  const started = await startDetached({
    folder: join(folder, 'start-1'),
    log: join(folder, 'log'),
    command: shellCommand(line),
    directory: folder,
    env: process.env,
  })
  onTestFinished(() => void started.signal('SIGKILL'))
  return started
}

test('detached process: its output and its exit status are found in files', async () => {
  const folder = temporaryFolder()
  const started = await run(folder, 'echo out; echo err >&2; exit 7')
  expect(await started.exited).toEqual({ code: 7 })
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('out\nerr\n')
  const adopted = await adoptDetached(join(folder, 'start-1'))
  expect(await adopted!.exited).toEqual({ code: 7 })
})

test('detached process: it leads a session of its own and is found again while it runs', async () => {
  const folder = temporaryFolder()
  const started = await run(folder, 'exec sleep 600')
  const fields = readFileSync(`/proc/${started.identity.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  expect(fields.slice(2, 4).map(Number)).toEqual([started.identity.pid, started.identity.pid])
  const adopted = (await adoptDetached(join(folder, 'start-1')))!
  expect(adopted.identity).toEqual(started.identity)
  adopted.signal('SIGKILL')
  expect(await adopted.exited).toEqual({ code: null })
  expect(isRunning(join(folder, 'start-1'))).toBe(false)
})

test('detached process: a start that nobody has made will not be made after it was looked for', async () => {
  const folder = temporaryFolder()
  expect(await adoptDetached(join(folder, 'start-1'))).toBe(null)
  await expect(run(folder, 'touch made')).rejects.toThrow('did not start')
  expect(() => readFileSync(join(folder, 'made'))).toThrow()
})

test('detached process: SIGTERM reaches the command, whose own status is kept, and nothing more is started', async () => {
  const folder = temporaryFolder()
  writeFileSync(
    join(folder, 'server.mjs'),
    "process.on('SIGTERM', () => process.exit(5))\nconsole.log('up')\nsetInterval(() => {}, 1000)\n",
  )
  const started = await run(folder, `${process.execPath} server.mjs; echo after`)
  await until('it is up', () => readFileSync(join(folder, 'log'), 'utf8') === 'up\n')
  await terminate(started, 10_000)
  expect(await started.exited).toEqual({ code: 5 })
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('up\n')
})

test('detached process: one that ignores SIGTERM is killed after its grace', async () => {
  const folder = temporaryFolder()
  const started = await run(folder, "trap '' TERM; echo up; while true; do sleep 0.1; done")
  await until('it is up', () => readFileSync(join(folder, 'log'), 'utf8') === 'up\n')
  await terminate(started, 100)
  expect(isAlive(started.identity)).toBe(false)
})

test('identity: a process with another start time is another process', async () => {
  const started = await run(temporaryFolder(), 'exec sleep 600')
  expect(startedOf(started.identity.pid)).toBe(started.identity.started)
  expect(isAlive({ ...started.identity, started: `${started.identity.started}0` })).toBe(false)
})

test('identity: the memory of a group is that of all its processes', async () => {
  const folder = temporaryFolder()
  const grow = `${process.execPath} -e "globalThis.kept = Buffer.alloc(1e8, 1); console.log('up'); setInterval(() => {}, 1000)"`
  const started = await run(folder, `${grow} & ${grow} & wait`)
  await until('both are up', () => readFileSync(join(folder, 'log'), 'utf8') === 'up\nup\n')
  const { pid } = started.identity
  expect(residentBytes(new Set([pid])).get(pid)).toBeGreaterThan(2e8)
})
