import { describe, expect, test } from 'vitest'
import { addLoad, bySecond, compareCells, compareShares, noLoad, tallyRequests } from '../../src/analysis/cells.ts'
import { type Cell, noCounts } from '../../src/domain/counts.ts'

function cell(replica: string, second: number, requests: number, failures = 0): Cell {
  return { slot: 'green', revision: 'new', replica, second, requests, failures, latency: noCounts.latency }
}
const failed = (each: Cell) => each.failures > 0
const loadOf = (cells: readonly Cell[]) => addLoad(noLoad, cells)

describe('cells', () => {
  test('are compared second by second, without those that had no request or belong to neither version', () => {
    const cells = [cell('b', 2, 5), cell('a', 1, 5), cell('c', 2, 0), cell('x', 2, 9), cell('s', 2, 7)]
    const armOf = ({ replica }: Cell) => (replica === 'x' ? null : replica === 's' ? 'stable' : 'canary')
    expect(bySecond(cells, armOf)).toEqual([
      { second: 1, canary: [cell('a', 1, 5)], stable: [] },
      { second: 2, canary: [cell('b', 2, 5)], stable: [cell('s', 2, 7)] },
    ])
  })

  test('count ten failures of one replica in one second as one', () => {
    const canary = [cell('a', 1, 10, 10), cell('b', 1, 10)]
    const stable = [cell('s', 1, 10, 3)]
    const loads = { canary: loadOf(canary), stable: loadOf(stable) }
    expect(compareCells({ canary, stable }, failed, loads)).toEqual({
      canary: { units: 2, bad: 1 },
      stable: { units: 1, bad: 1 },
    })
  })

  test('of a canary with more requests per cell weigh more, with fewer no less', () => {
    const canary = [cell('a', 1, 30), cell('b', 1, 30)]
    const stable = [cell('s', 1, 10), cell('t', 1, 10)]
    const loads = { canary: loadOf(canary), stable: loadOf(stable) }
    expect(compareCells({ canary, stable }, failed, loads).canary.units).toBe(6)
    const reversed = { canary: loads.stable, stable: loads.canary }
    expect(compareCells({ canary: stable, stable: canary }, failed, reversed).canary.units).toBe(2)
    const alone = { canary: loads.canary, stable: noLoad }
    expect(compareCells({ canary, stable: [] }, failed, alone)).toEqual({
      canary: { units: 2, bad: 0 },
      stable: { units: 0, bad: 0 },
    })
  })

  test('count with the share of their bad requests where shares are compared', () => {
    const canary = [cell('a', 1, 10, 5), cell('b', 1, 4, 1)]
    expect(compareShares({ canary, stable: [] }, (each) => each.failures)).toEqual({
      canary: { units: 2, bad: 0.75 },
      stable: { units: 0, bad: 0 },
    })
    expect(tallyRequests(canary, (each) => each.failures)).toEqual({ units: 14, bad: 6 })
  })
})
