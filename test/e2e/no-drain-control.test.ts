// A measure that always says 0 would say so of anything. Here the same client sees the same release twice, once with
// the drain rule and once on a platform that ends replicas without it.
import { expect, test } from 'vitest'
import type { TrafficReport } from '../../demo/traffic.ts'
import { embedded } from '../support/embedded.ts'
import { expectNothingDropped, figures, longRequests, startLoad } from '../support/load.ts'

async function rollingRelease(env: NodeJS.ProcessEnv): Promise<TrafficReport> {
  await using platform = embedded({ drainSeconds: 10 }, env)
  await platform.serve('good')
  await using traffic = startLoad(await platform.url(), { requestsPerSecond: 100, kinds: longRequests, sockets: 0 })
  await platform.moodify('deploy', '-v', 'good2', '-s', 'rolling', '--yes')
  expect(await platform.stableVersion()).toBe('good2')
  return traffic.stop()
}

test('without the drain rule requests are dropped, and the client that counts them sees it', async () => {
  const report = await rollingRelease({ MOODIFY_UNSAFE_NO_DRAIN: '1' })
  console.info(figures('a rolling release without the drain rule', report))
  expect(report.dropped).toBeGreaterThan(0)
})

test('with the drain rule none is', async () => {
  const report = await rollingRelease({})
  console.info(figures('the same release with the drain rule', report))
  expectNothingDropped(report)
})
