import type { Tuning } from './tuning.ts'

/** Exits of one process that nobody asked for, since it last ran for long. Times are monotonic milliseconds. */
export type ExitHistory = readonly number[]

export function afterExit(history: ExitHistory, exit: { atMs: number; ranMs: number }, tuning: Tuning): ExitHistory {
  return exit.ranMs >= tuning.stableMs ? [exit.atMs] : [...history, exit.atMs]
}

/** Pause before the next start: doubles with each exit, up to the maximum. */
export function pauseMs(history: ExitHistory, tuning: Tuning): number {
  if (history.length === 0) return 0
  return Math.min(tuning.backoffMaxMs, tuning.backoffFirstMs * 2 ** (history.length - 1))
}

/** @param runningMs how long it has been running now; 0 when it does not */
export function isCrashLooping(history: ExitHistory, nowMs: number, runningMs: number, tuning: Tuning): boolean {
  if (runningMs >= tuning.stableMs) return false
  return history.filter((atMs) => nowMs - atMs <= tuning.crashWindowMs).length >= tuning.crashLoopExits
}
