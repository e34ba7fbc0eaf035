import { expect, it } from 'vitest'
import { fakeEnvironment } from '../support/fake-environment.ts'

const config = `
name: shop
services: { backend: { start: node server.mjs } }
environments: { production: { platform: local, listen: 0, strategy: canary } }
canary: { weights: [10, 100], stageSeconds: 20 }
waits: { onNoTraffic: advance-on-health }
keepSeconds: 5
`

/** A quiet system whose prober sees `passes` of a candidate. */
async function quiet(passes: (sent: number) => boolean) {
  const environment = fakeEnvironment({ config, requestsPerSecond: 0 })
  await environment.deploy('v1')
  await environment.run()
  let sent = 0
  Object.assign(environment.platform.checks, {
    probe: async () => [{ name: 'GET /health/ready', passed: passes(++sent), saw: 'what it saw' }],
  })
  await environment.deploy('v2')
  await environment.run()
  return environment
}

it('a quiet system advances when the requests of the prober pass, and says so', async () => {
  const environment = await quiet(() => true)
  expect(await environment.stableVersion()).toBe('v2')
  const passed = (await environment.journal.read()).filter(
    ({ body }) => body.kind === 'stepFinished' && body.passedBy === 'policy',
  )
  expect(passed.length).toBeGreaterThan(0)
  expect(passed[0]?.reason).toMatch(/no traffic to judge by.*requests of the prober passed/)
})

it('a quiet system goes back when the requests of the prober fail', async () => {
  const environment = await quiet(() => false)
  expect(await environment.stableVersion()).toBe('v1')
  expect((await environment.state()).last?.cause).toMatchObject({
    kind: 'verdict',
    verdict: { rule: 'failing-health' },
  })
})
