// What the application has for life in a container: a log file of limited size, and questions typed into a pod.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { appFolder, type Service, startService } from './app.ts'

const run = promisify(execFile)

let folder = ''
let backend: Service | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moodify-container-'))
})
afterEach(() => {
  backend?.kill()
  backend = undefined
  rmSync(folder, { recursive: true, force: true })
})

const manage = (port: number, ...args: string[]) =>
  run(process.execPath, ['manage.js', ...args], { cwd: `${appFolder}/backend`, env: { PORT: String(port) } })

test('LOG_FILE has the same lines as standard output, with the name of the pod', async () => {
  const file = join(folder, 'backend.log')
  backend = await startService('backend', { env: { LOG_FILE: file, POD_NAME: 'backend-blue-1' } })
  backend.process.kill('SIGTERM')
  expect(await backend.exited).toBe(0)
  const written = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(written).toEqual(backend.lines)
  expect(written.at(-1)).toMatchObject({ message: 'stopped', pod: 'backend-blue-1' })
})

test('a log file that cannot be written is no reason to stop', async () => {
  backend = await startService('backend', { env: { LOG_FILE: join(folder, 'missing', 'backend.log') } })
  expect((await fetch(`${backend.url}/health`)).status).toBe(200)
})

test('a log file that is full is turned over, and the one before is kept', async () => {
  const script = `
    const { openLogFile } = await import(${JSON.stringify(`${appFolder}/shared/log-file.mjs`)})
    const write = openLogFile('a.log', 10)
    for (const line of ['first line\\n', 'second line\\n', 'third\\n', 'more\\n', 'last\\n']) write(line)
  `
  await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder })
  expect(readFileSync(join(folder, 'a.log'), 'utf8')).toBe('last\n')
  expect(readFileSync(join(folder, 'a.log.1'), 'utf8')).toBe('third\nmore\n')
})

test('manage.js memory tells what the server uses, not the node', async () => {
  backend = await startService('backend')
  const { stdout } = await manage(backend.port, 'memory')
  const report = JSON.parse(stdout)
  expect(report.resident_bytes).toBeGreaterThan(20e6)
  expect(report.resident_bytes).toBeLessThan(500e6)
  expect(report.heap_used_bytes).toBeLessThan(report.resident_bytes)
})

test('manage.js fails when the server does not answer, and on a command that it does not have', async () => {
  await expect(manage(1, 'memory')).rejects.toMatchObject({ code: 1 })
  await expect(manage(1, 'migrate')).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('memory') })
})
