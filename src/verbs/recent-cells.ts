import type { Cell } from '../domain/counts.ts'
import type { Observer } from '../effects/ports/platform.ts'

/** What has been counted lately. */
export interface RecentCells {
  readonly cells: readonly Cell[]
  /** In how many seconds; 0 where counters have been read only once, so that nobody can say when what they count came. */
  readonly seconds: number
}

/** What a service was asked for in the last seconds; null when its counts cannot be read. */
export async function recentCells(
  observer: Observer,
  service: string,
  windowSeconds: number,
): Promise<RecentCells | null> {
  const read = await observer.cells(service, null).catch(() => null)
  if (!read) return null
  const { sinceSecond = Number.NEGATIVE_INFINITY, next } = read
  const seconds = Math.min(windowSeconds, next.second - sinceSecond)
  return { cells: read.cells.filter(({ second }) => second > next.second - seconds), seconds }
}
