// What every platform does with replicas.
import { describe, expect, test } from 'vitest'
import { isReady, readyReplicas } from '../../src/domain/snapshot.ts'
import { BLUE, GREEN, going, ids, type PlatformSubject, running, runs, slotOf } from './platform-subject.ts'
import { type MakeSubject, skipWithout } from './subject.ts'

export function describeWorkloads(name: string, makeSubject: MakeSubject<PlatformSubject>): void {
  describe(`workloads, ${name}`, () => {
    const blueOf = ({ service }: PlatformSubject) => ({ service, slot: BLUE! })
    const greenOf = ({ service }: PlatformSubject) => ({ service, slot: GREEN! })

    test('a service has at least two slots, each with a name of its own', async () => {
      await using subject = await makeSubject()
      const { slots } = subject.platform.workloads.capabilities
      expect(slots).toEqual(expect.arrayContaining([BLUE, GREEN]))
      expect(new Set(slots).size).toBe(slots.length)
    })

    test('an applied revision becomes the wished number of ready replicas, and a repeat changes nothing', async () => {
      await using subject = await makeSubject()
      const revision = await running(subject, { replicas: 2 })
      const before = await slotOf(subject, BLUE!)
      expect(before).toMatchObject({ desiredRevision: revision.id, desiredReplicas: 2 })
      const target = { ...blueOf(subject), revision, replicas: 2 }
      for (let repeat = 0; repeat < 3; repeat++) await subject.platform.workloads.applyRevision(target, 1)
      expect(ids(await runs(subject, BLUE!, revision, 2))).toEqual(ids(before))
    })

    test('another number of replicas is started or ended, and those that stay are left alone', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      const revision = await running(subject, { replicas: 1 })
      const one = ids(await slotOf(subject, BLUE!))
      await workloads.applyRevision({ ...blueOf(subject), revision, replicas: 3 }, 1)
      const three = ids(await runs(subject, BLUE!, revision, 3))
      expect(three).toEqual(expect.arrayContaining(one))
      await workloads.applyRevision({ ...blueOf(subject), revision, replicas: 2 }, 1)
      expect(three).toEqual(expect.arrayContaining(ids(await runs(subject, BLUE!, revision, 2))))
    })

    test('another revision takes the place of the one before, and the other slot is left alone', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      const stable = await running(subject, { version: 'v0', slot: GREEN!, replicas: 1 })
      const untouched = ids(await slotOf(subject, GREEN!))
      await running(subject, { version: 'v1', replicas: 2 })
      const second = await subject.revision('v2')
      await workloads.prepare(second, going)
      await workloads.applyRevision({ ...blueOf(subject), revision: second, replicas: 1 }, 1)
      await runs(subject, BLUE!, second, 1)
      expect(ids(await runs(subject, GREEN!, stable, 1))).toEqual(untouched)
    })

    test('a roll keeps the number of ready replicas at every moment, also when it is asked for again and again', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      await running(subject, { version: 'v1', replicas: 2 })
      const second = await subject.revision('v2')
      await workloads.prepare(second, going)
      const counts: { ready: number; staying: number }[] = []
      await subject.until('all replicas are new', async () => {
        await workloads.rollInPlace({ ...blueOf(subject), revision: second, minReadyMs: 100 }, 1)
        const slot = await slotOf(subject, BLUE!)
        const staying = slot.replicas.filter((replica) => !replica.ending)
        counts.push({ ready: readyReplicas(slot), staying: staying.length })
        return staying.length === 2 && slot.replicas.every((one) => one.revision === second.id && isReady(one))
      })
      expect(Math.min(...counts.map(({ ready }) => ready))).toBeGreaterThanOrEqual(2)
      expect(Math.max(...counts.map(({ staying }) => staying))).toBeLessThanOrEqual(3)
      const after = await runs(subject, BLUE!, second, 2)
      expect(after.desiredReplicas).toBe(2)
      await workloads.rollInPlace({ ...blueOf(subject), revision: second, minReadyMs: 100 }, 1)
      expect(ids(await runs(subject, BLUE!, second, 2))).toEqual(ids(after))
    })

    test('a roll to what never becomes ready leaves the old replicas where they are', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      const first = await running(subject, { version: 'v1', replicas: 2 })
      const bad = await subject.revision('v2', 'neverReady')
      await workloads.prepare(bad, going)
      await workloads.rollInPlace({ ...blueOf(subject), revision: bad, minReadyMs: 0 }, 1)
      await subject.until('a new one has been started', async () =>
        (await slotOf(subject, BLUE!)).replicas.some((replica) => replica.revision === bad.id && replica.running),
      )
      expect(readyReplicas(await slotOf(subject, BLUE!), first.id)).toBe(2)
      await workloads.rollInPlace({ ...blueOf(subject), revision: first, minReadyMs: 0 }, 1)
      await runs(subject, BLUE!, first, 2)
    })

    test('a floor raises the number of replicas, and never lowers it', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      const revision = await running(subject, { replicas: 1 })
      await workloads.ensureFloor({ ...blueOf(subject), replicas: 2 }, 1)
      const two = ids(await runs(subject, BLUE!, revision, 2))
      for (const replicas of [2, 1, 0]) await workloads.ensureFloor({ ...blueOf(subject), replicas }, 1)
      const after = await runs(subject, BLUE!, revision, 2)
      expect({ ids: ids(after), desiredReplicas: after.desiredReplicas }).toEqual({ ids: two, desiredReplicas: 2 })
    })

    test('a floor of an empty slot starts nothing', async () => {
      await using subject = await makeSubject()
      await subject.platform.workloads.ensureFloor({ ...greenOf(subject), replicas: 2 }, 1)
      expect(await slotOf(subject, GREEN!)).toEqual({ desiredRevision: null, desiredReplicas: 0, replicas: [] })
    })

    test('a retired slot becomes empty, and a repeat is harmless, also where nothing ever was', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      await running(subject)
      await workloads.retire(blueOf(subject), 1)
      await workloads.retire(blueOf(subject), 1)
      await subject.until('the slot is empty', async () => (await slotOf(subject, BLUE!)).replicas.length === 0)
      await workloads.retire(blueOf(subject), 1)
      await workloads.retire(greenOf(subject), 1)
      for (const slot of [BLUE!, GREEN!]) {
        expect(await slotOf(subject, slot)).toEqual({ desiredRevision: null, desiredReplicas: 0, replicas: [] })
      }
    })

    test('a retired slot can be used again', async () => {
      await using subject = await makeSubject()
      await running(subject, { version: 'v1', replicas: 1 })
      await subject.platform.workloads.retire(blueOf(subject), 1)
      await running(subject, { version: 'v2', replicas: 1 })
    })

    test('after a take-over every write of an older epoch is refused and changes nothing', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      const revision = await running(subject, { replicas: 1 })
      const second = await subject.revision('v2')
      await workloads.takeEpoch(5)
      const before = await slotOf(subject, BLUE!)
      const writes = [
        workloads.applyRevision({ ...blueOf(subject), revision: second, replicas: 3 }, 4),
        workloads.rollInPlace({ ...blueOf(subject), revision: second, minReadyMs: 0 }, 4),
        workloads.ensureFloor({ ...blueOf(subject), replicas: 3 }, 4),
        workloads.retire(blueOf(subject), 4),
        workloads.takeEpoch(4),
      ]
      for (const write of await Promise.allSettled(writes)) {
        expect(write).toMatchObject({ status: 'rejected', reason: { code: 'STALE_EPOCH' } })
      }
      const after = await slotOf(subject, BLUE!)
      expect({ ...after, replicas: ids(after) }).toEqual({ ...before, replicas: ids(before) })
      await workloads.takeEpoch(5)
      await workloads.applyRevision({ ...blueOf(subject), revision, replicas: 1 }, 5)
    })

    test('a write of a newer epoch is a take-over too', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      await workloads.retire(greenOf(subject), 7)
      await expect(workloads.retire(greenOf(subject), 6)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
    })

    test('what keeps exiting is reported as a crash loop, and what never becomes ready as not ready', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      for (const [slot, behaviour] of [
        [BLUE!, 'crashes'],
        [GREEN!, 'neverReady'],
      ] as const) {
        const revision = await subject.revision(behaviour, behaviour)
        await workloads.prepare(revision, going)
        await workloads.applyRevision({ service: subject.service, slot, revision, replicas: 1 }, 1)
      }
      await subject.until('a crash loop', async () => (await slotOf(subject, BLUE!)).replicas[0]?.crashLooping ?? false)
      await subject.until('it runs', async () => (await slotOf(subject, GREEN!)).replicas[0]?.running ?? false)
      const [crashing] = (await slotOf(subject, BLUE!)).replicas
      expect(crashing).toMatchObject({ ready: false, ending: false })
      expect(crashing!.restarts).toBeGreaterThan(0)
      const [deaf] = (await slotOf(subject, GREEN!)).replicas
      expect(deaf).toMatchObject({ ready: false, crashLooping: false })
    })

    test('a preparation that is aborted says so and can be repeated, and one that is done costs nothing', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      const revision = await subject.revision('v1')
      const aborted = workloads.prepare(revision, AbortSignal.abort(new Error('taken back')))
      await expect(aborted).rejects.toThrow('taken back')
      await workloads.prepare(revision, going)
      await workloads.prepare(revision, going)
    })

    test('a build that fails is an operating error', async (context) => {
      await using subject = await makeSubject()
      skipWithout(context, subject.builds === false ? 'nothing is built here' : {})
      const revision = await subject.revision('v1', 'buildFails')
      await expect(subject.platform.workloads.prepare(revision, going)).rejects.toMatchObject({ code: 'BUILD_FAILED' })
    })
  })
}
