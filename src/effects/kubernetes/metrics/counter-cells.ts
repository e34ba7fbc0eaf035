// Counters that only grow, read again and again, as cells of what came in between.
//
// A program that is asked says how much it has counted since it started. What a pod counted before the first look is
// its revision's, at times that are not known: it is dated before all else, and only who asks from the start gets it.
// What something shared counted before may belong to anybody and is left out. A series that shows up later, such as that
// of a new pod, began at 0 while we looked. A counter that went back was started anew.
import { addCounts, type Cell, type Counts, noCounts } from '../../../domain/counts.ts'
import type { ServiceName, SlotName } from '../../../domain/names.ts'
import type { Clock } from '../../ports/clock.ts'
import type { CellCursor, CellsRead } from '../../ports/platform.ts'

/** What one series has counted since it began. */
export interface Reading extends Counts {
  /** The same for as long as the counters are the same ones. */
  readonly series: string
  readonly slot: SlotName
  /** Id of the revision that served these requests. */
  readonly revision: string
  readonly replica: string
  /** Not one pod's: it may show up late although it is old, such as a gateway that was not reached before. */
  readonly isShared?: boolean
}

export interface CellsReader {
  cells(service: ServiceName, after: CellCursor | null): Promise<CellsRead>
}

const KEPT_SECONDS = 900

/**
 * Reads at most once a second; what it throws is thrown to who asked, and the next reading covers the gap.
 *
 * @param source  names where the counts come from; a new process counts as a new source
 */
export function counterCells(options: {
  readonly clock: Clock
  readonly source: string
  readonly read: (service: ServiceName) => Promise<readonly Reading[]>
}): CellsReader {
  const source = `${options.source}#${crypto.randomUUID().slice(0, 8)}`
  const services = new Map<ServiceName, ServiceCounters>()
  return {
    async cells(service, after) {
      const counters = services.get(service) ?? new ServiceCounters()
      services.set(service, counters)
      const second = Math.floor(options.clock.monotonicMs() / 1000)
      await counters.readOnce(second, () => options.read(service))
      const from = after?.source === source ? after.second : Number.NEGATIVE_INFINITY
      const cells = counters.cells.filter((cell) => cell.second > from)
      return {
        cells: after ? cells : [...counters.history, ...cells],
        sinceSecond: counters.sinceSecond,
        next: { source, second: counters.second },
      }
    },
  }
}

class ServiceCounters {
  /** What was counted before the first look. */
  history: readonly Cell[] = []
  cells: Cell[] = []
  /** Of the first look. */
  sinceSecond = Number.MAX_SAFE_INTEGER
  /** The last second that has been counted. */
  second = Number.MIN_SAFE_INTEGER
  private last: ReadonlyMap<string, Reading> | null = null
  private reading: Promise<void> | null = null

  async readOnce(now: number, read: () => Promise<readonly Reading[]>): Promise<void> {
    if (now - 1 <= this.second) return
    this.reading ??= read()
      .then((readings) => this.take(readings, now - 1))
      .finally(() => {
        this.reading = null
      })
    await this.reading
  }

  private take(readings: readonly Reading[], second: number): void {
    if (!this.last) {
      const own = readings.filter(({ isShared }) => !isShared)
      this.history = summed(own.flatMap((reading) => cellOf(reading, noCounts, second - KEPT_SECONDS)))
      this.sinceSecond = second
    }
    const known = new Map(this.last)
    const grown = readings.flatMap((reading) => {
      const before = known.get(reading.series)
      known.set(reading.series, reading)
      if (!before && (!this.last || reading.isShared)) return []
      // Whose requests these were cannot be told when the series changed hands in between.
      if (before && (before.revision !== reading.revision || before.slot !== reading.slot)) return []
      return cellOf(reading, before ?? noCounts, second)
    })
    this.cells = [...this.cells.filter((cell) => cell.second > second - KEPT_SECONDS), ...summed(grown)]
    this.second = second
    this.last = known
  }
}

function cellOf(reading: Reading, before: Counts, second: number): Cell[] {
  const restarted = reading.requests < before.requests || sum(reading.latency) < sum(before.latency)
  const { requests, failures, latency } = restarted ? noCounts : before
  const { slot, revision, replica } = reading
  const grown = {
    requests: reading.requests - requests,
    failures: Math.max(0, reading.failures - failures),
    latency: reading.latency.map((count, bucket) => Math.max(0, count - latency[bucket]!)),
  }
  const isEmpty = grown.requests === 0 && grown.failures === 0 && grown.latency.every((count) => count === 0)
  return isEmpty ? [] : [{ slot, revision, replica, second, ...grown }]
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

/** One cell per replica and second, however many series it has. */
function summed(cells: readonly Cell[]): Cell[] {
  const sums = new Map<string, Cell>()
  for (const cell of cells) {
    const key = `${cell.slot} ${cell.revision} ${cell.replica}`
    const known = sums.get(key)
    sums.set(key, known ? { ...known, ...addCounts(known, cell) } : cell)
  }
  return [...sums.values()]
}
