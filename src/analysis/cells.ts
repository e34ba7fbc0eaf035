// From what was counted to the units that are compared.
//
// Intuition: errors come in clusters: a client retries, a connection breaks, a pod stalls. Ten failed requests of one
// replica in one second are one event, not ten. So the unit is one second of one replica, bad if any of its requests
// was; and each second is compared by itself, so that no trend and no batching of the data can matter.
// Hypothesis: none of its own.
// What makes it valid: cells of different replicas or seconds are taken to be exchangeable between equal versions. A
// cell of the canary that has more requests than stable's has more chances to be bad, at most in proportion, so it
// weighs that much more. One with fewer weighs no less, because some faults hit a replica and not a request.
// For latency, where most cells hold some slow request, a cell counts with the share of its slow ones; the e-process
// stays valid for that (relative-evidence.ts). Counting requests instead gives 22 % false rollbacks at clusters of 3.
// Source: docs/judgement.md.
import type { Cell } from '../domain/counts.ts'
import type { Comparison, Tally } from './comparison.ts'

/** Cells of one second, by what they are evidence for. */
export interface Second {
  readonly second: number
  readonly canary: readonly Cell[]
  readonly stable: readonly Cell[]
}

/** Sums so far, for the mean number of requests of a cell. */
export interface CellLoad {
  readonly cells: number
  readonly requests: number
}

export const noLoad: CellLoad = { cells: 0, requests: 0 }

export function addLoad({ cells, requests }: CellLoad, more: readonly Cell[]): CellLoad {
  return { cells: cells + more.length, requests: requests + more.reduce((sum, cell) => sum + cell.requests, 0) }
}

/** Cells with requests, second by second. `armOf` tells whose a cell is; null for neither. */
export function bySecond(cells: readonly Cell[], armOf: (cell: Cell) => 'canary' | 'stable' | null): readonly Second[] {
  const seconds = new Map<number, { second: number; canary: Cell[]; stable: Cell[] }>()
  for (const cell of cells) {
    const arm = cell.requests > 0 ? armOf(cell) : null
    if (!arm) continue
    const known = seconds.get(cell.second) ?? { second: cell.second, canary: [], stable: [] }
    known[arm].push(cell)
    seconds.set(cell.second, known)
  }
  return [...seconds.values()].sort((a, b) => a.second - b.second)
}

/** Cells with at least one bad request. `loads` are the versions' means, up to and with this second. */
export function compareCells(
  { canary, stable }: Pick<Second, 'canary' | 'stable'>,
  isBad: (cell: Cell) => boolean,
  loads: { readonly canary: CellLoad; readonly stable: CellLoad },
): Comparison {
  const tally = (cells: readonly Cell[]): Tally => ({ units: cells.length, bad: cells.filter(isBad).length })
  const weight = Math.max(1, meanOf(loads.canary) / meanOf(loads.stable))
  const { units, bad } = tally(canary)
  return { canary: { units: units * (Number.isFinite(weight) ? weight : 1), bad }, stable: tally(stable) }
}

/** Cells that count with the share of their requests that were bad; for the e-process only. */
export function compareShares(
  { canary, stable }: Pick<Second, 'canary' | 'stable'>,
  badOf: (cell: Cell) => number,
): Comparison {
  const tally = (cells: readonly Cell[]): Tally => ({
    units: cells.length,
    bad: cells.reduce((sum, cell) => sum + badOf(cell) / cell.requests, 0),
  })
  return { canary: tally(canary), stable: tally(stable) }
}

/** Requests as they are; for limits that are meant as shares of requests. */
export function tallyRequests(cells: readonly Cell[], badOf: (cell: Cell) => number): Tally {
  let units = 0
  let bad = 0
  for (const cell of cells) {
    units += cell.requests
    bad += badOf(cell)
  }
  return { units, bad }
}

function meanOf({ cells, requests }: CellLoad): number {
  return requests / cells
}
