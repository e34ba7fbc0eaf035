// A canary that is a visitor, through the real runner, engine and judge, on the fake platform.
import { describe, expect, it } from 'vitest'
import { fakeEnvironment } from '../support/fake-environment.ts'

const layouts = {
  'two colours': { slots: ['blue', 'green'], visitor: 'canary' },
  'one Deployment': { slots: ['stable'], visitor: 'canary' },
} as const

async function withStable(options: Parameters<typeof fakeEnvironment>[0]) {
  const environment = fakeEnvironment(options)
  await environment.deploy('v1')
  await environment.run()
  expect(await environment.stableVersion()).toBe('v1')
  return environment
}

describe.each(Object.entries(layouts))('a visiting canary with %s', (_, layout) => {
  it('ends where it is to stay, leaves nothing in the slot that it visited, and drops nothing', async () => {
    const environment = await withStable({ layout })
    await environment.deploy('v2')
    await environment.run()
    const state = await environment.state()
    const home = layout.slots.at(-1)!
    expect(state.last?.outcome).toBe('released')
    expect(state.services['backend']?.stable).toMatchObject({ slot: home, revision: { version: 'v2' } })
    expect(environment.platform.sharesOf('backend')).toEqual({ [home]: 100 })
    expect(environment.platform.versionsIn('backend', 'canary')).toEqual([])
    expect(environment.platform.dropped()).toBe(0)
  })

  it('is judged where it gets traffic, and taken back while it visits', async () => {
    const environment = await withStable({ layout, behaviours: { v2: { failureShare: 0.3 } } })
    await environment.deploy('v2')
    await environment.run()
    const state = await environment.state()
    expect(state.last).toMatchObject({ outcome: 'rolled-back', cause: { kind: 'verdict' } })
    expect(environment.platform.versionsIn('backend', 'canary')).toEqual([])
    expect(environment.platform.versionsIn('backend', layout.slots[0])).toContain('v1')
    expect(environment.platform.dropped()).toBe(0)
  })

  it('comes back by an abort after any of its effects, and drops nothing', async () => {
    const plain = await withStable({ layout })
    await plain.deploy('v2')
    const points: string[] = []
    await plain.run({ probe: (point) => points.push(point) })
    const effects = points.filter((point) => point.startsWith('after effect') && !point.endsWith('retire'))
    expect(effects.length).toBeGreaterThan(10)
    for (let index = 0; index < effects.length; index++) {
      const environment = await withStable({ layout })
      await environment.deploy('v2')
      let seen = -1
      await environment.runUntil((point) => point.startsWith('after effect') && ++seen === index)
      await environment.post({ verb: 'abort' })
      await environment.run()
      const where = `abort after effect ${index}, ${effects[index]}`
      expect(await environment.stableVersion(), where).toBe('v1')
      expect(environment.platform.dropped(), where).toBe(0)
      expect(environment.platform.versionsIn('backend', 'canary'), where).toEqual([])
      expect(environment.platform.sharesOf('backend'), where).toEqual({ [layout.slots[0]]: 100 })
    }
  })
})
