// Versions that must not stay: each is taken back by itself, and the reason names the cause.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { onCluster } from './support/namespace.ts'
import { expectCode, expectNothingDropped, type Shipped, shipped } from './support/releases.ts'

const ROLLED_BACK = 3

onCluster(() => {
  let app: Shipped
  beforeAll(async () => {
    app = await shipped('kp-bad', { settings: 'waits: { readySeconds: 45 }' })
    expectCode(await app.moodify('deploy', '-v', 'v1.2.2', '--yes'), 0)
  })
  afterAll(async () => await app?.[Symbol.asyncDispose]())

  test('one that ends right after its start: with its exit code and its own last words', async () => {
    const text = expectCode(await app.moodify('deploy', '-v', 'v1.3.0-crash', '--yes'), ROLLED_BACK)
    expect(text).toMatch(/keeps exiting .*it ended with exit code 1; its last lines: .*DATABASE_URL is not set/)
  })

  test('an image that nobody has: with the words of the one who pulled it', async () => {
    const text = expectCode(await app.moodify('deploy', '-v', 'v0.0.0-nowhere', '--yes'), ROLLED_BACK)
    expect(text).toMatch(/does not start .*(ImagePullBackOff|ErrImagePull): .*backend:v0\.0\.0-nowhere/)
  })

  test('one that is never ready: with what its probe was answered', async () => {
    const text = expectCode(await app.moodify('deploy', '-v', 'v1.3.0-unready', '--yes'), ROLLED_BACK)
    expect(text).toMatch(/is not ready yet: Unhealthy: .*probe failed.* and its time is over/)
  })

  test('one that is well and answers wrongly: with the smoke test that failed', async () => {
    const text = expectCode(await app.moodify('deploy', '-v', 'v1.3.0-smoke', '--yes'), ROLLED_BACK)
    expect(text).toMatch(/mood=purple: 200 in \d+ ms, expected 404/)
  })

  test('one that fails 5 % of its requests: the old version serves again, and no request is dropped', async () => {
    const load = await app.load(40)
    // Nothing will run beside it: what the old version did before is what it is compared with.
    await load.answered(800)
    const text = expectCode(await app.moodify('deploy', '-v', 'v1.3.0-errors', '--monitor', '60', '--yes'), ROLLED_BACK)
    const tally = await load.stop()
    expectNothingDropped(tally, text)
    expect(text).toMatch(/going back: backend: .* requests failed .* it was 0 % before/)
    expect(tally.failed).toBeLessThan(tally.answered * 0.05)
  })
})
