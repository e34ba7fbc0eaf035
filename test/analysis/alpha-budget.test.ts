import { describe, expect, test } from 'vitest'
import {
  errorRateTests,
  fullPurse,
  purseAfter,
  takeForStage,
  wholeReleaseAlpha,
} from '../../src/analysis/alpha-budget.ts'

function stagesOf(count: number) {
  let purse = fullPurse(1)
  return Array.from({ length: count }, (_, at) => {
    const { stage, left } = takeForStage(purse, at === count - 1)
    purse = left
    return stage
  })
}

describe('the purse', () => {
  test('gives three stages 0.25, 0.125 and 0.125 for the error rate', () => {
    expect(stagesOf(3).map((stage) => stage.errorRate)).toEqual([0.25, 0.125, 0.125])
  })

  test.each([1, 2, 3, 7])('is spent completely and never beyond by %s stages', (count) => {
    const { guardrails, cumulative } = wholeReleaseAlpha(1)
    const stages = stagesOf(count).reduce(
      (sum, { errorRate, latency, otherMetrics }) => sum + errorRate + latency + otherMetrics,
      0,
    )
    expect(stages + guardrails + cumulative).toBeCloseTo(1, 12)
  })

  test('is not refilled for a stage whose predecessors are not known', () => {
    const first = takeForStage(fullPurse(0.01), false)
    const second = takeForStage(first.left, false)
    expect(purseAfter(0.01, 2)).toEqual(second.left)
  })

  test('shares the error rate of a stage among its three tests', () => {
    const { boundary, evidence, warmUp } = errorRateTests(0.01)
    expect(boundary + evidence + warmUp).toBeCloseTo(0.01, 12)
  })
})
