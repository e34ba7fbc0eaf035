// The judge that is not fooled by looking often: it takes a candidate back when a test whose false alarms are bounded
// in advance says so, lets it pass when it has shown itself, and says what is missing otherwise.
//
// α is shared out by alpha-budget.ts over the exact test of the error rate (conditional-boundary.ts) and the evidence
// beside it, latency, other metrics, the absolute limits, and evidence over the whole release. Crash loops, failing
// health checks and the dead-man's switch take no part of α. Nothing here is random and nothing reads a clock, so the
// same counts always give the same verdict.
// Source: docs/judgement.md.
import { invariant } from '../errors/catalogue.ts'
import type { Judge, JudgeState } from './judge.ts'
import { takeIn } from './sequential-intake.ts'
import { verdictOn } from './sequential-rules.ts'
import { SEQUENTIAL, type SequentialState, startState } from './sequential-state.ts'

export const sequentialJudge: Judge = {
  start(question, previous) {
    return startState(question, previous?.judge === SEQUENTIAL ? ownState(previous) : null)
  },

  tick(previous, tick) {
    const state = takeIn(ownState(previous), tick)
    const { verdict, isFinal } = verdictOn(state, tick)
    return { state: isFinal ? { ...state, decided: verdict } : state, verdict }
  },
}

function ownState(state: JudgeState): SequentialState {
  invariant(state.judge === SEQUENTIAL, `the state of the judge "${state.judge}" was given to ${SEQUENTIAL}`)
  return state as SequentialState
}
