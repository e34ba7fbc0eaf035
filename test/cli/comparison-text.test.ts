import { describe, expect, test } from 'vitest'
import type { ComparisonEvidence } from '../../src/domain/verdict.ts'
import { comparisonLines } from '../../src/views/cli/comparison-text.ts'

const comparison: ComparisonEvidence = {
  logEvidence: Math.log(340),
  logThreshold: Math.log(1000),
  ratio: { low: 4.02, best: 6, high: 9.1 },
  boundary: { bad: 10, candidateBad: 6, crossesAt: 6 },
  alphaSpent: 0.000675,
  alpha: 0.01,
  path: { everyMs: 2000, boundary: [0, 0.2, 0.5, 1], evidence: [0, 0, 0.4, 0.84] },
}

describe('a comparison in words', () => {
  test('has the exact test, the evidence, the interval, the part of α, and the path to where it goes back', () => {
    expect(comparisonLines(comparison)).toEqual([
      [
        'tests',
        "6 of 10 bad cells are its own, back at 6; evidence 340 : 1, back at 1,000 : 1; errors 4× to 9.1× stable's; 0.068 of 1 % α spent",
      ],
      ['path', '▁▂▄█ exact test; a column is 2 s, a full one takes it back'],
      ['', '▁▁▃▆ evidence'],
    ])
  })

  test('leaves out what is not known, and a path on which nothing has happened', () => {
    const nothingYet: ComparisonEvidence = {
      logEvidence: 0,
      logThreshold: null,
      ratio: { low: null, best: null, high: null },
      boundary: null,
      alphaSpent: 0,
      alpha: 0.01,
      path: { everyMs: 1000, boundary: [0, 0], evidence: [0, 0] },
    }
    expect(comparisonLines(nothingYet)).toEqual([['tests', 'evidence 1 : 1; 0 of 1 % α spent']])
  })
})
