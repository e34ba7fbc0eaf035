// What each replica answered, second by second.
//
// A request belongs to the second in which it ends, on a clock that only this process has. Readers get whole
// seconds only: a cell that was handed out never changes, so adding up what was read counts everything once.
import { type Cell, LATENCY_BUCKETS, latencyBucket } from '../../../domain/counts.ts'

export const KEEP_SECONDS = 600
/** Bounds the memory of one service: about 100 replicas with traffic in every second. */
const MOST_CELLS = 60_000

export interface OpenCell extends Cell {
  requests: number
  failures: number
  readonly latency: number[]
}

/** Everything that one replica answered since it is known. */
export class ReplicaCounts {
  requests = 0
  failures = 0
  latencySumMs = 0
  readonly latency: number[] = new Array(LATENCY_BUCKETS).fill(0)
  /** The second that it answered last. */
  newest: OpenCell | null = null
}

export interface Counted {
  readonly id: string
  readonly revision: string
  readonly slot: { readonly name: string }
  readonly counts: ReplicaCounts
}

/** The cells of one service, oldest first. */
export class CellLog {
  private readonly cells: OpenCell[] = []

  record(replica: Counted, outcome: { failed: boolean; tookMs: number; nowMs: number }): void {
    const { counts } = replica
    const bucket = latencyBucket(outcome.tookMs)
    const cell = this.cellOf(replica, Math.floor(outcome.nowMs / 1000))
    cell.requests++
    cell.latency[bucket]!++
    counts.requests++
    counts.latency[bucket]!++
    counts.latencySumMs += outcome.tookMs
    if (outcome.failed) {
      cell.failures++
      counts.failures++
    }
  }

  private cellOf(replica: Counted, second: number): OpenCell {
    const { counts } = replica
    if (counts.newest?.second !== second) {
      counts.newest = {
        slot: replica.slot.name,
        revision: replica.revision,
        replica: replica.id,
        second,
        requests: 0,
        failures: 0,
        latency: new Array(LATENCY_BUCKETS).fill(0),
      }
      this.cells.push(counts.newest)
    }
    return counts.newest
  }

  /** Cells with `after < second ≤ upTo`. */
  between(after: number, upTo: number): readonly Cell[] {
    let end = this.cells.length
    while (end > 0 && this.cells[end - 1]!.second > upTo) end--
    let start = end
    while (start > 0 && this.cells[start - 1]!.second > after) start--
    return this.cells.slice(start, end)
  }

  /** Takes in what another process has counted on the same clock: one replica has one cell in a second. */
  add(cells: readonly Cell[]): void {
    if (cells.length === 0) return
    const oldest = Math.min(...cells.map(({ second }) => second))
    const known = new Map(this.cells.filter(({ second }) => second >= oldest).map((cell) => [keyOf(cell), cell]))
    for (const cell of cells) {
      const same = known.get(keyOf(cell))
      if (same) {
        same.requests += cell.requests
        same.failures += cell.failures
        for (const [bucket, count] of cell.latency.entries()) same.latency[bucket]! += count
      } else this.cells.push({ ...cell, latency: [...cell.latency] })
    }
    this.cells.sort((a, b) => a.second - b.second)
  }

  forget(beforeSecond: number): void {
    const firstKept = this.cells.findIndex((cell) => cell.second >= beforeSecond)
    const tooOld = firstKept < 0 ? this.cells.length : firstKept
    this.cells.splice(0, Math.max(tooOld, this.cells.length - MOST_CELLS))
  }
}

function keyOf({ second, slot, revision, replica }: Cell): string {
  return `${second}/${slot}/${revision}/${replica}`
}

/** Last second that is over at this time. */
export function lastWholeSecond(nowMs: number): number {
  return Math.floor(nowMs / 1000) - 1
}
