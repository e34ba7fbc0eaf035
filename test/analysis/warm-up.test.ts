import { describe, expect, test } from 'vitest'
import { noAges, sortByAge } from '../../src/analysis/warm-up.ts'
import { type Cell, noCounts } from '../../src/domain/counts.ts'

const cell = (replica: string, second: number): Cell => ({
  ...{ slot: 'green', revision: 'new', replica, second, requests: 1, failures: 0 },
  latency: noCounts.latency,
})

/** Names of the replicas that were warm, by tick. */
function warmOf(ticks: readonly (readonly Cell[])[], seconds = 30): string[][] {
  let ages = noAges
  return ticks.map((cells) => {
    const sorted = sortByAge(ages, cells, seconds)
    expect([...sorted.warm, ...sorted.cold].length).toBe(cells.length)
    ages = sorted.ages
    return sorted.warm.map(({ replica }) => replica)
  })
}

describe('warm-up', () => {
  test('leaves each replica out for its own first seconds with traffic', () => {
    expect(
      warmOf([[cell('a', 100)], [cell('a', 129)], [cell('a', 130), cell('b', 130)], [cell('a', 131), cell('b', 160)]]),
    ).toEqual([[], [], ['a'], ['a', 'b']])
  })

  test('is over for good once it is over, also when the clock of the data plane starts anew', () => {
    expect(
      warmOf([[cell('a', 100)], [cell('a', 200), cell('b', 200)], [cell('a', 1), cell('b', 1)], [cell('b', 31)]]),
    ).toEqual([[], ['a'], ['a'], ['b']])
  })

  test('of no length leaves nothing out', () => {
    expect(warmOf([[cell('a', 1)]], 0)).toEqual([['a']])
  })

  test('remembers a bounded number of replicas', () => {
    let ages = noAges
    for (let at = 0; at < 1000; at++) ages = sortByAge(ages, [cell(`r${at}`, at)], 30).ages
    expect(Object.keys(ages.since).length).toBe(200)
  })
})
