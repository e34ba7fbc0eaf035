// From what was counted to the units that are compared.
//
// Intuition: errors come in clusters: a client retries, a connection breaks, a pod stalls. Ten failed requests of one
// replica in one second are one event, not ten. So the unit is one second of one replica, bad if any of its requests
// was; and each second is compared by itself, so that no trend and no batching of the data can matter.
// Problem: a cell with more requests has more chances to be bad. Beside a canary at 10 % with as many replicas as
// stable, stable's cells hold nine times the requests, and would hide a canary that is nine times as bad.
// Solution: of a larger cell of stable only a sample as large as the canary's mean cell is looked at. It is bad if the
// sample holds a failed request, of which the chance is known: hypergeometric. The e-process takes the chance itself;
// the exact test needs whole numbers and takes a draw, decided by a hash of where and when, so that a replay and the
// runner after a killed one draw the same. A cell of the canary with more requests than stable's weighs more instead.
// Where cells are so large that nearly all of them are bad, those of both versions are sampled, to a size at which half
// a failed request is expected by what stable has done before; else a busy service could not be judged at all.
// Hypothesis: none of its own.
// What makes it valid: if requests fail with the same probability, a sample of stable's is bad as often as a cell of
// the canary's of that size. If failures of a cell come together, the sample hits one of them more often than in
// proportion, and if a stall fails all of a cell, every sample is bad: then stable looks no better than it is. What
// failed in a second never decides how that second is looked at. It does not hold for a fault that hits each replica alike and fails one request of
// it whatever its load; there a canary with a ninth of the load fails its users nine times as often, and is judged so.
// More units from one cell of stable, as many as it has samples, would find more, but a stall would count nine times.
// For latency, where most cells hold some slow request, a cell counts with the share of its slow ones; the e-process
// stays valid for that (relative-evidence.ts). Counting requests instead gives 22 % false rollbacks at clusters of 3.
// Source: docs/judgement.md.
import type { Cell } from '../domain/counts.ts'
import type { Comparison, Tally } from './comparison.ts'
import { logBeta } from './numerics/gamma.ts'

/** Cells of one second, by what they are evidence for. */
export interface Second {
  readonly second: number
  readonly canary: readonly Cell[]
  readonly stable: readonly Cell[]
}

/** Sums so far, for the mean number of requests of a cell and the share of them that fails. */
export interface CellLoad {
  readonly cells: number
  readonly requests: number
  readonly failures: number
}

export const noLoad: CellLoad = { cells: 0, requests: 0, failures: 0 }

export function addLoad(load: CellLoad, more: readonly Cell[]): CellLoad {
  const { units, bad } = tallyRequests(more, ({ failures }) => failures)
  return { cells: load.cells + more.length, requests: load.requests + units, failures: load.failures + bad }
}

/** Failed requests that are expected in the largest sample, and what is taken for stable's share before it is known. */
const MOST_EXPECTED = 0.5
const UNKNOWN = { requests: 1000, failures: 1 }

/** Requests of the largest sample worth taking, by what stable has done before. */
export function largestSample({ requests, failures }: Pick<CellLoad, 'requests' | 'failures'>): number {
  return (MOST_EXPECTED * (requests + UNKNOWN.requests)) / (failures + UNKNOWN.failures)
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

/** The same cells twice: stable's with what was drawn for the exact test, and with the chance of it. */
export interface ComparedCells {
  readonly drawn: Comparison
  readonly expected: Comparison
}

/**
 * Cells with at least one failed request in what is looked at of them.
 *
 * @param loads  of the versions, up to and with this second
 * @param most   requests of a cell that are looked at, on average
 */
export function compareCells(
  { canary, stable }: Pick<Second, 'canary' | 'stable'>,
  loads: { readonly canary: CellLoad; readonly stable: CellLoad },
  most = Number.POSITIVE_INFINITY,
): ComparedCells {
  const [canaryMean, stableMean] = [meanOf(loads.canary), meanOf(loads.stable)]
  const size = Math.min(most, canaryMean)
  const weight = stableMean > 0 ? Math.max(1, size / stableMean) : 1
  const ofCanary = sampled(canary, size / canaryMean)
  const ofStable = sampled(stable, stableMean > 0 ? Math.min(1, size / stableMean) : 1)
  const units = { canary: canary.length * weight, stable: stable.length }
  return {
    drawn: {
      canary: { units: units.canary, bad: ofCanary.drawn },
      stable: { units: units.stable, bad: ofStable.drawn },
    },
    expected: {
      canary: { units: units.canary, bad: ofCanary.expected },
      stable: { units: units.stable, bad: ofStable.expected },
    },
  }
}

/** Cells of which a sample is bad: as drawn, and on average. */
function sampled(cells: readonly Cell[], part: number): { readonly drawn: number; readonly expected: number } {
  let drawn = 0
  let expected = 0
  for (const cell of cells) {
    if (cell.failures === 0) continue
    const chance = chanceInSample(cell, part)
    expected += chance
    if (drawOf(cell) < chance) drawn++
  }
  return { drawn, expected }
}

/** Chance that a sample of this part of a cell's requests, but of one at least, holds a failed one. */
export function chanceInSample({ requests, failures }: Pick<Cell, 'requests' | 'failures'>, part: number): number {
  if (failures === 0) return 0
  const size = Math.max(1, part * requests)
  const otherGood = requests - failures - size
  if (size >= requests || otherGood <= -1) return 1
  return clamp(-Math.expm1(logBeta(requests - size + 1, size) - logBeta(otherGood + 1, size)))
}

/** Uniform in [0, 1), always the same for a cell. Source: FNV-1a, with the last steps of MurmurHash3. */
function drawOf({ slot, revision, replica, second, requests, failures }: Cell): number {
  let hash = 0x811c9dc5
  for (const char of [slot, revision, replica, second, requests, failures].join(' '))
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
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

function clamp(chance: number): number {
  return Math.min(1, Math.max(0, chance))
}

function meanOf({ cells, requests }: CellLoad): number {
  return cells === 0 ? 0 : requests / cells
}
