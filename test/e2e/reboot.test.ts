// The machine restarts in the middle of a release: every process is gone at once, and so is what lay in memory.
import { rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { embedded, SERVICE } from '../support/embedded.ts'
import { expectNothingDropped, figures, startLoad } from '../support/load.ts'
import { processesOf } from '../support/processes.ts'
import { until } from '../support/until.ts'

test('after a reboot `up` starts what ran, on the same port with the same shares, and the release goes on', async () => {
  await using platform = embedded({ canary: { weights: [50, 100] }, environment: { front: { processes: 2 } } })
  await platform.serve()
  const url = await platform.url()
  await platform.moodify('deploy', '-v', 'good2', '-s', 'canary', '-m', '300', '--detach')
  await platform.atStep(`${SERVICE}.analyse-50`)
  const before = await platform.json<{ services: unknown; release: { id: string } }>('status')

  for (const { pid } of processesOf(platform.folder)) kill(pid)
  await until('every process is gone', () => processesOf(platform.folder).length === 0)
  rmSync(platform.paths.runtime, { recursive: true })
  await expect(fetch(url)).rejects.toThrow()

  const startedAt = performance.now()
  const up = platform.run(['up'])
  await until('users are served again', async () => {
    const answer = await fetch(url).catch(() => null)
    return answer?.status === 200
  })
  const servedMs = Math.round(performance.now() - startedAt)
  expect((await up).code).toBe(0)
  expect(await platform.url()).toBe(url)
  await until('both versions have their replicas again', async () => {
    const { services } = await platform.json<{ services: { slots: { ready: number }[] }[] }>('status')
    return services[0]!.slots.filter(({ ready }) => ready === 2).length === 2
  })

  await using traffic = startLoad(url, { requestsPerSecond: 100 })
  await until('users get both versions', () => Object.keys(traffic.snapshot().versions).length === 2)
  const after = await platform.json<{ release: { id: string } }>('status')
  expect(after.release.id).toBe(before.release.id)
  await platform.moodify('promote')
  await platform.atStep(`${SERVICE}.analyse-100`)
  await platform.moodify('promote')
  await platform.settled()
  expect(await platform.stableVersion()).toBe('good2')
  const report = await traffic.stop()
  console.info(figures(`reboot in the middle of a release; served again ${servedMs} ms after \`up\` was typed`, report))
  expectNothingDropped(report)
})

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended with another one.
  }
}
