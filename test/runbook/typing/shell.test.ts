import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Shell } from './shell.ts'

let folder = ''
let shell: Shell
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moodify-shell-'))
  shell = new Shell(folder, folder, { PATH: process.env['PATH'] })
})
afterEach(async () => {
  await shell.close()
  rmSync(folder, { recursive: true, force: true })
})

test('variables and folders stay from one command to the next', async () => {
  await shell.type('export A=1; mkdir b; cd b')
  expect((await shell.type('echo "$A $(basename "$PWD")"')).stdout.trim()).toBe('1 b')
})

test('an answer has the exit code and both outputs', async () =>
  expect(await shell.type('echo out; echo err >&2; (exit 3)')).toMatchObject({
    exitCode: 3,
    stdout: 'out\n',
    stderr: 'err\n',
  }))

test('Ctrl-C ends the command, whole pipelines too, and not the shell', async () => {
  const answer = await shell.type('tail -f /dev/null | cat', { interruptMs: 300 })
  expect(answer).toMatchObject({ exitCode: 130, late: false })
  expect((await shell.type('echo still')).stdout).toContain('still')
})

test('a command that never ends is late, and is ended', async () =>
  expect(await shell.type('tail -f /dev/null', { deadlineMs: 300 })).toMatchObject({ late: true }))

test('a command cannot read what is typed after it', async () => {
  expect((await shell.type('cat')).exitCode).toBe(0)
  expect((await shell.type('echo next')).stdout).toContain('next')
})

test('exit ends the shell, and what is typed after it is told so', async () => {
  expect((await shell.type('exit 4')).exitCode).toBe(4)
  expect((await shell.type('echo a')).stderr).toContain('has ended')
})
