// Which verb is allowed where, and what it says, in one state of each phase. docs/reference/verbs.md shows the same
// with all verbs and targets.
import { describe, expect, test } from 'vitest'
import { admit, phaseOf, phases } from '../../src/engine/admission.ts'
import type { Command } from '../../src/engine/record.ts'
import type { EnvironmentState } from '../../src/engine/state.ts'
import { SAMPLE_AT, samplePlan, sampleStates } from '../../tools/docs/sample-states.ts'

const samples = sampleStates()

function answers(state: EnvironmentState): string {
  const previous = state.services['backend']?.previous ?? null
  const commands: Record<string, Command> = {
    deploy: { verb: 'deploy', plan: samplePlan(state, 'v9', 'canary'), supersede: false, again: false },
    supersede: { verb: 'deploy', plan: samplePlan(state, 'v9', 'canary'), supersede: true, again: false },
    promote: { verb: 'promote' },
    pause: { verb: 'pause' },
    continue: { verb: 'continue' },
    abort: { verb: 'abort' },
    retry: { verb: 'retry', plan: null },
    rollback: {
      verb: 'rollback',
      to: 'undo',
      plan: previous && samplePlan(state, previous.revision.version, 'rollback'),
    },
    resolve: { verb: 'resolve', hook: 'before', as: 'done' },
  }
  return Object.entries(commands)
    .map(([verb, command]) => {
      const answer = admit(state, command, SAMPLE_AT)
      return answer.allowed ? `${verb}: ${answer.will}` : `${verb}: no, ${answer.because} → ${answer.next}`
    })
    .join('\n')
}

const sampleOf = (title: string) => samples.find((sample) => sample.title === title)!.state

test('there is a sample of each phase, and the engine agrees with its name', () => {
  expect(new Set(samples.map(({ phase }) => phase))).toEqual(new Set(phases))
  for (const { phase, state, title } of samples) expect(phaseOf(state), title).toBe(phase)
})

describe('what each verb does', () => {
  test('nothing released yet', () => {
    expect(answers(sampleOf('nothing released yet'))).toMatchInlineSnapshot(`
      "deploy: start the release of v9
      supersede: start the release of v9
      promote: no, no release runs → moodify deploy -v VERSION
      pause: no, no release runs → moodify deploy -v VERSION
      continue: no, no release runs → moodify deploy -v VERSION
      abort: no, no release runs → moodify deploy -v VERSION
      retry: no, the last release did not fail → moodify deploy -v VERSION
      rollback: no, there is no earlier version to go back to → moodify rollback -t version -v VERSION
      resolve: no, no release runs → moodify deploy -v VERSION"
    `)
  })

  test('v2 is live, v1 before it (its slot is empty)', () => {
    expect(answers(sampleOf('v2 is live, v1 before it (its slot is empty)'))).toMatchInlineSnapshot(`
      "deploy: start the release of v9
      supersede: start the release of v9
      promote: no, no release runs → moodify deploy -v VERSION
      pause: no, no release runs → moodify deploy -v VERSION
      continue: no, no release runs → moodify deploy -v VERSION
      abort: no, no release runs → moodify deploy -v VERSION
      retry: no, the last release did not fail → moodify deploy -v VERSION
      rollback: go from v2 back to v1
      resolve: no, no release runs → moodify deploy -v VERSION"
    `)
  })

  test('canary of v3, its replicas are starting', () => {
    expect(answers(sampleOf('canary of v3, its replicas are starting'))).toMatchInlineSnapshot(`
      "deploy: no, v3 (r-3) runs → moodify deploy -v v9 --supersede, or moodify status -w
      supersede: take v3 (r-3) back to v2, then start v9
      promote: no, there is nothing to promote at this step: start 3 × backend v3 in blue, wait until ready (10 min at most) → moodify status -w, then moodify promote
      pause: hold the traffic where it is; the analysis goes on and a failing verdict still takes it back
      continue: no, v3 (r-3) is not paused → moodify status
      abort: end v3 (r-3): no traffic has been moved
      retry: no, v3 (r-3) runs and nothing in it has failed → moodify status -w
      rollback: take v3 (r-3) back to v2
      resolve: no, no hook before is waiting for an answer → moodify status"
    `)
  })

  test('canary of v3, judged at 10 %', () => {
    expect(answers(sampleOf('canary of v3, judged at 10 %'))).toMatchInlineSnapshot(`
      "deploy: no, v3 (r-3) runs → moodify deploy -v v9 --supersede, or moodify status -w
      supersede: take v3 (r-3) back to v2, then start v9
      promote: end the analysis at 10 % now and go on
      pause: hold the traffic where it is; the analysis goes on and a failing verdict still takes it back
      continue: no, v3 (r-3) is not paused → moodify status
      abort: take v3 (r-3) back to v2
      retry: no, v3 (r-3) runs and nothing in it has failed → moodify status -w
      rollback: take v3 (r-3) back to v2
      resolve: no, no hook before is waiting for an answer → moodify status"
    `)
  })

  test('blue-green of v3 waits for approval', () => {
    expect(answers(sampleOf('blue-green of v3 waits for approval'))).toMatchInlineSnapshot(`
      "deploy: no, v3 (r-3) runs → moodify deploy -v v9 --supersede, or moodify status -w
      supersede: take v3 (r-3) back to v2, then start v9
      promote: approve v3 (r-3): traffic moves to it
      pause: hold the traffic where it is; the analysis goes on and a failing verdict still takes it back
      continue: no, v3 (r-3) is not paused → moodify status
      abort: end v3 (r-3): no traffic has been moved
      retry: no, v3 (r-3) runs and nothing in it has failed → moodify status -w
      rollback: take v3 (r-3) back to v2
      resolve: no, no hook before is waiting for an answer → moodify status"
    `)
  })

  test('canary of v3, paused at 10 %', () => {
    expect(answers(sampleOf('canary of v3, paused at 10 %'))).toMatchInlineSnapshot(`
      "deploy: no, v3 (r-3) runs → moodify deploy -v v9 --supersede, or moodify status -w
      supersede: take v3 (r-3) back to v2, then start v9
      promote: end the analysis at 10 % now and go on
      pause: no, v3 (r-3) is already paused → moodify continue
      continue: go on with v3 (r-3)
      abort: take v3 (r-3) back to v2
      retry: no, v3 (r-3) runs and nothing in it has failed → moodify status -w
      rollback: take v3 (r-3) back to v2
      resolve: no, no hook before is waiting for an answer → moodify status"
    `)
  })

  test('canary of v3, the result of hook before is unknown', () => {
    expect(answers(sampleOf('canary of v3, the result of hook before is unknown'))).toMatchInlineSnapshot(`
      "deploy: no, v3 (r-3) runs → moodify deploy -v v9 --supersede, or moodify status -w
      supersede: take v3 (r-3) back to v2, then start v9
      promote: no, there is nothing to promote at this step: run hook before: ./migrate.sh → moodify status -w, then moodify promote
      pause: hold the traffic where it is; the analysis goes on and a failing verdict still takes it back
      continue: no, v3 (r-3) is not paused → moodify status
      abort: end v3 (r-3): no traffic has been moved
      retry: no, v3 (r-3) runs and nothing in it has failed → moodify status -w
      rollback: take v3 (r-3) back to v2
      resolve: take hook before as done and go on"
    `)
  })

  test('v3 released by canary, v2 kept warm', () => {
    expect(answers(sampleOf('v3 released by canary, v2 kept warm'))).toMatchInlineSnapshot(`
      "deploy: no, v3 (r-3) is released and keeps its old version warm → moodify deploy -v v9 --supersede, or moodify status -w
      supersede: end the keep time of v3 (r-3), then start v9
      promote: no, v3 (r-3) is already released → moodify status
      pause: no, v3 (r-3) is already released → moodify status
      continue: no, v3 (r-3) is not paused → moodify status
      abort: no, v3 (r-3) is already released → moodify rollback
      retry: no, v3 (r-3) runs and nothing in it has failed → moodify status -w
      rollback: take v3 (r-3) back to v2
      resolve: no, no hook before is waiting for an answer → moodify status"
    `)
  })

  test('canary of v3 going back', () => {
    expect(answers(sampleOf('canary of v3 going back'))).toMatchInlineSnapshot(`
      "deploy: no, v3 (r-3) runs → moodify deploy -v v9 --supersede, or moodify status -w
      supersede: wait until v3 (r-3) is back, then start v9
      promote: no, v3 (r-3) is going back → moodify status -w
      pause: no, v3 (r-3) is going back, which is not paused → moodify status -w
      continue: no, v3 (r-3) is not paused → moodify status
      abort: no, v3 (r-3) is already going back → moodify status -w
      retry: no, v3 (r-3) runs and nothing in it has failed → moodify status -w
      rollback: nothing more: v3 (r-3) is already going back
      resolve: no, no hook before is waiting for an answer → moodify status"
    `)
  })
})
