// A runner inside the process of a command, where no platform keeps one: it lives as long as the command does.
import type { RunnerEnd } from './run-release.ts'

export interface InProcessRunner {
  /**
   * Makes sure that a runner lives: this process's own, or one that is alive elsewhere. With `replace` this process
   * takes over whatever lives elsewhere.
   *
   * @throws what ended the last run, when that was an error
   */
  ensure(options: { readonly replace: boolean }): Promise<void>
  isRunning(): boolean
  /** Ends it in a moment where nothing is half done; a hook that runs is waited for. */
  stop(): Promise<void>
}

export function inProcessRunner(options: {
  readonly run: (signal: AbortSignal) => Promise<RunnerEnd>
  /** Whether a runner of another process has shown itself lately. */
  readonly livesElsewhere: () => Promise<boolean>
}): InProcessRunner {
  let current: { readonly ended: Promise<void>; readonly stop: AbortController } | null = null
  let failure: unknown = null

  function start(): void {
    const stop = new AbortController()
    const ended = options
      .run(stop.signal)
      .then(
        () => {},
        (error: unknown) => {
          failure = error
        },
      )
      .finally(() => {
        current = null
      })
    current = { ended, stop }
  }

  return {
    async ensure({ replace }) {
      if (failure !== null) {
        const error = failure
        failure = null
        throw error
      }
      if (current || (!replace && (await options.livesElsewhere()))) return
      start()
    },
    isRunning: () => current !== null,
    async stop() {
      const ending = current
      ending?.stop.abort()
      await ending?.ended
    },
  }
}
