// What each strategy does and how each release goes back, side by side, as a user reads it.
import { describe, expect, test } from 'vitest'
import { stepsBack } from '../../src/engine/back.ts'
import type { Plan } from '../../src/plan/plan.ts'
import { configOf, type PlanWish, placementOf, planOf, walk, wordsOf } from './support.ts'

const header = `
name: shop
environments: { production: { platform: local, listen: 0 } }
`
const one = `${header}
services:
  backend: { start: node server.mjs, smoke: [{ request: GET /health }] }
`
const two = `${header}
services:
  backend: { start: node server.mjs, path: /api, replicas: 2 }
  frontend: { start: node pages.mjs, replicas: 1 }
canary: { profile: immediate }
hooks: { before: ./migrate.sh, beforeTraffic: ./warm.sh, afterSwitch: ./purge.sh, afterRollback: ./undo.sh }
notify: { webhook: "https://example.org/hook" }
`

/** Ships v2 over v1, which is stable in blue. */
function release(
  text: string,
  strategy: PlanWish['strategy'],
  { layouts, slot = 'blue' }: Pick<PlanWish, 'layouts'> & { slot?: string } = {},
): Plan {
  const config = configOf(text)
  const stable = config.services.map(({ name }) => [name, placementOf(config, name, 'v1', slot)] as const)
  return planOf(config, { strategy, version: 'v2', stable: Object.fromEntries(stable), layouts })
}

const steps = (plan: Pick<Plan, 'steps'>) => wordsOf(plan).join('\n')

describe('the steps of a release', () => {
  test('a first release', () => {
    expect(steps(planOf(configOf(one), { strategy: 'canary', version: 'v1' }))).toMatchInlineSnapshot(`
      "fetch backend v1
      start 3 × backend v1 in blue, wait until ready (10 min at most)
      smoke-test backend in blue at its own address (GET /health)
      send backend traffic: 100 % blue
      backend v1 in blue becomes stable
      released"
    `)
  })

  test('a canary, progressive', () => {
    expect(steps(release(`${one}canary: { profile: progressive }`, 'canary'))).toMatchInlineSnapshot(`
      "fetch backend v2
      start 3 × backend v2 in green, wait until ready (10 min at most)
      smoke-test backend in green at its own address (GET /health)
      send backend traffic: 90 % blue, 10 % green
      judge backend at 10 % for 5 min
      send backend traffic: 75 % blue, 25 % green
      judge backend at 25 % for 5 min
      send backend traffic: 50 % blue, 50 % green
      judge backend at 50 % for 5 min
      send backend traffic: 100 % green
      judge backend at 100 % for 5 min
      backend v2 in green becomes stable
      drain backend in blue (30 s at most)
      released
      keep the old version warm for 10 min and go on watching
      end backend in blue"
    `)
  })

  test('a canary, staged', () => {
    expect(steps(release(`${one}canary: { profile: staged }`, 'canary'))).toMatchInlineSnapshot(`
      "fetch backend v2
      start 3 × backend v2 in green, wait until ready (10 min at most)
      smoke-test backend in green at its own address (GET /health)
      send backend traffic: 90 % blue, 10 % green
      judge backend at 10 % for 15 min
      send backend traffic: 50 % blue, 50 % green
      judge backend at 50 % for 15 min
      send backend traffic: 100 % green
      judge backend at 100 % for 15 min
      backend v2 in green becomes stable
      drain backend in blue (30 s at most)
      released
      keep the old version warm for 10 min and go on watching
      end backend in blue"
    `)
  })

  test('a canary, immediate', () => {
    expect(steps(release(`${one}canary: { profile: immediate }`, 'canary'))).toMatchInlineSnapshot(`
      "fetch backend v2
      start 3 × backend v2 in green, wait until ready (10 min at most)
      smoke-test backend in green at its own address (GET /health)
      send backend traffic: 100 % green
      judge backend at 100 % for 5 min
      backend v2 in green becomes stable
      drain backend in blue (30 s at most)
      released
      keep the old version warm for 10 min and go on watching
      end backend in blue"
    `)
  })

  test('blue-green', () => {
    expect(steps(release(one, 'blue-green'))).toMatchInlineSnapshot(`
      "fetch backend v2
      start 3 × backend v2 in green, wait until ready (10 min at most)
      smoke-test backend in green at its own address (GET /health)
      send backend traffic: 100 % green
      judge backend at 100 % for 5 min
      backend v2 in green becomes stable
      drain backend in blue (30 s at most)
      released
      keep the old version warm for 10 min and go on watching
      end backend in blue"
    `)
  })

  test('blue-green with an approval', () => {
    expect(steps(release(`${one}blueGreen: { approval: true }`, 'blue-green'))).toMatchInlineSnapshot(`
      "fetch backend v2
      start 3 × backend v2 in green, wait until ready (10 min at most)
      smoke-test backend in green at its own address (GET /health)
      wait for approval: moodify promote (24 h at most)
      send backend traffic: 100 % green
      judge backend at 100 % for 5 min
      backend v2 in green becomes stable
      drain backend in blue (30 s at most)
      released
      keep the old version warm for 10 min and go on watching
      end backend in blue"
    `)
  })

  test('rolling', () => {
    expect(steps(release(one, 'rolling'))).toMatchInlineSnapshot(`
      "fetch backend v2
      roll backend in blue to v2, one replica at a time
      judge backend at 100 % for 5 min
      backend v2 in blue becomes stable
      released"
    `)
  })

  test('a rollback', () => {
    expect(steps(release(one, 'rollback'))).toMatchInlineSnapshot(`
      "fetch backend v2
      start 3 × backend v2 in green, wait until ready (10 min at most)
      send backend traffic: 100 % green
      backend v2 in green becomes stable
      drain backend in blue (30 s at most)
      released
      end backend in blue"
    `)
  })

  test('a rollback in place', () => {
    expect(steps(release(one, 'rollback-in-place'))).toMatchInlineSnapshot(`
      "fetch backend v2
      roll backend in blue to v2, one replica at a time
      backend v2 in blue becomes stable
      released"
    `)
  })

  test('two services with hooks and a webhook: one after the other', () => {
    expect(steps(release(two, 'canary'))).toMatchInlineSnapshot(`
      "fetch backend v2
      fetch frontend v2
      run hook before: ./migrate.sh
      start 2 × backend v2 in green, wait until ready (10 min at most)
      no smoke tests are declared for backend
      run hook beforeTraffic: ./warm.sh
      send backend traffic: 100 % green
      judge backend at 100 % for 5 min
      backend v2 in green becomes stable
      drain backend in blue (30 s at most)
      start 1 × frontend v2 in green, wait until ready (10 min at most)
      no smoke tests are declared for frontend
      send frontend traffic: 100 % green
      judge frontend at 100 % for 5 min
      frontend v2 in green becomes stable
      drain frontend in blue (30 s at most)
      run hook afterSwitch: ./purge.sh
      released
      notify: released
      keep the old version warm for 10 min and go on watching
      end backend in blue
      end frontend in blue"
    `)
  })

  test('a rollback of two services: both ready first, then the traffic of both, then both drains, no hooks', () => {
    expect(steps(release(two, 'rollback'))).toMatchInlineSnapshot(`
      "fetch backend v2
      fetch frontend v2
      start 2 × backend v2 in green, wait until ready (10 min at most)
      start 1 × frontend v2 in green, wait until ready (10 min at most)
      send backend traffic: 100 % green
      backend v2 in green becomes stable
      send frontend traffic: 100 % green
      frontend v2 in green becomes stable
      drain backend in blue (30 s at most)
      drain frontend in blue (30 s at most)
      released
      notify: released
      end backend in blue
      end frontend in blue"
    `)
  })

  test('what a plan says beside its steps', () => {
    const { strategy, longestMs, peakReplicas, notes } = release(one, 'rolling')
    expect({ strategy, longestMs, peakReplicas, notes }).toMatchInlineSnapshot(`
      {
        "longestMs": 2130000,
        "notes": [
          "backend is replaced in place: no old version stays warm, going back takes as long as the rollout",
        ],
        "peakReplicas": {
          "backend": 4,
        },
        "strategy": "rolling",
      }
    `)
    expect(release(one, 'canary')).toMatchObject({ peakReplicas: { backend: 6 }, notes: [] })
    expect(planOf(configOf(one), { strategy: 'canary', version: 'v1' })).toMatchObject({
      strategy: 'first',
      peakReplicas: { backend: 3 },
      notes: ['backend has no version yet: nothing to compare with and nothing to go back to'],
    })
  })
})

describe('the way back', () => {
  /** From the moment in which this step of the plan has started. */
  function backFrom(plan: Plan, step: string): string {
    const state = walk(plan).find(({ release }) => release?.current?.id === step)
    return steps({ steps: stepsBack(state!, state!.release!) })
  }

  test('before anything was started there is nothing to undo', () => {
    expect(backFrom(release(one, 'canary'), 'backend.prepare')).toMatchInlineSnapshot(`"failed"`)
  })

  test('before it has traffic the candidate is only ended, and the release has failed', () => {
    expect(backFrom(release(one, 'canary'), 'backend.check')).toMatchInlineSnapshot(`
      "end backend in green
      failed"
    `)
  })

  test('from a share of the traffic', () => {
    expect(backFrom(release(one, 'canary'), 'backend.analyse-10')).toMatchInlineSnapshot(`
      "start 3 × backend v1 in blue, wait until ready (10 min at most)
      send backend traffic: 100 % blue
      drain backend in green (30 s at most)
      end backend in green
      rolled-back"
    `)
  })

  test('from the keep time the roles flip back too', () => {
    expect(backFrom(release(one, 'blue-green'), 'keep')).toMatchInlineSnapshot(`
      "start 3 × backend v1 in blue, wait until ready (10 min at most)
      send backend traffic: 100 % blue
      backend v1 in blue becomes stable
      drain backend in green (30 s at most)
      end backend in green
      rolled-back"
    `)
  })

  test('from a roll in place', () => {
    expect(backFrom(release(one, 'rolling'), 'backend.roll')).toMatchInlineSnapshot(`
      "roll backend in blue to v1, one replica at a time
      rolled-back"
    `)
  })

  test('of two services: the last one first, and all traffic before any drain', () => {
    expect(backFrom(release(two, 'canary'), 'frontend.analyse-100')).toMatchInlineSnapshot(`
      "start 1 × frontend v1 in blue, wait until ready (10 min at most)
      send frontend traffic: 100 % blue
      start 2 × backend v1 in blue, wait until ready (10 min at most)
      send backend traffic: 100 % blue
      backend v1 in blue becomes stable
      drain frontend in green (30 s at most)
      end frontend in green
      drain backend in green (30 s at most)
      end backend in green
      run hook afterRollback: ./undo.sh
      rolled-back
      notify: rolled-back"
    `)
  })

  test('of two services, when the second has no traffic yet', () => {
    expect(backFrom(release(two, 'canary'), 'frontend.check')).toMatchInlineSnapshot(`
      "start 2 × backend v1 in blue, wait until ready (10 min at most)
      send backend traffic: 100 % blue
      backend v1 in blue becomes stable
      end frontend in green
      drain backend in green (30 s at most)
      end backend in green
      run hook afterRollback: ./undo.sh
      rolled-back
      notify: rolled-back"
    `)
  })

  test('of a first release that has no traffic', () => {
    expect(
      backFrom(planOf(configOf(one), { strategy: 'canary', version: 'v1' }), 'backend.check'),
    ).toMatchInlineSnapshot(`
      "end backend in blue
      failed"
    `)
  })

  test('of a first release that has traffic: there is nothing before it, so it stays', () => {
    const plan = planOf(configOf(one), { strategy: 'canary', version: 'v1' })
    expect(backFrom(plan, 'backend.shift-100')).toMatchInlineSnapshot(`
      "send backend traffic: 100 % blue
      backend v1 in blue becomes stable
      rolled-back"
    `)
  })
})

describe('where a canary is a visitor', () => {
  const weights = `${one}canary: { weights: [10, 50, 100], stageSeconds: 60 }`
  const colours = { layouts: { backend: { slots: ['blue', 'green'], visitor: 'canary' } } }
  const alone = { layouts: { backend: { slots: ['stable'], visitor: 'canary' } }, slot: 'stable' }
  const switched = { layouts: { backend: { slots: ['blue', 'green'], visitor: 'canary', switchesOnly: true } } }

  test('it is tried in a slot of its own with the replicas that its share needs, then moves to the idle colour', () => {
    const plan = release(weights, 'canary', colours)
    expect(plan.peakReplicas).toEqual({ backend: 9 })
    expect(plan.notes).toEqual(['backend is tried in canary (up to 3), then moves to green: 9 replicas run at once'])
    expect(steps(plan)).toMatchInlineSnapshot(`
      "fetch backend v2
      start 1 × backend v2 in canary, wait until ready (10 min at most)
      smoke-test backend in canary at its own address (GET /health)
      send backend traffic: 90 % blue, 10 % canary
      judge backend at 10 % for 60 s
      start 2 × backend v2 in canary, wait until ready (10 min at most)
      send backend traffic: 50 % blue, 50 % canary
      judge backend at 50 % for 60 s
      start 3 × backend v2 in canary, wait until ready (10 min at most)
      send backend traffic: 100 % canary
      judge backend at 100 % for 60 s
      start 3 × backend v2 in green, wait until ready (10 min at most)
      smoke-test backend in green at its own address (GET /health)
      send backend traffic: 100 % green
      judge backend at 100 % for 60 s
      backend v2 in green becomes stable
      drain backend in canary (30 s at most)
      end backend in canary
      drain backend in blue (30 s at most)
      released
      keep the old version warm for 10 min and go on watching
      end backend in blue"
    `)
  })

  test('with one Deployment alone it moves to where the old version was', () => {
    expect(steps(release(weights, 'canary', alone))).toMatchInlineSnapshot(`
      "fetch backend v2
      start 1 × backend v2 in canary, wait until ready (10 min at most)
      smoke-test backend in canary at its own address (GET /health)
      send backend traffic: 90 % stable, 10 % canary
      judge backend at 10 % for 60 s
      start 2 × backend v2 in canary, wait until ready (10 min at most)
      send backend traffic: 50 % stable, 50 % canary
      judge backend at 50 % for 60 s
      start 3 × backend v2 in canary, wait until ready (10 min at most)
      send backend traffic: 100 % canary
      judge backend at 100 % for 60 s
      drain backend in stable (30 s at most)
      start 3 × backend v2 in stable, wait until ready (10 min at most)
      smoke-test backend in stable at its own address (GET /health)
      send backend traffic: 100 % stable
      judge backend at 100 % for 60 s
      backend v2 in stable becomes stable
      drain backend in canary (30 s at most)
      end backend in canary
      released"
    `)
    expect(steps(release(weights, 'blue-green', alone))).toMatchInlineSnapshot(`
      "fetch backend v2
      roll backend in stable to v2, one replica at a time
      judge backend at 100 % for 5 min
      backend v2 in stable becomes stable
      released"
    `)
  })

  test('where traffic can only be switched it needs no visit', () => {
    const plan = release(weights, 'canary', switched)
    expect(plan.notes).toEqual([
      'traffic of backend is switched, not shared: instead of 10, 50, 100 % it gets 100 % at once',
    ])
    expect(steps(plan)).toMatchInlineSnapshot(`
      "fetch backend v2
      start 3 × backend v2 in green, wait until ready (10 min at most)
      smoke-test backend in green at its own address (GET /health)
      send backend traffic: 100 % green
      judge backend at 100 % for 60 s
      backend v2 in green becomes stable
      drain backend in blue (30 s at most)
      released
      keep the old version warm for 10 min and go on watching
      end backend in blue"
    `)
  })

  test('it goes back from every place', () => {
    const backFrom = (plan: Plan, kind: string, slot: string) => {
      const state = walk(plan).findLast(
        ({ release: now }) =>
          now &&
          now.direction === 'forward' &&
          now.current !== null &&
          now.steps[now.cursor]?.id === `backend.${kind}-${slot}`,
      )!
      return wordsOf({ steps: stepsBack(state, state.release!) }).join('\n')
    }
    expect(backFrom(release(weights, 'canary', colours), 'check', 'canary')).toMatchInlineSnapshot(`
      "end backend in canary
      end backend in green
      failed"
    `)
    expect(backFrom(release(weights, 'canary', colours), 'analyse', '10')).toMatchInlineSnapshot(`
      "start 3 × backend v1 in blue, wait until ready (10 min at most)
      send backend traffic: 100 % blue
      drain backend in canary (30 s at most)
      drain backend in green (30 s at most)
      end backend in canary
      end backend in green
      rolled-back"
    `)
    expect(backFrom(release(weights, 'canary', colours), 'analyse', 'green')).toMatchInlineSnapshot(`
      "start 3 × backend v1 in blue, wait until ready (10 min at most)
      send backend traffic: 100 % blue
      drain backend in canary (30 s at most)
      drain backend in green (30 s at most)
      end backend in canary
      end backend in green
      rolled-back"
    `)
    expect(backFrom(release(weights, 'canary', alone), 'analyse', '100')).toMatchInlineSnapshot(`
      "start 3 × backend v1 in stable, wait until ready (10 min at most)
      send backend traffic: 100 % stable
      drain backend in canary (30 s at most)
      end backend in canary
      rolled-back"
    `)
    expect(backFrom(release(weights, 'canary', alone), 'analyse', 'stable')).toMatchInlineSnapshot(`
      "roll backend in stable to v1, one replica at a time
      send backend traffic: 100 % stable
      drain backend in canary (30 s at most)
      end backend in canary
      rolled-back"
    `)
  })
})
