import type { HookRun, Hooks, Notification, Notifier } from '../ports/messages.ts'

/** Remembers what was told. */
export function fakeNotifier(): Notifier & { readonly told: Notification[] } {
  const told: Notification[] = []
  return {
    told,
    async notify(message) {
      told.push(message)
    },
  }
}

/** Remembers what was run; each hook ends with the exit code given for it, 0 by default. */
export function fakeHooks(exitCodes: Readonly<Record<string, number>> = {}): Hooks & { readonly ran: HookRun[] } {
  const ran: HookRun[] = []
  return {
    ran,
    async run(hook) {
      ran.push(hook)
      return { exitCode: exitCodes[hook.name] ?? 0, lastLines: '' }
    },
  }
}
