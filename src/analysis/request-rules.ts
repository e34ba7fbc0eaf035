// What the candidate's requests say: shares of bad ones against limits, and what is missing where they say nothing.

import { durationInWords } from '../domain/duration.ts'
import type { Evidence, RuleName, Verdict } from '../domain/verdict.ts'
import type { Question } from './judge.ts'
import type { Tally } from './window.ts'
import { countInWords, numberInWords, percentInWords } from './words.ts'

/** What is known when a verdict is due. */
export interface Seen {
  readonly question: Question
  readonly elapsedMs: number
  /** The candidate's requests since the question was asked. */
  readonly requests: number
  readonly limits: readonly [RateLimit, ...RateLimit[]]
  /** Sums of the window. */
  readonly candidate: Tally
  readonly control: Tally | null
  /** Length of data in the window. */
  readonly windowMs: number
}

export interface RateLimit {
  readonly rule: RuleName
  readonly bad: 'failures' | 'slow'
  readonly limitPercent: number
  /** What bad requests did, such as `failed`. */
  readonly did: string
}

export function noData({ control }: Question): Verdict {
  return {
    kind: 'unknown',
    rule: 'no-data',
    reason: 'the source of the request counts does not answer',
    evidence: null,
    weakerEvidence: control === null,
    needs: 'request counts',
  }
}

export function tooHigh(seen: Seen): Verdict | null {
  const { question, candidate, limits } = seen
  const broken = limits.find((limit) => isBroken(seen, limit))
  if (!broken || candidate.requests < question.triggers.minRequests) return null
  return {
    kind: 'unhealthy',
    rule: broken.rule,
    reason: rateInWords(seen, broken),
    evidence: evidenceOf(seen, broken),
    weakerEvidence: question.control === null,
  }
}

/**
 * Too few requests since the question was asked; or too few in the window while those that came look bad, because
 * then a healthy request more could be the one that makes them enough, and nobody should have heard `healthy` before.
 */
export function tooFew(seen: Seen): Verdict | null {
  const { question, requests, candidate, limits } = seen
  const { minRequests } = question.triggers
  const suspect = limits.find((limit) => isBroken(seen, limit))
  if (requests >= minRequests && !suspect) return null
  return {
    kind: 'unknown',
    rule: 'minimum-requests',
    reason: suspect
      ? `${rateInWords(seen, suspect)}: fewer requests than the ${numberInWords(minRequests)} that a verdict needs`
      : `${countInWords(requests, 'request')} so far, a verdict needs ${numberInWords(minRequests)}`,
    evidence: evidenceOf(seen, suspect ?? limits[0]),
    weakerEvidence: question.control === null,
    needs: missingInWords(seen, minRequests - (suspect ? candidate.requests : requests)),
  }
}

export function healthy(seen: Seen): Verdict {
  const { question, candidate, limits, requests } = seen
  const { windowMs } = question.triggers
  return {
    kind: 'healthy',
    rule: 'none',
    reason:
      candidate.requests === 0
        ? `no request in the last ${durationInWords(windowMs)}, and no broken limit in ${countInWords(requests, 'request')} before`
        : limits.map((limit) => rateInWords(seen, limit)).join('. '),
    evidence: evidenceOf(seen, limits[0]),
    weakerEvidence: question.control === null,
  }
}

function isBroken({ question, candidate }: Seen, { bad, limitPercent }: RateLimit): boolean {
  return candidate[bad] >= question.triggers.minBad && candidate[bad] * 100 > limitPercent * candidate.requests
}

/** `42 more requests, about 14 s at this traffic` */
function missingInWords({ question, requests, elapsedMs }: Seen, missing: number): string {
  if (requests === 0) return 'no requests at all: no traffic'
  const { minRequests, windowMs } = question.triggers
  const more = countInWords(missing, 'more request')
  if (elapsedMs === 0) return more
  const perMs = requests / elapsedMs
  if (requests >= minRequests && perMs * windowMs < minRequests) {
    return `${more} within ${durationInWords(windowMs)}, where this traffic gives about ${Math.round(perMs * windowMs)} in all`
  }
  return `${more}, about ${durationInWords(Math.ceil(missing / perMs / 1000) * 1000)} at this traffic`
}

/** `31 of 120 requests failed (25.8 %, limit 5 %) in the last 8 s; stable: 0 of 1,080` */
function rateInWords({ candidate, control, windowMs }: Seen, { bad, did, limitPercent }: RateLimit): string {
  const counts = `${numberInWords(candidate[bad])} of ${countInWords(candidate.requests, 'request')} ${did}`
  const limit = `(${percentInWords(candidate[bad], candidate.requests)}, limit ${limitPercent} %)`
  const beside = control ? `; stable: ${numberInWords(control[bad])} of ${numberInWords(control.requests)}` : ''
  return `${counts} ${limit} in the last ${durationInWords(windowMs)}${beside}`
}

function evidenceOf({ candidate, control, windowMs }: Seen, { bad, limitPercent }: RateLimit): Evidence {
  const numbers = (tally: Tally) => ({
    units: tally.requests,
    bad: tally[bad],
    share: tally.requests === 0 ? 0 : tally[bad] / tally.requests,
  })
  return { ...numbers(candidate), limit: limitPercent / 100, windowMs, ...(control && { control: numbers(control) }) }
}
