import { describe, expect, it } from 'vitest'
import type { SequentialState } from '../../src/analysis/sequential-state.ts'
import { fakeEnvironment, Killed } from '../support/fake-environment.ts'

interface Saved {
  readonly key: string
  readonly judge: SequentialState
}

/** A canary release of a good version, whose runner dies at a point and is started again; all checkpoints of the judge. */
async function checkpoints(killAt: number | null) {
  const environment = fakeEnvironment()
  await environment.deploy('v1')
  await environment.run()
  const saved: Saved[] = []
  const { journal } = environment
  const save = journal.saveCheckpoint.bind(journal)
  journal.saveCheckpoint = async (key, value) => {
    if (key === 'judge/backend') saved.push(structuredClone(value) as Saved)
    await save(key, value)
  }
  await environment.deploy('v2', 'canary')
  let points = 0
  const probe = () => {
    points++
    if (points === killAt) throw new Killed()
  }
  await environment.run({ probe }).catch((error) => {
    if (!(error instanceof Killed)) throw error
  })
  if (killAt !== null) await environment.run()
  expect(await environment.stableVersion()).toBe('v2')
  return { saved, points }
}

function byStage(saved: readonly Saved[]): Map<string, SequentialState[]> {
  const stages = new Map<string, SequentialState[]>()
  for (const { key, judge } of saved) stages.set(key, [...(stages.get(key) ?? []), judge])
  return stages
}

describe('the judge from stage to stage', () => {
  it('starts with what the stage before left of α, and with what it knew', async () => {
    const { saved } = await checkpoints(null)
    const stages = [...byStage(saved).values()]
    expect(stages.map(([first]) => first?.alpha.stage.errorRate)).toEqual([0.0025, 0.00125, 0.00125])
    expect(stages.map(([first]) => (first?.release.before.units ?? 0) > 0)).toEqual([true, true, true])
    const befores = stages.map(([first]) => first!.release.before.units)
    expect([...befores].sort((a, b) => a - b)).toEqual(befores)
    expect(stages.map(([first]) => Object.keys(first!.release.cut.ages.since).length > 0)).toEqual([false, true, true])
  })

  it('never gets fresh α nor forgets what it counted, wherever the runner is killed', async () => {
    const { points } = await checkpoints(null)
    for (let killAt = 1; killAt <= points; killAt++) {
      const { saved } = await checkpoints(killAt)
      const stages = [...byStage(saved).values()]
      const context = `killed at point ${killAt} of ${points}`
      expect(
        stages.map(([first]) => first?.alpha.stage.errorRate),
        context,
      ).toEqual([0.0025, 0.00125, 0.00125])
      for (const states of stages) {
        const requests = states.map(({ stage }) => stage.requests.canary)
        expect(
          [...requests].sort((a, b) => a - b),
          context,
        ).toEqual(requests)
        expect(new Set(states.map(({ alpha }) => JSON.stringify(alpha))).size, context).toBe(1)
      }
    }
  })
})
