// The runbook's four rollback triggers, taken literally: an error rate, a P95, crash loops, failing health checks.
//
// Intuition: count the candidate's requests in a sliding window and compare shares with limits. "P95 above X" is the
// same as "more than 5 % of requests are slower than X", so latency is a share too and no quantile is estimated.
//
// Problem: few requests. One failure of three is 33 % and means nothing. So a rate needs a minimum of requests and
// of bad ones; below that the verdict is `unknown`, which neither promotes nor rolls back.
//
// A window is looked at again and again, so a candidate that is as good as its limit is taken back sooner or later.
// Limits are meant to be far above what is normal; a judge that compares with the control has no such weakness.
// Source: runbook, "Automatic Rollback Triggers"; shared design, "How a canary is judged", section 4.

import type { Triggers } from '../config/config.ts'
import { durationInWords } from '../domain/duration.ts'
import { invariant } from '../errors/catalogue.ts'
import type { Judge, JudgeState, JudgeTick, Question } from './judge.ts'
import { crashLoop, failingHealth } from './replica-rules.ts'
import { healthy, noData, type RateLimit, type Seen, tooFew, tooHigh } from './request-rules.ts'
import { coveredMs, emptyWindow, isOf, slide, sumOf, type Window } from './window.ts'

const NAME = 'guardrails'

/** P95 is above an edge when more than this share of requests is slower. */
const SLOW_LIMIT_PERCENT = 5

interface GuardrailState extends JudgeState {
  readonly question: Question
  readonly window: Window
  /** The candidate's requests since the question was asked. */
  readonly requests: number
}

export const guardrails: Judge = {
  start(question) {
    const state: GuardrailState = { judge: NAME, question, window: emptyWindow, requests: 0 }
    return state
  },

  tick(previous, tick) {
    const state = takeIn(ownState(previous), tick)
    const { question } = state
    const seen = whatIsSeen(state, tick)
    const verdict =
      crashLoop(question, tick.candidate) ??
      failingHealth(question, tick.candidate) ??
      (tick.hasData ? (tooHigh(seen) ?? tooFew(seen) ?? healthy(seen)) : noData(question))
    return { state, verdict }
  },
}

function ownState(state: JudgeState): GuardrailState {
  invariant(state.judge === NAME, `the state of the judge "${state.judge}" was given to ${NAME}`)
  return state as GuardrailState
}

function takeIn(state: GuardrailState, { cells, elapsedMs }: JudgeTick): GuardrailState {
  const { triggers, candidate, control } = state.question
  const rules = { windowMs: triggers.windowMs, slowMs: triggers.p95Ms, candidate, control }
  const served = cells.filter((cell) => isOf(candidate, cell)).reduce((sum, cell) => sum + cell.requests, 0)
  return { ...state, window: slide(state.window, cells, elapsedMs, rules), requests: state.requests + served }
}

function whatIsSeen({ question, window, requests }: GuardrailState, { elapsedMs }: JudgeTick): Seen {
  return {
    question,
    elapsedMs,
    requests,
    limits: rateLimits(question.triggers),
    candidate: sumOf(window, 'candidate'),
    control: question.control ? sumOf(window, 'control') : null,
    windowMs: coveredMs(window, elapsedMs, question.triggers.windowMs),
  }
}

function rateLimits({ errorRatePercent, p95Ms }: Triggers): Seen['limits'] {
  const errors: RateLimit = { rule: 'error-rate', bad: 'failures', limitPercent: errorRatePercent, did: 'failed' }
  const did = `took longer than ${durationInWords(p95Ms)}`
  return [errors, { rule: 'latency', bad: 'slow', limitPercent: SLOW_LIMIT_PERCENT, did }]
}
