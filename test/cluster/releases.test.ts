// Whole releases on a real cluster, by the Service's selector, with the manifests that this project ships. The client
// sends steady requests and never retries: a request without an answer is a dropped one.
import { expect, test } from 'vitest'
import { onCluster } from './support/namespace.ts'
import { expectCode, expectNothingDropped, shipped } from './support/releases.ts'

const selectorOf = async (app: Awaited<ReturnType<typeof shipped>>) =>
  ((await app.object('services', 'backend-service'))['spec'] as { selector: Record<string, string> }).selector

onCluster(() => {
  test('blue-green: into an empty namespace, then the next version and back to the first, and no request is dropped', async () => {
    await using app = await shipped('kp-blue-green')
    const first = expectCode(await app.moodify('deploy', '-v', 'v1.2.2', '--yes'), 0)
    expect(first).toContain('its first release')
    expect(await selectorOf(app)).toEqual({ app: 'backend', environment: 'blue' })

    const load = await app.load(30)
    const second = expectCode(await app.moodify('deploy', '-v', 'v1.2.3', '--yes'), 0)
    expect(second).toContain('at peak    6 replicas of backend')
    expect(await selectorOf(app)).toEqual({ app: 'backend', environment: 'green' })
    const back = expectCode(await app.moodify('rollback', '-t', 'undo', '--yes'), 0)
    expect(back).toContain('v1.2.2 is still warm in blue')
    expect(await selectorOf(app)).toEqual({ app: 'backend', environment: 'blue' })
    expectNothingDropped(await load.stop(), second + back)
    const { replicas } = (await app.object('deployments', 'backend-green'))['spec'] as { replicas: number }
    expect(replicas).toBe(0)
  })

  test('rolling: the pods of the live Deployment are replaced one by one, and no request is dropped', async () => {
    await using app = await shipped('kp-rolling')
    expectCode(await app.moodify('deploy', '-v', 'v1.2.2', '--yes'), 0)
    const load = await app.load(30)
    const rolled = expectCode(await app.moodify('deploy', '-v', 'v1.2.3', '--strategy', 'rolling', '--yes'), 0)
    expectNothingDropped(await load.stop(), rolled)
    expect(rolled.replaceAll(/\s+/g, ' ')).toContain('going back takes as long as the rollout')
    const { metadata } = await app.object('deployments', 'backend-blue')
    expect(metadata.annotations?.['kubernetes.io/change-cause']).toContain('backend v1.2.3')
  })

  test('abort after the switch: the old version takes over again, and no request is dropped', async () => {
    await using app = await shipped('kp-abort')
    expectCode(await app.moodify('deploy', '-v', 'v1.2.2', '--yes'), 0)
    const load = await app.load(30)
    const release = app.start('deploy', '-v', 'v1.2.3', '--monitor', '120', '--yes')
    await release.said('Z  judge backend at 100 %')
    const aborted = expectCode(await app.moodify('abort', '--yes'), 0)
    expectNothingDropped(await load.stop(), aborted)
    expect(await selectorOf(app)).toEqual({ app: 'backend', environment: 'blue' })
    await release.ended
  })
})
