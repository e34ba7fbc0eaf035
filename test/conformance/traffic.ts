// What every platform does with traffic.
import { describe, expect, test } from 'vitest'
import type { Shares } from '../../src/domain/names.ts'
import { BLUE, factsOf, follows, GREEN, type PlatformSubject, running } from './platform-subject.ts'
import { type MakeSubject, skipWithout } from './subject.ts'

export function describeTraffic(name: string, makeSubject: MakeSubject<PlatformSubject>): void {
  describe(`traffic, ${name}`, () => {
    const set = ({ platform, service }: PlatformSubject, shares: Shares, generation: number, epoch = 1) =>
      platform.traffic.setShares({ service, shares, generation }, epoch)

    test('shares are answered as they can be had, and then seen in the snapshot', async () => {
      await using subject = await makeSubject()
      await running(subject)
      expect(await set(subject, { blue: 100 }, 1)).toEqual({ blue: 100 })
      const { route } = await follows(subject, 1)
      expect(route).toMatchObject({ generation: 1, shares: { blue: 100 } })
      expect(route.slots['blue']).toMatchObject({ endpoints: 2, outOfRotationMs: null })
    })

    test('a share in steps as small as declared', async (context) => {
      await using subject = await makeSubject()
      const { split, granularityPercent } = subject.platform.traffic.capabilities
      skipWithout(context, split === 'switch' ? 'this data plane only switches' : {})
      await running(subject, { slot: BLUE!, version: 'v1' })
      await running(subject, { slot: GREEN!, version: 'v2' })
      const shares = { blue: 100 - granularityPercent, green: granularityPercent }
      expect(await set(subject, shares, 1)).toEqual(shares)
      expect((await follows(subject, 1)).route.shares).toEqual(shares)
    })

    test('the same generation with the same shares is a repeat', async () => {
      await using subject = await makeSubject()
      await running(subject)
      for (let repeat = 0; repeat < 3; repeat++) await set(subject, { blue: 100 }, 3)
      await follows(subject, 3)
      expect(await set(subject, { blue: 100 }, 3)).toEqual({ blue: 100 })
      expect((await factsOf(subject)).route.generation).toBe(3)
    })

    test('a slot that is named with no share is the same as one that is not named', async () => {
      await using subject = await makeSubject()
      await running(subject)
      await set(subject, { blue: 100 }, 1)
      await follows(subject, 1)
      await set(subject, { green: 0, blue: 100 }, 1)
      expect((await factsOf(subject)).route.slots['blue']?.outOfRotationMs).toBe(null)
    })

    test('a generation not above the current one is refused and changes nothing', async () => {
      await using subject = await makeSubject()
      await running(subject)
      await set(subject, { blue: 100 }, 4)
      for (const [shares, generation] of [
        [{ green: 100 }, 3],
        [{ blue: 100 }, 3],
        [{ green: 100 }, 4],
      ] as const) {
        await expect(set(subject, shares, generation)).rejects.toMatchObject({ code: 'STALE_GENERATION' })
      }
      expect((await follows(subject, 4)).route).toMatchObject({ generation: 4, shares: { blue: 100 } })
    })

    test('after a take-over a change of an older epoch is refused and changes nothing', async () => {
      await using subject = await makeSubject()
      const { traffic } = subject.platform
      await running(subject)
      await set(subject, { blue: 100 }, 1)
      await follows(subject, 1)
      await traffic.takeEpoch(5)
      await expect(set(subject, { green: 100 }, 2, 4)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
      await expect(set(subject, { blue: 100 }, 1, 4)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
      await expect(traffic.takeEpoch(4)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
      expect((await factsOf(subject)).route).toMatchObject({ generation: 1, shares: { blue: 100 } })
      await traffic.takeEpoch(5)
      await set(subject, { blue: 100 }, 2, 5)
      await follows(subject, 2)
    })

    test('a change of a newer epoch is a take-over too', async () => {
      await using subject = await makeSubject()
      await set(subject, { blue: 100 }, 1, 7)
      await expect(set(subject, { blue: 100 }, 2, 6)).rejects.toMatchObject({ code: 'STALE_EPOCH' })
    })

    test('a slot is out of rotation since its share was taken away, and in it as soon as it has one again', async () => {
      await using subject = await makeSubject()
      await running(subject, { slot: BLUE!, version: 'v1', replicas: 1 })
      await running(subject, { slot: GREEN!, version: 'v2', replicas: 1 })
      await set(subject, { blue: 100 }, 1)
      const before = (await follows(subject, 1)).route.slots
      expect(before['blue']!.outOfRotationMs).toBe(null)
      expect(before['green']!.outOfRotationMs).not.toBe(null)
      await set(subject, { green: 100 }, 2)
      const first = (await follows(subject, 2)).route.slots
      expect(first['green']!.outOfRotationMs).toBe(null)
      expect(first['blue']!.outOfRotationMs).not.toBe(null)
      const later = await subject.until('time has passed', async () => {
        const { blue } = (await factsOf(subject)).route.slots
        return blue!.outOfRotationMs! > first['blue']!.outOfRotationMs! && blue!
      })
      expect(later.inFlight).toBe(0)
      await set(subject, { blue: 100 }, 3)
      expect((await follows(subject, 3)).route.slots['blue']!.outOfRotationMs).toBe(null)
    })

    test('a slot that has a share before it has replicas is in rotation when they come', async () => {
      await using subject = await makeSubject()
      await set(subject, { blue: 100 }, 1)
      await follows(subject, 1)
      await running(subject, { slot: BLUE!, replicas: 1 })
      await subject.until('it has an endpoint', async () => {
        const { blue } = (await factsOf(subject)).route.slots
        return blue?.endpoints === 1 && blue.outOfRotationMs === null
      })
    })

    test('the wish to keep replicas that get no traffic outlives a change of shares', async () => {
      await using subject = await makeSubject()
      const first = await running(subject, { slot: BLUE!, version: 'v1', replicas: 1 })
      await running(subject, { slot: GREEN!, version: 'v2', replicas: 1 })
      await set(subject, { blue: 100 }, 1)
      await set(subject, { green: 100 }, 2)
      await follows(subject, 2)
      expect((await factsOf(subject)).slots['blue']).toMatchObject({ desiredRevision: first.id, desiredReplicas: 1 })
    })
  })
}
