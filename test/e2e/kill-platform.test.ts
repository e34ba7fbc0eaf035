// The processes of the platform itself are killed with SIGKILL while users are served and a release runs.
import { get } from 'node:http'
import { expect, test } from 'vitest'
import type { SupervisorSnapshot } from '../../src/effects/local/protocol.ts'
import { type Embedded, embedded, replicaPids, SERVICE } from '../support/embedded.ts'
import { expectNothingDropped, figures, startLoad } from '../support/load.ts'
import { until } from '../support/until.ts'

const SETTINGS = { canary: { weights: [50, 100], stageSeconds: 2 } }

/** Every process that serves, by slot. */
function serving({ services }: SupervisorSnapshot['environments'][string]): Record<string, (number | null)[]> {
  const slots = Object.entries(services[SERVICE]!.slots)
  return Object.fromEntries(slots.map(([name, slot]) => [name, replicaPids(slot)]))
}

async function promoteTo100(platform: Embedded): Promise<void> {
  for (const weight of [50, 100]) {
    await platform.atStep(`${SERVICE}.analyse-${weight}`)
    await platform.moodify('promote')
  }
  await platform.settled()
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (answer) => resolve(answer.resume().statusCode === 200)).on('error', () =>
      resolve(false),
    )
  })
}

test('the supervisor is killed in the middle of a release: users, replicas and the release do not notice', async () => {
  await using platform = embedded(SETTINGS)
  await platform.serve()
  await using traffic = startLoad(await platform.url(), { requestsPerSecond: 200 })
  await platform.moodify('deploy', '-v', 'good2', '-s', 'canary', '-m', '300', '--detach')
  await platform.atStep(`${SERVICE}.analyse-50`)
  const before = await platform.snapshot()
  await platform.kill(platform.supervisorPid())
  const atKill = traffic.snapshot().requests
  await until('a thousand requests without a supervisor', () => traffic.snapshot().requests > atKill + 1000)

  await platform.moodify('up')
  const after = await until('the new supervisor has found everything', async () => {
    const seen = await platform.snapshot()
    const pids = Object.values(serving(seen)).flat()
    return pids.length === 4 && !pids.includes(null) && seen.runner.pid !== null && seen.front.pid !== null && seen
  })
  expect(serving(after)).toEqual(serving(before))
  expect(after.front).toEqual(before.front)
  expect(after.runner.pid).toBe(before.runner.pid)

  await promoteTo100(platform)
  expect(await platform.stableVersion()).toBe('good2')
  const report = await traffic.stop()
  console.info(figures('supervisor killed in the middle of a release', report))
  expectNothingDropped(report)
})

test('the front is killed: it comes back on its port within seconds, and nothing else is lost', async () => {
  await using platform = embedded(SETTINGS)
  await platform.serve()
  const url = await platform.url()
  await using traffic = startLoad(url, { requestsPerSecond: 200 })
  const deploy = platform.run(['deploy', '-v', 'good2', '-s', 'canary', '-m', '4', '--yes'])
  await platform.atStep(`${SERVICE}.analyse-50`)
  const before = await platform.snapshot()
  expectNothingDropped(traffic.snapshot())

  const killedAt = Date.now()
  await platform.kill(before.front.pid!)
  await until('the front answers again', () => answers(url))
  const outage = await traffic.stop()
  const seconds = ((outage.lastDropAt ?? killedAt) - killedAt) / 1000
  console.info(`front killed: ${outage.dropped} requests were lost in the ${seconds.toFixed(1)} s until it was back`)
  expect(outage.dropped).toBeGreaterThan(0)

  await using afterwards = startLoad(url, { requestsPerSecond: 200 })
  const after = await platform.snapshot()
  expect(serving(after)).toEqual(serving(before))
  expect(after.runner.pid).toBe(before.runner.pid)
  expect(after.front.port).toBe(before.front.port)
  expect(after.front.pid).not.toBe(before.front.pid)
  const { code, stdout } = await deploy
  expect(code, stdout).toBe(0)
  await platform.settled()
  const report = await afterwards.stop()
  console.info(figures('after the front was back', report))
  expectNothingDropped(report)
  expect(await platform.stableVersion()).toBe('good2')
})

test('everything is killed at once: up brings the same versions back, and the release goes on', async () => {
  await using platform = embedded(SETTINGS)
  await platform.serve()
  const url = await platform.url()
  await platform.moodify('deploy', '-v', 'good2', '-s', 'canary', '-m', '300', '--detach')
  await platform.atStep(`${SERVICE}.analyse-50`)
  const seen = await platform.snapshot()
  await platform.kill(platform.supervisorPid())
  for (const pid of [seen.runner.pid, seen.front.pid, ...Object.values(serving(seen)).flat()]) await platform.kill(pid!)

  await platform.moodify('up')
  await until('it serves on the same port', () => answers(url))
  await promoteTo100(platform)
  expect(await platform.stableVersion()).toBe('good2')
})
