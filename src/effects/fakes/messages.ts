import { OperatingError } from '../../errors/catalogue.ts'
import type { HookRun, Hooks, Notification, Notifier } from '../ports/messages.ts'

export interface FakeNotifier extends Notifier {
  readonly told: Notification[]
  /** While set, the receiver accepts nothing. */
  refuses: boolean
}

/** Remembers what was told. */
export function fakeNotifier(): FakeNotifier {
  const notifier: FakeNotifier = {
    told: [],
    refuses: false,
    async notify(message, signal) {
      signal.throwIfAborted()
      if (notifier.refuses) throw new OperatingError('NOTIFY_FAILED', 'the fake receiver accepts nothing')
      notifier.told.push(message)
    },
  }
  return notifier
}

/** Remembers what was run; each hook ends with the exit code given for it, 0 by default. */
export function fakeHooks(exitCodes: Readonly<Record<string, number>> = {}): Hooks & { readonly ran: HookRun[] } {
  const ran: HookRun[] = []
  return {
    ran,
    async run(hook, signal) {
      signal.throwIfAborted()
      ran.push(hook)
      return { exitCode: exitCodes[hook.name] ?? 0, lastLines: '' }
    },
  }
}
