// What was counted since the last tick, cut into the pieces that statistics take one by one: a second each where the
// source has cells, the whole tick where it has only sums.
import { type Cell, type Counts, noCounts, slowerThan } from '../domain/counts.ts'
import {
  addLoad,
  bySecond,
  type CellLoad,
  type ComparedCells,
  compareCells,
  compareShares,
  largestSample,
  type Second,
} from './cells.ts'
import type { Comparison, Tally } from './comparison.ts'
import type { JudgeTick, Question } from './judge.ts'
import { type ReplicaAges, sortByAge } from './warm-up.ts'
import { isOf } from './window.ts'

export interface Stratum {
  /** Units with an error, of the canary's warm and of its cold replicas, each against all of stable. */
  readonly warm: ComparedCells
  readonly cold: ComparedCells
  /** Requests of the warm replicas slower than an edge, against stable's. */
  readonly slower: (edgeMs: number) => Comparison
  /** All requests. */
  readonly canary: Counts
  readonly warmCanary: Counts
  readonly stable: Counts
  /**
   * Bad events of the canary that are apart from each other: cells with something bad, or requests without cells.
   * Where nothing runs beside it, a moment is one event, because nothing tells its own faults from everyone's.
   */
  readonly events: (badOf: (counts: Counts) => number) => number
}

/** What has to be known of before to cut the next tick. */
export interface CutState {
  readonly ages: ReplicaAges
  readonly loads: { readonly canary: CellLoad; readonly stable: CellLoad }
}

export function cutIntoStrata(
  state: CutState,
  tick: JudgeTick,
  question: Question,
  { warmUpMs, isAlone }: { readonly warmUpMs: number; readonly isAlone: boolean },
): { readonly cut: CutState; readonly strata: readonly Stratum[] } {
  const { candidate, control } = question
  const armOf = (cell: Cell) => {
    if (isOf(candidate, cell)) return 'canary'
    return control && isOf(control, cell) ? 'stable' : null
  }
  let cut = state
  const strata = bySecond(tick.cells, armOf).map((second) => {
    const loads = { canary: addLoad(cut.loads.canary, second.canary), stable: addLoad(cut.loads.stable, second.stable) }
    const most = largestSample(cut.loads.stable)
    const { ages, warm, cold } = sortByAge(cut.ages, second.canary, warmUpMs / 1000)
    cut = { ages, loads }
    const compare = (ofCanary: readonly Cell[]) =>
      compareCells({ canary: ofCanary, stable: second.stable }, loads, most)
    return ofSecond(second, { warm, cold }, compare)
  })
  const sums = tick.sums ? [ofSums(tick.sums, tick.elapsedMs > warmUpMs)] : []
  const all = [...strata, ...sums]
  return { cut, strata: isAlone ? all.map(withMomentsAsEvents) : all }
}

function ofSecond(
  { canary, stable }: Second,
  { warm, cold }: { readonly warm: readonly Cell[]; readonly cold: readonly Cell[] },
  compare: (canary: readonly Cell[]) => ComparedCells,
): Stratum {
  return {
    warm: compare(warm),
    cold: compare(cold),
    slower: (edgeMs) => compareShares({ canary: warm, stable }, (cell) => slowerThan(cell, edgeMs)),
    canary: sumOf(canary),
    warmCanary: sumOf(warm),
    stable: sumOf(stable),
    events: (badOf) => canary.filter((cell) => badOf(cell) > 0).length,
  }
}

function withMomentsAsEvents(stratum: Stratum): Stratum {
  return { ...stratum, events: (badOf) => Math.min(1, badOf(stratum.canary)) }
}

function ofSums({ candidate, control }: NonNullable<JudgeTick['sums']>, isWarm: boolean): Stratum {
  const compare = (canary: Counts, badOf: (counts: Counts) => number): Comparison => ({
    canary: tallyOf(canary, badOf),
    stable: tallyOf(control, badOf),
  })
  const compareFailures = (canary: Counts): ComparedCells => {
    const comparison = compare(canary, failuresOf)
    return { drawn: comparison, expected: comparison }
  }
  const warmCanary = isWarm ? candidate : noCounts
  return {
    warm: compareFailures(warmCanary),
    cold: compareFailures(isWarm ? noCounts : candidate),
    slower: (edgeMs) => compare(warmCanary, (counts) => slowerThan(counts, edgeMs)),
    canary: candidate,
    warmCanary,
    stable: control,
    events: (badOf) => badOf(candidate),
  }
}

export function tallyOf(counts: Counts, badOf: (counts: Counts) => number): Tally {
  return { units: counts.requests, bad: badOf(counts) }
}

export function failuresOf({ failures }: Counts): number {
  return failures
}

function sumOf(cells: readonly Cell[]): Counts {
  const latency = [...noCounts.latency]
  let requests = 0
  let failures = 0
  for (const cell of cells) {
    requests += cell.requests
    failures += cell.failures
    for (const [bucket, count] of cell.latency.entries()) latency[bucket]! += count
  }
  return { requests, failures, latency }
}
