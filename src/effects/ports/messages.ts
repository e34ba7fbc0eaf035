/** Tells somebody outside: at least once, so receivers tell repeats apart by the key. */
export interface Notifier {
  /** @throws OperatingError when the receiver did not accept it */
  notify(message: Notification, signal: AbortSignal): Promise<void>
}

export interface Notification {
  /** The same for every attempt to tell the same thing. */
  readonly idempotencyKey: string
  readonly event: string
  readonly text: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Runs a command of the user's exactly once per intent. */
export interface Hooks {
  run(hook: HookRun, signal: AbortSignal): Promise<{ readonly exitCode: number; readonly lastLines: string }>
}

export interface HookRun {
  readonly name: string
  readonly command: string
  readonly timeoutMs: number
  /** Given to the command as `MOODIFY_…` variables. */
  readonly context: Readonly<Record<string, string>>
}
