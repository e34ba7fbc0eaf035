// Counts of the last seconds, for two arms. Seconds are those of the data plane's own clock. They are tied to the
// judge's elapsed time, because a window has to move on when nothing is served any more; and they begin again when
// the data plane restarts, in which case what was counted before is forgotten instead of being mixed up.
import { type Cell, slowerThan } from '../domain/counts.ts'
import type { Arm } from './judge.ts'

/** Integers, so that windows can be added up and compared without rounding. */
export interface Tally {
  readonly requests: number
  readonly failures: number
  readonly slow: number
}

interface Second {
  readonly second: number
  readonly candidate: Tally
  readonly control: Tally
}

export interface Window {
  /** Rising, at most `windowMs / 1000` long. Seconds without a request have no entry. */
  readonly seconds: readonly Second[]
  /** First and newest second since the data plane started, and the elapsed time at which the newest was seen. */
  readonly clock: { readonly first: number; readonly newest: number; readonly seenAtMs: number } | null
}

interface WindowRules {
  readonly windowMs: number
  /** Requests slower than this edge of the latency histogram are `slow`. */
  readonly slowMs: number
  readonly candidate: Arm
  readonly control: Arm | null
}

const nothing: Tally = { requests: 0, failures: 0, slow: 0 }
export const emptyWindow: Window = { seconds: [], clock: null }

function addTallies(a: Tally, b: Tally): Tally {
  return { requests: a.requests + b.requests, failures: a.failures + b.failures, slow: a.slow + b.slow }
}

export function sumOf(window: Window, arm: 'candidate' | 'control'): Tally {
  return window.seconds.map((second) => second[arm]).reduce(addTallies, nothing)
}

/** Milliseconds of data in the window: less than `windowMs` while it fills. */
export function coveredMs(window: Window, elapsedMs: number, windowMs: number): number {
  if (!window.clock) return 0
  return Math.min(windowMs, (currentSecond(window.clock, elapsedMs) - window.clock.first + 1) * 1000)
}

/** Puts new cells into the window and drops what has become too old. */
export function slide(window: Window, cells: readonly Cell[], elapsedMs: number, rules: WindowRules): Window {
  const restarted = window.clock !== null && cells.some((cell) => cell.second <= window.clock!.newest)
  const { seconds, clock: before } = restarted ? emptyWindow : window
  const clock = cells.length === 0 ? before : advance(before, cells, elapsedMs)
  if (!clock) return emptyWindow
  const oldest = currentSecond(clock, elapsedMs) - Math.ceil(rules.windowMs / 1000)
  const merged = [...seconds, ...secondsOf(cells, rules)].filter(({ second }) => second > oldest)
  return { seconds: merged, clock }
}

function advance(clock: Window['clock'], cells: readonly Cell[], elapsedMs: number): NonNullable<Window['clock']> {
  const seconds = cells.map((cell) => cell.second)
  return { first: clock?.first ?? Math.min(...seconds), newest: Math.max(...seconds), seenAtMs: elapsedMs }
}

function currentSecond(clock: NonNullable<Window['clock']>, elapsedMs: number): number {
  return clock.newest + Math.floor(Math.max(0, elapsedMs - clock.seenAtMs) / 1000)
}

function secondsOf(cells: readonly Cell[], rules: WindowRules): Second[] {
  const bySecond = new Map<number, Second>()
  for (const cell of cells) {
    const arm = armOf(cell, rules)
    if (!arm || cell.requests === 0) continue
    const known = bySecond.get(cell.second) ?? { second: cell.second, candidate: nothing, control: nothing }
    bySecond.set(cell.second, { ...known, [arm]: addTallies(known[arm], tallyOf(cell, rules.slowMs)) })
  }
  return [...bySecond.values()].sort((a, b) => a.second - b.second)
}

function armOf(cell: Cell, { candidate, control }: WindowRules): 'candidate' | 'control' | null {
  if (isOf(candidate, cell)) return 'candidate'
  return control && isOf(control, cell) ? 'control' : null
}

export function isOf(arm: Arm, cell: Cell): boolean {
  return cell.slot === arm.slot && cell.revision === arm.revision
}

function tallyOf(cell: Cell, slowMs: number): Tally {
  return { requests: cell.requests, failures: cell.failures, slow: slowerThan(cell, slowMs) }
}
