import { expect, test } from 'vitest'
import { fakeEnvironment } from '../support/fake-environment.ts'

test('a runner whose journal was lost takes an epoch above what the platform remembers, and ships', async () => {
  const environment = fakeEnvironment()
  await environment.platform.workloads.takeEpoch(57)
  await environment.platform.traffic.takeEpoch(57)
  await environment.deploy('v1')
  await environment.run()
  const state = await environment.state()
  expect(state.epoch).toBeGreaterThan(57)
  expect(state.services['backend']?.stable?.revision.version).toBe('v1')
})
