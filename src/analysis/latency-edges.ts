// At which latencies are the versions compared?
//
// Intuition: "slower than 300 ms" is a kind of bad like any other, so latency needs no statistic of its own, only a
// good choice of edges: where a quarter, a tenth, … of stable's requests are slower, some in the body, some in the
// tail. One edge lies a bucket beyond everything stable did, for a canary that is far off.
// Hypothesis: none of its own.
// What makes it valid: edges are chosen from requests that came before those they judge.
// Source: docs/judgement.md.
import { LATENCY_EDGES_MS } from '../domain/counts.ts'

/** Shares of stable's requests that are slower than the edges wished for. */
const TAILS = [0.25, 0.1, 0.05, 0.01, 0.002]

/** Rising edges in milliseconds, at most six; none of a histogram without requests. */
export function chooseEdges(histogram: readonly number[]): readonly number[] {
  const total = histogram.reduce((sum, count) => sum + count, 0)
  if (total === 0) return []
  let slower = total
  const tails = LATENCY_EDGES_MS.map((edge, bucket) => {
    slower -= histogram[bucket]!
    return { edge, share: slower / total }
  })
  const used = tails.filter(({ share }) => share > 0 && share < 1)
  const wished = TAILS.flatMap((wish) => nearest(used, wish))
  const beyond = tails.filter(({ share }) => share === 0)[1]
  return [...new Set([...wished, ...(beyond ? [beyond.edge] : [])])].sort((a, b) => a - b)
}

/** On a logarithmic scale: 2 % is as far from 1 % as 0.5 % is. */
function nearest(tails: readonly { edge: number; share: number }[], wish: number): number[] {
  const distance = (share: number) => Math.abs(Math.log(share / wish))
  const [best] = [...tails].sort((a, b) => distance(a.share) - distance(b.share))
  return best ? [best.edge] : []
}
