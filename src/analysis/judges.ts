// Which judge a release gets, by `triggers.mode`. A release planned by a version that knew no modes keeps its limits.
import { guardrails } from './guardrails.ts'
import type { Judge } from './judge.ts'
import { sequentialJudge } from './sequential-judge.ts'
import { SEQUENTIAL } from './sequential-state.ts'

export const judgeByMode: Judge = {
  start(question, previous) {
    return (question.triggers.mode === 'sequential' ? sequentialJudge : guardrails).start(question, previous)
  },

  tick(state, tick) {
    return (state.judge === SEQUENTIAL ? sequentialJudge : guardrails).tick(state, tick)
  },
}
