import { expect, test } from 'vitest'
import { fakeEnvironment } from '../support/fake-environment.ts'

test('adopted: a release starts from what serves, although the journal never shipped it', async () => {
  const environment = fakeEnvironment()
  const { platform, revisionOf, clock } = environment
  const byHand = { slot: 'blue', revision: revisionOf('backend', 'v1'), replicas: 3 }
  await platform.workloads.applyRevision({ service: 'backend', ...byHand }, 0)
  await platform.traffic.setShares({ service: 'backend', shares: { blue: 100 }, generation: 1 }, 0)
  await clock.sleep(5000)

  const plan = await environment.planFor('v2', 'blue-green', { backend: { stable: byHand, isAdopted: true } })
  await environment.post({ verb: 'deploy', plan, supersede: false, again: false })
  await environment.run()

  const { last, services } = await environment.state()
  expect(last).toMatchObject({ outcome: 'released' })
  expect(services['backend']!.stable).toMatchObject({ slot: 'green', revision: { version: 'v2' } })
  expect(services['backend']!.previous).toMatchObject({ slot: 'blue', revision: { version: 'v1' } })
  expect(platform.dropped()).toBe(0)
})
