import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lastLines } from '../../src/effects/hooks/output.ts'
import { shellHooks } from '../../src/effects/hooks/shell.ts'
import type { HookRun } from '../../src/effects/ports/messages.ts'

const going = new AbortController().signal
const patience = { timeout: 20_000 }
let directory = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'moodify-hooks-test-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function hook(command: string, more: Partial<HookRun> = {}): HookRun {
  return { name: 'before', command, timeoutMs: 20_000, context: {}, ...more }
}

const inFolder = (more: { env?: NodeJS.ProcessEnv; graceMs?: number } = {}) => shellHooks({ directory, ...more })

function isAlive(pid: number): boolean {
  try {
    // A zombie that nobody has waited for yet has ended too.
    process.kill(pid, 0)
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function pidFrom(file: string): Promise<number> {
  const path = join(directory, file)
  await expect.poll(() => existsSync(path) && readFileSync(path, 'utf8').trim(), patience).toMatch(/^\d+$/)
  return Number(readFileSync(path, 'utf8'))
}

test('hooks: a command runs by the shell in its folder and its output is kept', async () => {
  const result = await inFolder().run(hook('pwd; echo "to stderr" >&2; touch made && ls'), going)
  expect(result).toEqual({ exitCode: 0, lastLines: `${directory}\nto stderr\nmade` })
})

test('hooks: the exit code is handed on, that of a signal as the shell counts it', async () => {
  expect(await inFolder().run(hook('echo no; exit 3'), going)).toEqual({ exitCode: 3, lastLines: 'no' })
  expect(await inFolder().run(hook('kill -9 $$'), going)).toMatchObject({ exitCode: 137 })
})

test('hooks: the context arrives as MOODIFY_ variables beside the environment', async () => {
  const context = { release: 'r-7', fromVersion: 'v1' }
  const run = hook('echo $MOODIFY_RELEASE $MOODIFY_FROM_VERSION $COLOUR', { context })
  const result = await inFolder({ env: { PATH: process.env.PATH, COLOUR: 'blue' } }).run(run, going)
  expect(result.lastLines).toBe('r-7 v1 blue')
})

test('hooks: of much output the last 20 lines are kept', async () => {
  const { lastLines } = await inFolder().run(hook('seq 1 40000'), going)
  expect(lastLines.split('\n')).toEqual(Array.from({ length: 20 }, (_, index) => String(39_981 + index)))
})

test('hooks: a value of a secret variable that a hook prints is not kept', async () => {
  const env = { PATH: process.env.PATH, API_TOKEN: 'hush-hush', PLAIN: 'shown' }
  const { lastLines } = await inFolder({ env }).run(hook('echo "$PLAIN https://robot:$API_TOKEN@host"'), going)
  expect(lastLines).toBe('shown https://robot:***@host')
})

test('hooks: a hook whose time is over is ended with all that it started', async () => {
  const command = 'sleep 300 & echo $! > child; echo $$ > shell; echo working; wait'
  const failure = await inFolder()
    .run(hook(command, { timeoutMs: 3_000 }), going)
    .catch((error) => error)
  expect(failure).toMatchObject({
    code: 'HOOK_FAILED',
    message: 'the hook before took longer than 3 s and was ended; its last lines:\nworking',
  })
  for (const file of ['child', 'shell']) {
    const pid = await pidFrom(file)
    await expect.poll(() => isAlive(pid), patience).toBe(false)
  }
})

test('hooks: what ignores SIGTERM is killed after the grace time', async () => {
  const abort = new AbortController()
  const command = "trap '' TERM; echo $$ > shell; while :; do sleep 1; done"
  const outcome = expect(inFolder({ graceMs: 100 }).run(hook(command), abort.signal)).rejects.toThrow('taken back')
  const shell = await pidFrom('shell')
  abort.abort(new Error('taken back'))
  await outcome
  expect(isAlive(shell)).toBe(false)
})

test('hooks: a child that outlives the shell has the grace time to clean up', async () => {
  const abort = new AbortController()
  const tidy = "trap 'sleep 0.3; touch tidied; exit' TERM; echo \\$\\$ > child; while :; do sleep 0.05; done"
  const run = inFolder({ graceMs: 20_000 }).run(hook(`sh -c "${tidy}" & wait`), abort.signal)
  const outcome = expect(run).rejects.toThrow('taken back')
  await pidFrom('child')
  abort.abort(new Error('taken back'))
  await outcome
  expect(readdirSync(directory).sort()).toEqual(['child', 'tidied'])
})

test('hooks: an abort ends it and is the reason that comes back', async () => {
  const abort = new AbortController()
  const running = inFolder().run(hook('echo $$ > shell; sleep 300'), abort.signal)
  const outcome = expect(running).rejects.toThrow('taken back')
  const shell = await pidFrom('shell')
  abort.abort(new Error('taken back'))
  await outcome
  expect(isAlive(shell)).toBe(false)
})

test('hooks: what is left running in the background neither delays the end nor is ended', async () => {
  const result = await inFolder().run(hook('sleep 300 & echo $! > child'), going)
  const child = await pidFrom('child')
  try {
    expect(result.exitCode).toBe(0)
    expect(isAlive(child)).toBe(true)
  } finally {
    process.kill(child)
  }
})

test('hooks: a folder that is gone is an operating error', async () => {
  const hooks = shellHooks({ directory: join(directory, 'gone') })
  await expect(hooks.run(hook('true'), going)).rejects.toMatchObject({ code: 'HOOK_FAILED' })
})

test('hooks: when the process that runs it is killed, a hook goes on to its end', async () => {
  const source = `
    import { shellHooks } from ${JSON.stringify(resolve('src/effects/hooks/shell.ts'))}
    const command = 'echo $$ > shell; while [ ! -e go ]; do sleep 0.05; done; echo more; echo more; touch finished'
    await shellHooks({ directory: ${JSON.stringify(directory)} })
      .run({ name: 'before', command, timeoutMs: 20000, context: {} }, new AbortController().signal)
  `
  const runner = spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], { stdio: 'inherit' })
  const shell = await pidFrom('shell')
  const gone = once(runner, 'exit')
  runner.kill('SIGKILL')
  await gone
  expect(isAlive(shell)).toBe(true)
  await shellHooks({ directory }).run(hook('touch go'), going)
  await expect.poll(() => existsSync(join(directory, 'finished')), patience).toBe(true)
})

test('output: the longer of two secrets is hidden whole, and so are the lines of a key', () => {
  const env = { A_TOKEN: 'abcd', B_SECRET: 'abcdefgh', SIGNING_KEY: 'line-one\nline-two', SHORT_KEY: 'x', USER: 'abcd' }
  expect(lastLines('abcdefgh abcd x\nsaw line-two\n', env)).toBe('*** *** x\nsaw ***')
})

test('output: colours are removed and long lines cut', () => {
  expect(lastLines(`\u001b[31mred\u001b[0m\n${'y'.repeat(600)}`, {})).toBe(`red\n${'y'.repeat(500)}…`)
})
