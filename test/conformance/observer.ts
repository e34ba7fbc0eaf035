// What every platform lets be seen.
import { describe, expect, test } from 'vitest'
import { type Cell, LATENCY_BUCKETS } from '../../src/domain/counts.ts'
import type { CellCursor } from '../../src/effects/ports/platform.ts'
import { BLUE, factsOf, follows, GREEN, type PlatformSubject, running, slotOf } from './platform-subject.ts'
import type { MakeSubject } from './subject.ts'

/** Reads on from a cursor until there are cells of a revision. */
async function cellsOf(subject: PlatformSubject, revision: string, after: CellCursor | null) {
  const read: Cell[] = []
  let cursor = after
  await subject.until(`cells of ${revision}`, async () => {
    const { cells, next } = await subject.platform.observer.cells(subject.service, cursor)
    read.push(...cells)
    cursor = next
    return read.some((cell) => cell.revision === revision)
  })
  return { read, cursor: cursor! }
}

export function describeObserver(name: string, makeSubject: MakeSubject<PlatformSubject>): void {
  describe(`observer, ${name}`, () => {
    const serve = async (subject: PlatformSubject, slot: string, generation: number) => {
      const { platform, service } = subject
      await platform.traffic.setShares({ service, shares: { [slot]: 100 }, generation }, 1)
      await follows(subject, generation)
      await subject.serveUsers()
    }

    test('a platform on which nothing runs is seen as just that', async () => {
      await using subject = await makeSubject()
      const snapshot = await subject.platform.observer.snapshot()
      expect(snapshot).toMatchObject({ complete: true, missing: [] })
      expect(snapshot.observedAgoMs).toBeGreaterThanOrEqual(0)
      for (const slot of [BLUE!, GREEN!]) expect((await slotOf(subject, slot)).replicas).toEqual([])
      expect((await factsOf(subject)).route).toMatchObject({ generation: 0, shares: {} })
    })

    test('each replica has an id of its own and says what it runs and since when', async () => {
      await using subject = await makeSubject()
      const revision = await running(subject, { replicas: 2 })
      const { replicas } = await slotOf(subject, BLUE!)
      expect(new Set(replicas.map(({ id }) => id)).size).toBe(2)
      for (const replica of replicas) {
        expect(replica).toMatchObject({ revision: revision.id, restarts: 0, crashLooping: false, failingHealth: false })
        expect(replica.startedAgoMs).toBeGreaterThanOrEqual(0)
      }
    })

    test('a snapshot never fails: what does not answer is named', async () => {
      await using subject = await makeSubject()
      await running(subject, { replicas: 1 })
      await subject.blind()
      // One that is not older than it says may come from just before.
      const snapshot = await subject.until('it is noticed', async () => {
        const seen = await subject.platform.observer.snapshot()
        return !seen.complete && seen
      })
      expect(snapshot.missing.length).toBeGreaterThan(0)
      for (const part of snapshot.missing) expect(part).not.toBe('')
    })

    test('cells say which revision served, and add up', async () => {
      await using subject = await makeSubject()
      const revision = await running(subject, { replicas: 2 })
      await serve(subject, BLUE!, 1)
      const { read } = await cellsOf(subject, revision.id, null)
      const replicas = (await slotOf(subject, BLUE!)).replicas.map(({ id }) => id)
      for (const cell of read) {
        expect(cell).toMatchObject({ slot: BLUE, revision: revision.id, failures: 0 })
        expect(replicas).toContain(cell.replica)
        expect(Number.isInteger(cell.second)).toBe(true)
        expect(cell.requests).toBeGreaterThan(0)
        expect(cell.latency).toHaveLength(LATENCY_BUCKETS)
        expect(cell.latency.reduce((sum, count) => sum + count, 0)).toBe(cell.requests)
      }
    })

    test('over a cursor each cell is read exactly once, whatever is read when', async () => {
      await using subject = await makeSubject()
      const { observer } = subject.platform
      const first = await running(subject, { slot: BLUE!, version: 'v1', replicas: 2 })
      const second = await running(subject, { slot: GREEN!, version: 'v2', replicas: 1 })
      await serve(subject, BLUE!, 1)
      const start = await cellsOf(subject, first.id, null)
      await serve(subject, GREEN!, 2)
      const rest = await cellsOf(subject, second.id, start.cursor)
      const again = await observer.cells(subject.service, rest.cursor)
      const inParts = [...start.read, ...rest.read, ...again.cells]
      const atOnce = (await observer.cells(subject.service, null)).cells.filter(
        (cell) => cell.second <= again.next.second,
      )
      const inOrder = (cells: readonly Cell[]) =>
        cells.toSorted((a, b) => a.second - b.second || a.replica.localeCompare(b.replica))
      expect(inOrder(inParts)).toEqual(inOrder(atOnce))
      const keys = inParts.map(({ second: at, replica }) => `${at} ${replica}`)
      expect(new Set(keys).size).toBe(keys.length)
      const seconds = inParts.map((cell) => cell.second)
      expect(seconds).toEqual(seconds.toSorted((a, b) => a - b))
    })

    test('a cursor read twice gives the same cells: nothing is used up by reading', async () => {
      await using subject = await makeSubject()
      const { observer } = subject.platform
      const revision = await running(subject, { replicas: 1 })
      await serve(subject, BLUE!, 1)
      const { read, cursor } = await cellsOf(subject, revision.id, null)
      const once = await observer.cells(subject.service, null)
      expect(once.cells.filter((cell) => cell.second <= cursor.second)).toEqual(read)
      expect(once.next.source).toBe(cursor.source)
    })

    test('a service without traffic has no cells, and its cursor goes on', async () => {
      await using subject = await makeSubject()
      await running(subject, { replicas: 1 })
      const { cells, next } = await subject.platform.observer.cells(subject.service, null)
      expect(cells).toEqual([])
      await subject.until('the cursor has moved', async () => {
        const later = await subject.platform.observer.cells(subject.service, next)
        expect(later.cells).toEqual([])
        return later.next.second > next.second
      })
    })
  })
}
