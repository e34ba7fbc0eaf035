// How the evidence came to where it is, in few numbers: for people, who want to see whether it grows.
//
// Each point is a stretch of monitor time. When there are too many, neighbours are joined and the stretches get twice
// as long, so the path of a minute and that of a day take the same space. Nothing is decided by it.
import type { EvidencePath } from '../domain/verdict.ts'

const FIRST_STRETCH_MS = 1000
const MOST_POINTS = 48

export const noPath: EvidencePath = { everyMs: FIRST_STRETCH_MS, boundary: [], evidence: [] }

/** @param point  parts of the way, 0 to 1, at which the candidate is now */
export function addPoint(
  path: EvidencePath,
  elapsedMs: number,
  point: { readonly boundary: number; readonly evidence: number },
): EvidencePath {
  const at = Math.floor(Math.max(0, elapsedMs - 1) / path.everyMs)
  if (at >= MOST_POINTS) return addPoint(halved(path), elapsedMs, point)
  return {
    everyMs: path.everyMs,
    boundary: withPoint(path.boundary, at, point.boundary),
    evidence: withPoint(path.evidence, at, point.evidence),
  }
}

/** A stretch without data is as the one before it. */
function withPoint(points: readonly number[], at: number, value: number): readonly number[] {
  const filled = Array.from({ length: at }, (_, index) => points[index] ?? points.at(-1) ?? 0)
  return [...filled, Math.round(Math.min(1, Math.max(0, value)) * 100) / 100]
}

function halved({ everyMs, boundary, evidence }: EvidencePath): EvidencePath {
  const lastOfPairs = (points: readonly number[]) => points.filter((_, at) => at % 2 === 1 || at === points.length - 1)
  return { everyMs: everyMs * 2, boundary: lastOfPairs(boundary), evidence: lastOfPairs(evidence) }
}
