// Roll back when the canary alone is worse than a limit, such as 5 % errors.
//
// Intuition: bets against "at most 5 % of its units are bad", spread over all higher rates. A window with a threshold
// asks whether the last minute was bad; this asks whether luck can still explain what was seen, so a canary at or
// below its limit is not taken back however often it is looked at.
// A canary that turns bad after hours of good service would have to make up for all of them, so a part of the stake
// is kept back and a new bet begins after every so many units; the evidence is the sum of all bets.
// Hypothesis: each unit is bad with probability at most `limit`.
// One bad moment can fail many requests, so winnings count only of bets that have seen several bad events apart.
// What makes it valid: each bet is a mixture of likelihood ratios with mean ≤ 1, the parts of the stake are fixed in
// advance and sum to 1, and leaving bets out only loses winnings. Clusters of bad units weaken it close to the limit.
// Source: Ville's inequality; Shin, Ramdas and Rinaldo, E-detectors (2022) for the new beginnings; docs/judgement.md.
import { addTallies, nothing, type Tally } from './comparison.ts'
import { logBeta } from './numerics/gamma.ts'
import { logIncompleteBeta } from './numerics/incomplete-beta.ts'
import { logSumExp } from './numerics/log-sum.ts'

export interface GuardrailBets {
  readonly bets: readonly Bet[]
  /** Bets that were ever begun. */
  readonly begun: number
}

/** Units of one version, and what is wanted to know beside them. */
export interface Seen extends Tally {
  /** How many events apart the bad ones belong to. */
  readonly events: number
  /** What another version did in the same time. */
  readonly beside: Tally
}

interface Bet extends Seen {
  readonly logStake: number
}

/** The guesses are spread as Beta(0.5, 2) above the limit: more on small excesses. */
const A = 0.5
const B = 2
/** A new bet begins when the newest one has seen so many units that this many would be bad at the limit. */
const BAD_PER_BET = 20
const MOST_BETS = 16

const nobody: Seen = { ...nothing, events: 0, beside: nothing }

export const noBets: GuardrailBets = { bets: [{ logStake: Math.log(1 / 2), ...nobody }], begun: 1 }

/** @param limit  between 0 and 1, both excluded */
export function betAgainst(state: GuardrailBets, seen: Seen, limit: number): GuardrailBets {
  if (seen.units === 0) return state
  const bets = state.bets.map(({ logStake, units, bad, events, beside }) => ({
    logStake,
    units: units + seen.units,
    bad: bad + seen.bad,
    events: events + seen.events,
    beside: addTallies(beside, seen.beside),
  }))
  if (bets.at(-1)!.units * limit < BAD_PER_BET) return { ...state, bets }
  // 1/(1·2) + 1/(2·3) + 1/(3·4) + … = 1
  const begun = state.begun + 1
  const fresh = { logStake: -Math.log(begun * (begun + 1)), ...nobody }
  return { bets: [...withoutWorst(bets, limit), fresh], begun }
}

function withoutWorst(bets: readonly Bet[], limit: number): readonly Bet[] {
  if (bets.length < MOST_BETS) return bets
  const values = valuesOf(bets, limit)
  const worst = values.indexOf(Math.min(...values))
  return bets.filter((_, at) => at !== worst)
}

/** Natural logarithm of the evidence that units are bad more often than `limit`; −∞ while no bet counts. */
export function logExcess({ bets }: GuardrailBets, limit: number, leastEvents: number): number {
  const counting = bets.filter(({ events }) => events >= leastEvents)
  return logSumExp(valuesOf(counting, limit))
}

/** Counts of the bet that has won most. */
export function bestBet({ bets }: GuardrailBets, limit: number): Seen {
  const values = valuesOf(bets, limit)
  return bets[values.indexOf(Math.max(...values))]!
}

/** Logarithm of what each bet has become. */
function valuesOf(bets: readonly Bet[], limit: number): number[] {
  if (bets.length === 0) return []
  const logPrior = logMassAbove(limit, 0, 0)
  return bets.map((bet) => bet.logStake + logWon(bet, limit) - logPrior)
}

/** What a stake of 1 that was spread over all rates above the limit has become. */
export function logWinnings(seen: Tally, limit: number): number {
  return logWon(seen, limit) - logMassAbove(limit, 0, 0)
}

function logWon({ units, bad }: Tally, limit: number): number {
  const good = units - bad
  return logMassAbove(limit, bad, good) - bad * Math.log(limit) - good * Math.log1p(-limit)
}

/** ln of the integral over all rates above the limit, of the spread times what each rate expects. */
function logMassAbove(limit: number, bad: number, good: number): number {
  return logBeta(A + bad, B + good) + logIncompleteBeta(1 - limit, B + good, A + bad)
}
