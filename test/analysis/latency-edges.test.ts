import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chooseEdges } from '../../src/analysis/latency-edges.ts'
import { LATENCY_BUCKETS, LATENCY_EDGES_MS, latencyBucket } from '../../src/domain/counts.ts'
import { seeded } from './support.ts'

function histogram(counts: Readonly<Record<number, number>>): number[] {
  const buckets = new Array<number>(LATENCY_BUCKETS).fill(0)
  for (const [ms, count] of Object.entries(counts)) buckets[latencyBucket(Number(ms))] = count
  return buckets
}

describe('the edges of the latency comparison', () => {
  test('lie where stable’s tail is nearest 25, 10, 5, 1 and 0.2 %, and once beyond it', () => {
    // Slower than 50 ms: 26 %, 100 ms: 9 %, 200 ms: 4 %, 500 ms: 1 %, 1000 ms: 0.2 %, 2000 ms: 0.
    const seen = histogram({ 50: 740, 100: 170, 200: 50, 500: 30, 1000: 8, 2000: 2 })
    expect(chooseEdges(seen)).toEqual([50, 100, 200, 500, 1000, 3000])
  })

  test('are none without a request, and one where all requests are as fast', () => {
    expect(chooseEdges(histogram({}))).toEqual([])
    expect(chooseEdges(histogram({ 20: 1000 }))).toEqual([50])
  })

  test('are rising edges of the histogram without duplicates, at most six', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: LATENCY_BUCKETS, maxLength: LATENCY_BUCKETS }), (counts) => {
        const edges = chooseEdges(counts)
        expect(edges.length).toBeLessThanOrEqual(6)
        expect([...new Set(edges)].sort((a, b) => a - b)).toEqual(edges)
        for (const edge of edges) expect(LATENCY_EDGES_MS).toContain(edge)
      }),
      seeded(200),
    )
  })
})
