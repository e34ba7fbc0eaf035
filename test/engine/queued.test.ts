import { expect, test } from 'vitest'
import { fakeEnvironment } from '../support/fake-environment.ts'

test('queued: a plan whose roles have changed since it was made is given up before its first step', async () => {
  const environment = fakeEnvironment()
  await environment.deploy('v1')
  await environment.run()
  await environment.deploy('v2', 'blue-green')
  await environment.runUntil((point) => point.includes('after append outcomeReached'))
  // Made for v2 as stable, and then v2 is taken back after all.
  await environment.deploy('v3', 'rolling', { supersede: true })
  await environment.post({ verb: 'rollback', to: 'undo', plan: null })
  await environment.run()

  const { last, services, release } = await environment.state()
  expect(release).toBe(null)
  expect(last).toMatchObject({ outcome: 'failed', plan: { version: 'v3' } })
  expect(last!.cause!.reason).toBe('backend has changed since the plan was made; type the command again')
  expect(services['backend']!.stable).toMatchObject({ slot: 'blue', revision: { version: 'v1' } })
  const records = (await environment.journal.read()).filter((record) => record.release === last!.id)
  const effects = records.flatMap(({ body }) => (body.kind === 'stepStarted' && body.effect ? [body.effect.kind] : []))
  expect(effects).toEqual([])
  expect(environment.platform.sharesOf('backend')).toEqual({ blue: 100 })
  expect(environment.platform.dropped()).toBe(0)
})
