// What everything that runs hooks does.
import { describe, expect, test } from 'vitest'
import type { HookRun, Hooks } from '../../src/effects/ports/messages.ts'
import { type MakeSubject, skipWithout } from './subject.ts'

export interface HooksSubject extends AsyncDisposable {
  readonly hooks: Hooks
  /** A hook that leaves a mark and ends with this exit code. */
  ending(exitCode: number): HookRun
  /** Marks that have been left so far. */
  marks(): number
  /** Hooks that say something or take time; else the reason why they are not tested. */
  readonly real: { saying(text: string): HookRun; endless(timeoutMs: number): HookRun } | string
}

const going = new AbortController().signal

export function describeHooks(name: string, makeSubject: MakeSubject<HooksSubject>): void {
  describe(`hooks, ${name}`, () => {
    test.each([0, 1, 3, 127])('exit code %i is handed on and is no error', async (exitCode) => {
      await using subject = await makeSubject()
      expect(await subject.hooks.run(subject.ending(exitCode), going)).toMatchObject({ exitCode })
    })

    test('each call runs the command once', async () => {
      await using subject = await makeSubject()
      await subject.hooks.run(subject.ending(0), going)
      expect(subject.marks()).toBe(1)
      await subject.hooks.run(subject.ending(1), going)
      expect(subject.marks()).toBe(2)
    })

    test('what is aborted before it begins is not run', async () => {
      await using subject = await makeSubject()
      const run = subject.hooks.run(subject.ending(0), AbortSignal.abort(new Error('taken back')))
      await expect(run).rejects.toThrow('taken back')
      expect(subject.marks()).toBe(0)
    })

    test('its last words are kept', async (context) => {
      await using subject = await makeSubject()
      const real = skipWithout(context, subject.real)
      const { lastLines } = await subject.hooks.run(real.saying('two words'), going)
      expect(lastLines).toBe('two words')
    })

    test('one that takes too long is ended, and that is an operating error', async (context) => {
      await using subject = await makeSubject()
      const real = skipWithout(context, subject.real)
      await expect(subject.hooks.run(real.endless(50), going)).rejects.toMatchObject({ code: 'HOOK_FAILED' })
    })

    test('an abort ends one that runs, and its reason comes back', async (context) => {
      await using subject = await makeSubject()
      const real = skipWithout(context, subject.real)
      const abort = new AbortController()
      const run = subject.hooks.run(real.endless(600_000), abort.signal)
      abort.abort(new Error('taken back'))
      await expect(run).rejects.toThrow('taken back')
    })
  })
}
