// The dead-man's switch: half of the newest requests fail.
//
// Intuition: a version that answers nothing needs no statistics and no warm-up, only enough requests that it is no
// single broken client.
// Hypothesis: the canary fails at most a few percent of its requests, whatever the time.
// What makes it valid: ten of twenty at a true rate of 5 % have a chance below 1e-7, so it takes no part of α. The
// requests have to come from two different seconds at least, because one bad moment is one event.
// Source: docs/judgement.md.
import { addTallies, nothing, type Tally } from './comparison.ts'

/** Newest seconds of both versions, just as many as hold enough of the canary's requests. */
export interface NewestSeconds {
  readonly seconds: readonly { readonly canary: Tally; readonly stable: Tally }[]
}

export const DEAD_SHARE = 0.5
const ENOUGH_REQUESTS = 20
const ENOUGH_SECONDS = 2
/** Seconds in which the canary had no request are not kept, so a longer list could not be filled. */
const MOST_SECONDS = ENOUGH_REQUESTS + ENOUGH_SECONDS

export const noSeconds: NewestSeconds = { seconds: [] }

export function addSecond({ seconds }: NewestSeconds, canary: Tally, stable: Tally): NewestSeconds {
  if (canary.units === 0) return { seconds }
  const all = [...seconds, { canary, stable }].slice(-MOST_SECONDS)
  while (all.length > ENOUGH_SECONDS && sum(all.slice(1), 'canary').units >= ENOUGH_REQUESTS) all.shift()
  return { seconds: all }
}

/** The newest requests when half of them failed; null otherwise. */
export function deadMan({ seconds }: NewestSeconds): { readonly canary: Tally; readonly stable: Tally } | null {
  const canary = sum(seconds, 'canary')
  const isDead =
    canary.units >= ENOUGH_REQUESTS && seconds.length >= ENOUGH_SECONDS && canary.bad >= DEAD_SHARE * canary.units
  return isDead ? { canary, stable: sum(seconds, 'stable') } : null
}

function sum(seconds: NewestSeconds['seconds'], arm: 'canary' | 'stable'): Tally {
  return seconds.map((second) => second[arm]).reduce(addTallies, nothing)
}
