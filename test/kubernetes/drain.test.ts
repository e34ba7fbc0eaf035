import { expect, test } from 'vitest'
import { clusterEnvironment } from '../support/cluster-environment.ts'

test('a drain that waits its whole time, as nobody knows what is in flight, asks no person for anything', async () => {
  await using environment = clusterEnvironment()
  for (const version of ['v1', 'failing-v2']) {
    await environment.process().deploy({ version })
    await environment.process().run()
  }
  const records = await environment.process().records(0)
  expect(records.some(({ body }) => body.kind === 'turnedBack')).toBe(true)
  const waits = records.flatMap(({ body }) => (body.kind === 'waiting' && body.wait ? [body.wait] : []))
  expect(waits.map(({ blocker }) => blocker)).toContain('requests in flight in green')
  expect(waits.filter(({ needsPerson }) => needsPerson)).toEqual([])
})
