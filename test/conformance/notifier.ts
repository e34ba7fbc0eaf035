// What every notifier does, whoever listens.
import { describe, expect, test } from 'vitest'
import type { Notification, Notifier } from '../../src/effects/ports/messages.ts'
import type { MakeSubject } from './subject.ts'

export interface NotifierSubject extends AsyncDisposable {
  readonly notifier: Notifier
  /** What the receiver has got so far. */
  received(): readonly Notification[]
  /** From now on the receiver takes nothing. */
  refuse(): void
}

const going = new AbortController().signal

function message(change: Partial<Notification> = {}): Notification {
  return {
    idempotencyKey: 'production/r-7/notify',
    event: 'released',
    text: 'v2 is released: "ä" & more',
    data: { version: 'v2', nested: { list: [1, null] } },
    ...change,
  }
}

export function describeNotifier(name: string, makeSubject: MakeSubject<NotifierSubject>): void {
  describe(`notifier, ${name}`, () => {
    test('a message arrives as it was told', async () => {
      await using subject = await makeSubject()
      await subject.notifier.notify(message(), going)
      expect(subject.received()).toEqual([message()])
    })

    test('messages arrive in the order in which they were told', async () => {
      await using subject = await makeSubject()
      for (const event of ['released', 'rolled-back', 'failed'])
        await subject.notifier.notify(message({ event }), going)
      expect(subject.received().map(({ event }) => event)).toEqual(['released', 'rolled-back', 'failed'])
    })

    test('a repeat carries the same key, by which a receiver knows it', async () => {
      await using subject = await makeSubject()
      await subject.notifier.notify(message(), going)
      await subject.notifier.notify(message(), going)
      await subject.notifier.notify(message({ idempotencyKey: 'production/r-8/notify' }), going)
      const keys = subject.received().map(({ idempotencyKey }) => idempotencyKey)
      expect(new Set(keys)).toEqual(new Set(['production/r-7/notify', 'production/r-8/notify']))
    })

    test('a message that is not accepted is an operating error', async () => {
      await using subject = await makeSubject()
      subject.refuse()
      await expect(subject.notifier.notify(message(), going)).rejects.toMatchObject({ code: 'NOTIFY_FAILED' })
    })

    test('what is aborted before it begins is not told', async () => {
      await using subject = await makeSubject()
      const told = subject.notifier.notify(message(), AbortSignal.abort(new Error('no longer needed')))
      await expect(told).rejects.toThrow('no longer needed')
      expect(subject.received()).toEqual([])
    })
  })
}
