import { describe, expect, it } from 'vitest'
import { visibleWidth } from '../../src/views/cli/layout.ts'
import { planText } from '../../src/views/cli/plan-text.ts'
import { configText, fakeEnvironment } from '../support/fake-environment.ts'
import { plain } from './samples.ts'

async function afterFirstRelease(config = configText) {
  const environment = fakeEnvironment({ config })
  await environment.deploy('v1.0.0')
  await environment.run()
  return environment
}

describe('plan: golden text', () => {
  it('of a first release', async () => {
    expect(planText(await fakeEnvironment().planFor('v1.0.0'), plain)).toMatchInlineSnapshot(`
      "Plan: v1.0.0 to production, its first release

        1  fetch backend v1.0.0
        2  start 3 × backend v1.0.0 in blue, wait until ready (60 s at most)
        3  smoke-test backend in blue at its own address (GET /health)
        4  send backend traffic: 100 % blue
        5  backend v1.0.0 in blue becomes stable
        6  released

      at most    1 min 10 s until it is released
      at peak    3 replicas of backend
      goes back  it cannot: it ends when a step fails before it has traffic
      undo       moodify abort, until it has traffic; after that there is no version to go back to
      note       backend has no version yet: nothing to compare with and nothing to go back to"
    `)
  })

  it('of a canary', async () => {
    const environment = await afterFirstRelease()
    expect(planText(await environment.planFor('v1.1.0', 'canary'), plain)).toMatchInlineSnapshot(`
      "Plan: v1.1.0 to production by canary, in place of v1.0.0

         1  fetch backend v1.1.0
         2  start 3 × backend v1.1.0 in green, wait until ready (60 s at most)
         3  smoke-test backend in green at its own address (GET /health)
         4  send backend traffic: 90 % blue, 10 % green
         5  judge backend at 10 % for 20 s
         6  send backend traffic: 50 % blue, 50 % green
         7  judge backend at 50 % for 20 s
         8  send backend traffic: 100 % green
         9  judge backend at 100 % for 20 s
        10  backend v1.1.0 in green becomes stable
        11  drain backend in blue (30 s at most)
        12  released
        13  keep the old version warm for 30 s and go on watching
        14  end backend in blue

      at most    3 min until it is released, when there is data to judge by
      at peak    6 replicas of backend
      goes back  when its errors or slow answers are shown to be more than 1.25 × those of the old version
                 when error rate > 5 % or P95 > 5 s is shown; of good versions at most 1 % are taken back by all this while the old one serves too
                 when a replica is in a crash loop
                 when failing health checks > 50 % of its replicas
                 when a step fails or is not done in its time
                 never for lack of data: then it holds and says so; without any traffic it holds
      undo       moodify abort, until it is released: sends the traffic back to v1.0.0
                 moodify rollback, after that: at once for 30 s, then v1.0.0 has to be started first"
    `)
  })

  it('of a blue-green release with an approval', async () => {
    const config = configText.replace('blueGreen: {', 'blueGreen: { approval: true,')
    const environment = await afterFirstRelease(config)
    expect(planText(await environment.planFor('v1.1.0', 'blue-green'), plain)).toMatchInlineSnapshot(`
      "Plan: v1.1.0 to production by blue-green, in place of v1.0.0

         1  fetch backend v1.1.0
         2  start 3 × backend v1.1.0 in green, wait until ready (60 s at most)
         3  smoke-test backend in green at its own address (GET /health)
         4  wait for approval: moodify promote (24 h at most)
         5  send backend traffic: 100 % green
         6  judge backend at 100 % for 20 s
         7  backend v1.1.0 in green becomes stable
         8  drain backend in blue (30 s at most)
         9  released
        10  keep the old version warm for 30 s and go on watching
        11  end backend in blue

      at most    2 min until it is released, when there is data to judge by, the wait for its approval not counted
      at peak    6 replicas of backend
      goes back  when its errors or slow answers are shown to be more than 1.25 × those of the old version
                 when error rate > 5 % or P95 > 5 s is shown; of good versions at most 1 % are taken back by all this while the old one serves too
                 when a replica is in a crash loop
                 when failing health checks > 50 % of its replicas
                 when a step fails or is not done in its time
                 never for lack of data: then it holds and says so; without any traffic it holds
      undo       moodify abort, until it is released: sends the traffic back to v1.0.0
                 moodify rollback, after that: at once for 30 s, then v1.0.0 has to be started first"
    `)
  })

  it('of a rolling release', async () => {
    const environment = await afterFirstRelease()
    expect(planText(await environment.planFor('v1.1.0', 'rolling'), plain)).toMatchInlineSnapshot(`
      "Plan: v1.1.0 to production by rolling, in place of v1.0.0

        1  fetch backend v1.1.0
        2  roll backend in blue to v1.1.0, one replica at a time
        3  judge backend at 100 % for 20 s
        4  backend v1.1.0 in blue becomes stable
        5  released

      at most    3 min 26 s until it is released, when there is data to judge by
      at peak    4 replicas of backend
      goes back  when its errors or slow answers are shown to be more than 1.25 × those of the old version
                 when error rate > 5 % or P95 > 5 s is shown; of good versions at most 1 % are taken back by all this while the old one serves too
                 when a replica is in a crash loop
                 when failing health checks > 50 % of its replicas
                 when a step fails or is not done in its time
                 never for lack of data: then it holds and says so; without any traffic it holds
      undo       moodify abort, until it is released: rolls back to v1.0.0
                 moodify rollback, after that: rolls back to v1.0.0, which takes as long as the rollout
      note       backend is replaced in place: no old version stays warm, going back takes as long as the rollout"
    `)
  })

  it('of a rollback', async () => {
    const environment = await afterFirstRelease()
    expect(planText(await environment.planFor('v0.9.0', 'rollback'), plain)).toMatchInlineSnapshot(`
      "Plan: production back to v0.9.0, away from v1.0.0

        1  fetch backend v0.9.0
        2  start 3 × backend v0.9.0 in green, wait until ready (60 s at most)
        3  send backend traffic: 100 % green
        4  backend v0.9.0 in green becomes stable
        5  drain backend in blue (30 s at most)
        6  released
        7  end backend in blue

      at most    1 min 40 s until it is released
      at peak    6 replicas of backend
      goes back  when a step fails or is not done in its time; its requests are not judged
      undo       moodify abort, until it is released: sends the traffic back to v1.0.0
                 moodify deploy -v v1.0.0 --again, after that"
    `)
  })

  it('on a narrow terminal keeps steps and labels apart', async () => {
    const environment = await afterFirstRelease()
    const text = planText(await environment.planFor('v1.1.0', 'rolling'), plain, { width: 50 })
    expect(Math.max(...text.split('\n').map(visibleWidth))).toBeLessThanOrEqual(50)
    expect(text).toMatchInlineSnapshot(`
      "Plan: v1.1.0 to production by rolling, in place of
      v1.0.0

        1  fetch backend v1.1.0
        2  roll backend in blue to v1.1.0, one replica
           at a time
        3  judge backend at 100 % for 20 s
        4  backend v1.1.0 in blue becomes stable
        5  released

      at most    3 min 26 s until it is released, when
                 there is data to judge by
      at peak    4 replicas of backend
      goes back  when its errors or slow answers are
                 shown to be more than 1.25 × those of
                 the old version
                 when error rate > 5 % or P95 > 5 s is
                 shown; of good versions at most 1 % are
                 taken back by all this while the old
                 one serves too
                 when a replica is in a crash loop
                 when failing health checks > 50 % of
                 its replicas
                 when a step fails or is not done in its
                 time
                 never for lack of data: then it holds
                 and says so; without any traffic it
                 holds
      undo       moodify abort, until it is released:
                 rolls back to v1.0.0
                 moodify rollback, after that: rolls
                 back to v1.0.0, which takes as long as
                 the rollout
      note       backend is replaced in place: no old
                 version stays warm, going back takes as
                 long as the rollout"
    `)
  })
})

it('plan: says what happens when the analysis cannot tell, as the environment is configured', async () => {
  const config = configText.replace('unknownSeconds: 30', 'unknownSeconds: 30, onUnknown: rollback')
  const environment = await afterFirstRelease(config)
  expect(planText(await environment.planFor('v1.1.0'), plain)).toContain(
    'when nothing can be told 30 s after a stage should have ended',
  )
})
