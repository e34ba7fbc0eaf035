import { describe, expect, test } from 'vitest'
import { addPoint, noPath } from '../../src/analysis/evidence-path.ts'

const at = (part: number) => ({ boundary: part, evidence: part / 2 })

describe('the path of the evidence', () => {
  test('has a point per second, and a second without data is as the one before it', () => {
    const path = [1000, 2000, 5000].reduce((so, ms) => addPoint(so, ms, at(ms / 10_000)), noPath)
    expect(path).toEqual({
      everyMs: 1000,
      boundary: [0.1, 0.2, 0.2, 0.2, 0.5],
      evidence: [0.05, 0.1, 0.1, 0.1, 0.25],
    })
  })

  test('keeps its size however long it gets, its end, and that it rises', () => {
    let path = noPath
    for (let second = 1; second <= 10_000; second++) path = addPoint(path, second * 1000, at(second / 10_000))
    expect(path.boundary.length).toBeLessThanOrEqual(48)
    expect(path.boundary.length).toBeGreaterThan(20)
    expect(path.everyMs * path.boundary.length).toBeGreaterThanOrEqual(10_000_000)
    expect(path.boundary.at(-1)).toBe(1)
    expect([...path.boundary].sort((a, b) => a - b)).toEqual(path.boundary)
  })

  test('skips far ahead without filling memory', () => {
    const { boundary, everyMs } = addPoint(addPoint(noPath, 1000, at(0.1)), 1e12, at(0.9))
    expect(boundary.length).toBeLessThanOrEqual(48)
    expect(everyMs * 48).toBeGreaterThanOrEqual(1e12)
  })

  test('stays between 0 and 1', () => {
    expect(addPoint(noPath, 0, { boundary: 7, evidence: -3 })).toMatchObject({ boundary: [1], evidence: [0] })
  })
})
