import { describe, expect, it } from 'vitest'
import { fakeEnvironment, Killed } from '../support/fake-environment.ts'

async function withStable(options: Parameters<typeof fakeEnvironment>[0] = {}) {
  const environment = fakeEnvironment(options)
  await environment.deploy('v1')
  await environment.run()
  expect(await environment.stableVersion()).toBe('v1')
  return environment
}

describe('a first release', () => {
  it('goes to 100 % without a control', async () => {
    const environment = await withStable()
    expect((await environment.state()).last?.plan.strategy).toBe('first')
    expect(environment.platform.sharesOf('backend')).toEqual({ blue: 100 })
  })

  it('that never becomes ready ends as failed and leaves nothing behind', async () => {
    const environment = fakeEnvironment({ behaviours: { v1: { neverReady: true } } })
    await environment.deploy('v1')
    await environment.run()
    const state = await environment.state()
    expect(state.last?.outcome).toBe('failed')
    expect(state.services['backend']?.stable ?? null).toBe(null)
    expect(environment.platform.versionsIn('backend', 'blue')).toEqual([])
  })
})

describe.each(['canary', 'blue-green', 'rolling'] as const)('%s', (strategy) => {
  it('ships a good version and drops nothing', async () => {
    const environment = await withStable()
    await environment.deploy('v2', strategy)
    await environment.run()
    expect(await environment.stableVersion()).toBe('v2')
    expect((await environment.state()).last?.outcome).toBe('released')
    expect(environment.platform.dropped()).toBe(0)
  })

  it('takes back a version that fails requests, and remembers it', async () => {
    const environment = await withStable({ behaviours: { v2: { failureShare: 0.3 } } })
    await environment.deploy('v2', strategy)
    await environment.run()
    const state = await environment.state()
    expect(state.last).toMatchObject({ outcome: 'rolled-back', cause: { kind: 'verdict' } })
    expect(state.services['backend']?.stable?.revision.version).toBe('v1')
    expect(Object.keys(state.takenBack)).toEqual(['backend-v2'])
    expect(environment.platform.dropped()).toBe(0)
    const { slot } = state.services['backend']!.stable!
    expect(environment.platform.sharesOf('backend')).toEqual({ [slot]: 100 })
  })

  it('takes back a version that is too slow', async () => {
    const environment = await withStable({ behaviours: { v2: { latencyMs: 6000 } } })
    await environment.deploy('v2', strategy)
    await environment.run()
    expect((await environment.state()).last?.cause?.verdict?.rule).toBe('latency')
    expect(await environment.stableVersion()).toBe('v1')
  })

  it('takes back a version that crashes before it gets traffic for itself', async () => {
    const environment = await withStable({ behaviours: { v2: { crashes: true } } })
    await environment.deploy('v2', strategy)
    await environment.run()
    expect(await environment.stableVersion()).toBe('v1')
    expect((await environment.state()).last?.outcome).not.toBe('released')
    expect(environment.platform.dropped()).toBe(0)
  })

  it('goes back by an abort in the middle', async () => {
    const environment = await withStable()
    await environment.deploy('v2', strategy)
    await environment.runUntil(
      (point) => point === (strategy === 'rolling' ? 'after effect rollInPlace' : 'after effect setShares'),
    )
    await environment.post({ verb: 'abort' })
    await environment.run()
    expect((await environment.state()).last).toMatchObject({ outcome: 'rolled-back', cause: { kind: 'asked' } })
    expect(await environment.stableVersion()).toBe('v1')
    expect(environment.platform.dropped()).toBe(0)
    expect((await environment.state()).takenBack).toEqual({})
  })

  it('is superseded by a newer version', async () => {
    const environment = await withStable()
    await environment.deploy('v2', strategy)
    await environment.runUntil(
      (point) => point === (strategy === 'rolling' ? 'after effect rollInPlace' : 'after effect setShares'),
    )
    await environment.deploy('v3', strategy, { supersede: true })
    await environment.run()
    expect(await environment.stableVersion()).toBe('v3')
    expect(environment.platform.dropped()).toBe(0)
  })
})

describe('the analysis', () => {
  it('holds when the metrics are silent, and neither promotes nor goes back', async () => {
    const environment = await withStable()
    await environment.deploy('v2')
    environment.platform.silent = true
    const stop = new AbortController()
    const endAt = environment.clock.monotonicMs() + 600_000
    const probe = () => {}
    const clock = {
      ...environment.clock,
      sleep: async (ms: number, signal?: AbortSignal) => {
        if (environment.clock.monotonicMs() > endAt) stop.abort()
        await environment.clock.sleep(ms, signal)
      },
    }
    await environment.run({ signal: stop.signal, probe, clock })
    const { release } = await environment.state()
    expect(release?.direction).toBe('forward')
    expect(environment.platform.sharesOf('backend')).toEqual({ blue: 90, green: 10 })
    expect(release?.wait?.blocker).toContain('cannot tell')
  })

  it('goes on until the old version is gone: a version that turns bad in the keep time is taken back', async () => {
    const behaviours: Record<string, { failureShare?: number }> = {}
    const environment = await withStable({ behaviours })
    await environment.deploy('v2', 'blue-green')
    await environment.runUntil((point) => point.includes('after append outcomeReached'))
    expect(await environment.stableVersion()).toBe('v2')
    behaviours['v2'] = { failureShare: 0.5 }
    await environment.run()
    expect(await environment.stableVersion()).toBe('v1')
    expect((await environment.state()).last?.outcome).toBe('rolled-back')
    expect(environment.platform.dropped()).toBe(0)
  })
})

describe('rollback by hand', () => {
  it('in the keep time is one traffic write', async () => {
    const environment = await withStable()
    await environment.deploy('v2', 'blue-green')
    await environment.runUntil((point) => point.includes('after append outcomeReached'))
    await environment.post({ verb: 'rollback', to: 'undo', plan: null })
    await environment.run()
    expect(await environment.stableVersion()).toBe('v1')
    const records = await environment.journal.read()
    const back = records.slice(records.findIndex((record) => record.body.kind === 'turnedBack'))
    const effects = back.flatMap((record) =>
      record.body.kind === 'stepStarted' && record.body.effect ? [record.body.effect.kind] : [],
    )
    expect(effects).toEqual(['setShares', 'retire'])
    expect(environment.platform.dropped()).toBe(0)
  })

  it('after the old version has ended starts it again first', async () => {
    const environment = await withStable()
    await environment.deploy('v2', 'blue-green')
    await environment.run()
    const { previous } = (await environment.state()).services['backend']!
    expect(previous?.revision.version).toBe('v1')
    await environment.post({ verb: 'rollback', to: 'undo', plan: await environment.planFor('v1', 'rollback') })
    await environment.run()
    expect(await environment.stableVersion()).toBe('v1')
    expect(environment.platform.dropped()).toBe(0)
  })

  it('typed twice does nothing more the second time, and does not go back to the bad version', async () => {
    const environment = await withStable()
    await environment.deploy('v2', 'blue-green')
    await environment.run()
    await environment.post({ verb: 'rollback', to: 'undo', plan: await environment.planFor('v1', 'rollback') })
    await environment.run()
    await environment.post({ verb: 'rollback', to: 'undo', plan: await environment.planFor('v2', 'rollback') })
    await environment.run()
    expect(await environment.stableVersion()).toBe('v1')
    const answers = (await environment.journal.read()).filter((record) => record.body.kind === 'commanded')
    expect(answers.at(-1)?.body).toMatchObject({ accepted: false })
    expect(answers.at(-1)?.reason).toContain('was taken back')
  })
})

describe('hooks', () => {
  const config = (onUnknown: 'ask' | 'retry') => `
name: shop
services: { backend: { start: node server.mjs } }
environments: { production: { platform: local, listen: 0, strategy: blue-green } }
blueGreen: { monitorSeconds: 10 }
triggers: { minRequests: 20, minBad: 3, windowSeconds: 10 }
keepSeconds: 5
hooks: { before: { run: ./migrate.sh, onUnknown: ${onUnknown} } }
`

  it('whose result was lost with the runner waits for a person, and resume --done goes on', async () => {
    const environment = fakeEnvironment({ config: config('ask') })
    await environment.deploy('v1')
    let intents = 0
    const dies = (point: string) => {
      if (point === 'after append stepStarted' && ++intents === 2) throw new Killed()
    }
    await expect(environment.run({ probe: dies })).rejects.toBeInstanceOf(Killed)
    await environment.runUntil((point) => point.includes('after append waiting'))
    expect((await environment.state()).release?.wait).toMatchObject({
      needsPerson: true,
      next: expect.stringContaining('--done before'),
    })
    await environment.post({ verb: 'resolve', hook: 'before', as: 'done' })
    await environment.run()
    expect(await environment.stableVersion()).toBe('v1')
    expect(environment.hooks.ran.length).toBeLessThanOrEqual(1)
  })

  it('under way when the runner is told to stop are heard to their end, and the next runner goes on', async () => {
    const environment = fakeEnvironment({ config: config('ask') })
    await environment.deploy('v1')
    const stop = new AbortController()
    const probe = (point: string) => {
      if (point === 'before effect runHook') stop.abort()
    }
    expect(await environment.run({ signal: stop.signal, probe })).toBe('stopped')
    expect((await environment.state()).release).not.toBe(null)
    await environment.run()
    expect(await environment.stableVersion()).toBe('v1')
    expect(environment.hooks.ran).toHaveLength(1)
  })

  it('that fail before traffic end the release without touching anything', async () => {
    const environment = fakeEnvironment({ config: config('ask'), hooks: { before: 3 } })
    await environment.deploy('v1')
    await environment.run()
    expect((await environment.state()).last?.outcome).toBe('failed')
  })
})

describe('a release that holds for a person', () => {
  const config = (more: object) =>
    JSON.stringify({
      name: 'shop',
      services: { backend: { start: 'node .', replicas: 2 } },
      environments: { production: { listen: 0 } },
      notify: { webhook: 'https://example.org/hook' },
      ...more,
    })
  const held = (environment: ReturnType<typeof fakeEnvironment>) =>
    environment.notifier.told.filter(({ event }) => event === 'held')

  it('tells the webhook once, again with the same key after a restart, and keeps on trying where nobody listens', async () => {
    const environment = fakeEnvironment({ config: config({ hooks: { before: './migrate.sh' } }) })
    await environment.deploy('v1')
    const probe = (point: string) => {
      if (point === 'before effect runHook') throw new Killed()
    }
    await expect(environment.run({ probe })).rejects.toThrow(Killed)
    environment.notifier.told.length = 0
    const stop = new AbortController()
    const until = (done: () => boolean) => ({
      ...environment.clock,
      async sleep(ms: number, signal?: AbortSignal) {
        await environment.clock.sleep(ms, signal)
        if (done()) stop.abort()
      },
    })
    environment.notifier.refuses = true
    const started = environment.clock.monotonicMs()
    const clock = until(() => {
      if (environment.clock.monotonicMs() - started > 20_000) environment.notifier.refuses = false
      return held(environment).length > 0 && environment.clock.monotonicMs() - started > 90_000
    })
    await environment.run({ clock, signal: stop.signal })
    expect(held(environment)).toHaveLength(1)
    expect(held(environment)[0]).toMatchObject({
      text: expect.stringMatching(/^production: v1 waits for a person: .*; next: moodify resume --done before/),
      data: { release: 'r-1', step: 'hook.before', next: expect.stringContaining('moodify resume') },
    })
    const again = new AbortController()
    const told = held(environment).length
    await environment.run({
      clock: {
        ...environment.clock,
        async sleep(ms: number, signal?: AbortSignal) {
          await environment.clock.sleep(ms, signal)
          if (held(environment).length > told) again.abort()
        },
      },
      signal: again.signal,
    })
    const keys = held(environment).map(({ idempotencyKey }) => idempotencyKey)
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(1)
  })
})
