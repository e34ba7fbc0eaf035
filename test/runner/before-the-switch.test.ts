import { expect, it } from 'vitest'
import { configText, fakeEnvironment } from '../support/fake-environment.ts'

it('blue-green with a share before the switch finds a bad version while almost all users are on the old one', async () => {
  const config = configText.replace(
    'blueGreen: { monitorSeconds: 20 }',
    'blueGreen: { monitorSeconds: 20, preSwitchPercent: 5 }',
  )
  const environment = fakeEnvironment({ config, requestsPerSecond: 1000, behaviours: { v2: { failureShare: 0.3 } } })
  await environment.deploy('v1')
  await environment.run()
  await environment.deploy('v2', 'blue-green')
  await environment.run()
  expect((await environment.state()).last?.outcome).toBe('rolled-back')
  const shares = (await environment.journal.read()).flatMap(({ body }) =>
    body.kind === 'stepStarted' && body.effect?.kind === 'setShares' ? [body.effect.shares] : [],
  )
  expect(shares).toEqual([{ blue: 100 }, { blue: 95, green: 5 }, { blue: 100 }])
  expect(environment.platform.dropped()).toBe(0)
})

it('a canary with early ends its stages when it has shown itself, and not before', async () => {
  const seconds = async (early: boolean) => {
    const config = configText
      .replace('stageSeconds: 20', `stageSeconds: 600, early: ${early}`)
      .replace('keepSeconds: 30', 'keepSeconds: 1')
    const environment = fakeEnvironment({ config, requestsPerSecond: 2000 })
    await environment.deploy('v1')
    await environment.run()
    await environment.deploy('v2')
    const startedMs = environment.clock.monotonicMs()
    await environment.run()
    expect(await environment.stableVersion()).toBe('v2')
    return (environment.clock.monotonicMs() - startedMs) / 1000
  }
  expect(await seconds(true)).toBeLessThan(0.5 * (await seconds(false)))
})
