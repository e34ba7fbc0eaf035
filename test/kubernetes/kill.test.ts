// The runner dies before and after each append and each effect, at every single one of them. What goes on is another
// process on another machine: all it has is the way to the API server. Everything is real but the server, the cluster
// behind it, and time.
//
// Canaries, which have the most steps, are killed at every point; blue-green, which is most of the same, at every third,
// and at all of them with MOODIFY_TEST_MATRIX=1. Records come out the same to the byte, however busy the machine is.
import { describe, expect, it } from 'vitest'
import type { JournalRecord } from '../../src/engine/record.ts'
import { type ClusterEnvironment, clusterEnvironment, Killed } from '../support/cluster-environment.ts'

const strategies = {
  'blue-green': { layout: 'layout: blue-green', stride: process.env['MOODIFY_TEST_MATRIX'] ? 1 : 3 },
  canary: { layout: 'layout: single, traffic: replicas', stride: 1 },
} as const
type Strategy = keyof typeof strategies

const versions = { 'a good version': 'v', 'a failing version': 'failing-v' } as const

/** What is told of a release, whichever slot it was in and however often it was tried. */
function story(records: readonly JournalRecord[]) {
  const finished = records.flatMap(({ body }) => (body.kind === 'stepFinished' ? [body.step.kind] : []))
  const outcome = records.flatMap(({ body }) => (body.kind === 'releaseEnded' ? [body.outcome] : []))
  const kinds = records.map(({ body }) => body.kind)
  return {
    finished,
    outcome,
    turnedBack: kinds.filter((kind) => kind === 'turnedBack').length,
    violated: kinds.filter((kind) => kind === 'violated').length,
    causes: records.flatMap(({ body }) => (body.kind === 'turnedBack' ? [body.cause.kind] : [])),
  }
}

interface Ending {
  readonly points: number
  readonly story: ReturnType<typeof story>
  /** Of the slots that still run something. */
  readonly running: readonly number[]
  readonly dropped: number
}

/** Ships one version, with its first runner killed at this point. */
async function release(
  environment: ClusterEnvironment,
  version: string,
  strategy: Strategy,
  killAt: number | null,
): Promise<Ending> {
  const before = (await environment.process().state()).seq
  await environment.process().deploy({ version, strategy })
  let points = 0
  const first = environment.process(() => ++points === killAt)
  await first.run().catch((error) => {
    if (!(error instanceof Killed)) throw error
  })
  if (killAt !== null) await environment.process().run()
  const records = await environment.process().records(before)
  const running = Object.values(await environment.replicas()).filter((replicas) => replicas > 0)
  return { points, story: story(records), running: running.toSorted(), dropped: environment.dropped() }
}

describe.each(Object.entries(strategies) as [Strategy, (typeof strategies)[Strategy]][])(
  '%s on a cluster',
  (strategy, { layout, stride }) => {
    it.each(Object.entries(versions))(
      'of %s killed at any point goes on elsewhere and ends as if nothing had been',
      async (_, name) => {
        await using environment = clusterEnvironment({ layout })
        await environment.process().deploy({ version: 'v0' })
        await environment.process().run()
        // Each version is another one, so that one environment serves for all points.
        const expected = await release(environment, `${name}1`, strategy, null)
        expect(expected.story.outcome).toEqual([name === 'v' ? 'released' : 'rolled-back'])
        expect(expected.points).toBeGreaterThan(40)
        for (let killAt = 1; killAt <= expected.points; killAt += stride) {
          const killed = await release(environment, `${name}${killAt + 1}`, strategy, killAt)
          const context = `killed at point ${killAt} of ${expected.points}`
          expect(killed.story, context).toEqual(expected.story)
          expect(killed.running, context).toEqual(expected.running)
          expect(killed.dropped, context).toBe(0)
          const { services, release: left } = await environment.process().state()
          expect(left, context).toBe(null)
          expect(services['backend']!.stable!.revision.version, context).toBe(name === 'v' ? `v${killAt + 1}` : 'v0')
        }
      },
      1_800_000,
    )
  },
)
