import { expect, test } from 'vitest'
import { inProcessRunner } from '../../src/runner/in-process.ts'
import type { RunnerEnd } from '../../src/runner/run-release.ts'

function runs(livesElsewhere = false) {
  const started: { signal: AbortSignal; end(how: RunnerEnd): void; fail(error: Error): void }[] = []
  const runner = inProcessRunner({
    run: (signal) =>
      new Promise((resolve, reject) => {
        started.push({ signal, end: resolve, fail: reject })
        signal.addEventListener('abort', () => resolve('stopped'))
      }),
    livesElsewhere: async () => livesElsewhere,
  })
  return { runner, started }
}

test('a command runs one runner, however often one is asked for', async () => {
  const { runner, started } = runs()
  await runner.ensure({ replace: false })
  await runner.ensure({ replace: true })
  expect(started).toHaveLength(1)
  expect(runner.isRunning()).toBe(true)
})

test('a runner that lives elsewhere is left alone until it has to be replaced', async () => {
  const { runner, started } = runs(true)
  await runner.ensure({ replace: false })
  expect(started).toHaveLength(0)
  await runner.ensure({ replace: true })
  expect(started).toHaveLength(1)
})

test('stop waits until the runner has ended, and the next time another one starts', async () => {
  const { runner, started } = runs()
  await runner.ensure({ replace: false })
  await runner.stop()
  expect(started[0]!.signal.aborted).toBe(true)
  expect(runner.isRunning()).toBe(false)
  await runner.ensure({ replace: false })
  expect(started).toHaveLength(2)
})

test('the error that ended a runner reaches the command that asks for one', async () => {
  const { runner, started } = runs()
  await runner.ensure({ replace: false })
  started[0]!.fail(new Error('no access'))
  await expect.poll(() => runner.isRunning()).toBe(false)
  await expect(runner.ensure({ replace: false })).rejects.toThrow('no access')
  await runner.ensure({ replace: false })
  expect(started).toHaveLength(2)
})
