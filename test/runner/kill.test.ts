import { describe, expect, it } from 'vitest'
import { fakeEnvironment, Killed } from '../support/fake-environment.ts'

// The runner dies at every single point, before and after each append and each effect; the next one goes on.

const strategies = ['canary', 'blue-green', 'rolling'] as const
const versions = { good: {}, failing: { failureShare: 0.4 } } as const

async function release(
  strategy: (typeof strategies)[number],
  behaviour: { failureShare?: number },
  killAt: number | null,
) {
  const environment = fakeEnvironment({ behaviours: { v2: behaviour } })
  await environment.deploy('v1')
  await environment.run()
  await environment.deploy('v2', strategy)
  let points = 0
  const killing = {
    probe: () => {
      points++
      if (points === killAt) throw new Killed()
    },
  }
  await environment.run(killing).catch((error) => {
    if (!(error instanceof Killed)) throw error
  })
  if (killAt !== null) await environment.run()
  return { environment, points }
}

describe.each(strategies)('%s', (strategy) => {
  it.each(Object.entries(versions))(
    'of a %s version killed at any point ends as if it had not been',
    async (_, behaviour) => {
      const undisturbed = await release(strategy, behaviour, null)
      const expected = await undisturbed.environment.state()
      for (let killAt = 1; killAt <= undisturbed.points; killAt++) {
        const { environment } = await release(strategy, behaviour, killAt)
        const state = await environment.state()
        const context = `killed at point ${killAt} of ${undisturbed.points}`
        expect(state.last?.outcome, context).toBe(expected.last?.outcome)
        expect(state.services['backend']?.stable, context).toEqual(expected.services['backend']?.stable)
        expect(state.release, context).toBe(null)
        expect(environment.platform.dropped(), context).toBe(0)
        const violated = (await environment.kinds()).filter((kind) => kind === 'violated')
        expect(violated, context).toEqual([])
      }
    },
  )
})
