import { expect, test } from 'vitest'
import { noCounts } from '../../../src/domain/counts.ts'
import { counterCells, type Reading } from '../../../src/effects/kubernetes/metrics/counter-cells.ts'
import { testClock } from '../traffic/objects.ts'

const reading = (requests: number, rest: Partial<Reading> = {}): Reading => ({
  series: 'pod-1',
  slot: 'canary',
  revision: 'r1',
  replica: 'pod-1',
  ...noCounts,
  requests,
  ...rest,
})

function setUp(...readings: (readonly Reading[] | Error)[]) {
  const clock = testClock()
  const reader = counterCells({
    clock,
    source: 'test',
    async read() {
      const next = readings.shift() ?? []
      if (next instanceof Error) throw next
      return next
    },
  })
  const next = async (after: Awaited<ReturnType<typeof reader.cells>>['next'] | null = null) => {
    clock.advance(1000)
    const answer = await reader.cells('backend', after)
    return {
      cells: answer.cells.map(({ replica, requests, failures }) => [replica, requests, failures]),
      next: answer.next,
    }
  }
  return { next, reader, clock }
}

test('the first look is the baseline, later ones say what came in between, each once', async () => {
  const { next } = setUp(
    [reading(500)],
    [reading(503, { failures: 2 })],
    [reading(503, { failures: 2 })],
    [reading(510)],
  )
  const first = await next()
  const second = await next(first.next)
  expect(second.cells).toEqual([['pod-1', 3, 2]])
  const third = await next(second.next)
  expect(third.cells).toEqual([])
  expect((await next(third.next)).cells).toEqual([['pod-1', 7, 0]])
})

test('what a pod counted before the first look is its past, dated before all else, for who asks from the start', async () => {
  const { clock, reader } = setUp(
    [reading(500, { failures: 3 }), reading(900, { series: 'gateway', isShared: true })],
    [],
  )
  clock.advance(1000)
  const { cells, sinceSecond, next } = await reader.cells('backend', null)
  expect(cells).toMatchObject([{ replica: 'pod-1', requests: 500, failures: 3 }])
  expect(cells[0]!.second).toBeLessThan(sinceSecond! - 600)
  expect((await reader.cells('backend', next)).cells).toEqual([])
  expect((await reader.cells('backend', { ...next, source: 'a runner that has died' })).cells).toEqual([])
})

test('within a second it is read once', async () => {
  const { reader, clock } = setUp([reading(1)], [reading(5)], [reading(50)])
  for (const expected of [1, 2]) {
    clock.advance(1000)
    const { cells, next } = await reader.cells('backend', null)
    expect(cells).toHaveLength(expected)
    expect(await reader.cells('backend', next)).toMatchObject({ cells: [], next })
  }
})

test('a pod that shows up later began at 0; a counter that went back was started anew', async () => {
  const { next } = setUp([], [reading(4)], [reading(3, { failures: 1 })])
  const first = await next()
  const second = await next(first.next)
  expect(second.cells).toEqual([['pod-1', 4, 0]])
  expect((await next(second.next)).cells).toEqual([['pod-1', 3, 1]])
})

test('what a gateway counted before it was first reached, or while a series changed hands, is nobody’s', async () => {
  const { next } = setUp(
    [],
    [reading(900, { isShared: true })],
    [reading(905, { isShared: true, revision: 'r2' })],
    [reading(909, { isShared: true, revision: 'r2' })],
  )
  let after = (await next()).next
  const seen: unknown[] = []
  for (let look = 0; look < 3; look++) {
    const answer = await next(after)
    seen.push(answer.cells)
    after = answer.next
  }
  expect(seen).toEqual([[], [], [['pod-1', 4, 0]]])
})

test('the series of one replica are added up', async () => {
  const parts = (ok: number, bad: number) => [
    reading(ok, { series: '200' }),
    reading(bad, { series: '500', failures: bad }),
  ]
  const { next } = setUp(parts(10, 1), parts(16, 3))
  const { next: after } = await next()
  expect((await next(after)).cells).toEqual([['pod-1', 8, 2]])
})

test('what cannot be read is an error, not silence, and nothing of it is lost', async () => {
  const { next } = setUp([reading(1)], new Error('no answer'), [reading(6)])
  const { next: after } = await next()
  await expect(next(after)).rejects.toThrow('no answer')
  expect((await next(after)).cells).toEqual([['pod-1', 5, 0]])
})

test('the cursor of another process means nothing here', async () => {
  const { next } = setUp([reading(1)], [reading(6)])
  await next()
  expect((await next({ source: 'test#other', second: 1e9 })).cells).toEqual([['pod-1', 5, 0]])
})
