// What can a stage see, at this traffic?
//
// Intuition: a test learns from bad units alone. If the canary gets a tenth of the traffic and is r times as bad, the
// share θ of the bad units that are its own rises from w to r·w / (r·w + 1 − w); how many it takes to tell the two
// apart follows from how far apart they are, and how long that takes follows from the traffic.
// Hypothesis: the error rates stay what they are.
// What makes it valid: it is an estimate, not a guarantee: about ln(1/α) + 1.7 of information finds it with high
// probability, and information comes at KL(θ‖w) per bad unit.
// Source: Wald, Sequential analysis (1945), for the expected number; docs/judgement.md.
import { limitFromBefore } from './before-after.ts'
import { largestSample } from './cells.ts'
import { MINIMUM_BAD, spendableAfter } from './conditional-boundary.ts'
import { LEAST_SECONDS_ALONE } from './sequential-state.ts'

export interface Traffic {
  /** Of both versions together. */
  readonly requestsPerSecond: number
  /** Part of them that the canary gets, between 0 and 1, both excluded. */
  readonly weight: number
  /** Stable's error rate. */
  readonly baseline: number
  /** Replicas of each version, where the unit is a cell of one replica and second; without them it is a request. */
  readonly replicas?: { readonly canary: number; readonly stable: number }
}

export interface TestPower {
  readonly alpha: number
  readonly margin: number
}

export interface Detection {
  readonly seconds: number
  /** Requests that the canary fails until then. */
  readonly hurt: number
}

const CONFIDENCE = 1.7
/** Requests of stable from which its share of failures is about known. */
const KNOWN_FROM = 1e5
/** Each one brings the number much nearer than a whole unit. */
const ENOUGH_STEPS = 8

/** What it takes to find a canary with this error rate; null for one within the margin. */
export function detectionOf(rate: number, traffic: Traffic, { alpha, margin }: TestPower): Detection | null {
  const { requestsPerSecond, weight, baseline } = traffic
  if (requestsPerSecond <= 0) return null
  const canary = unitsOf(requestsPerSecond * weight, traffic.replicas?.canary)
  const stable = unitsOf(requestsPerSecond * (1 - weight), traffic.replicas?.stable)
  // As in cells.ts: of large cells a sample is looked at, larger cells of the canary weigh more.
  const size = Math.min(canary.size, largestSample({ requests: KNOWN_FROM, failures: KNOWN_FROM * baseline }))
  const weighing = canary.perSecond * Math.max(1, size / stable.size)
  const share = weighing / (weighing + stable.perSecond)
  const stableBad = badShare(baseline, Math.min(size, stable.size))
  const canaryBad = badShare(rate, size)
  const allowed = shareOfBad(Math.min(1, margin * stableBad), stableBad, share)
  const actual = shareOfBad(canaryBad, stableBad, share)
  if (!(actual > allowed)) return null
  const bad = badUnitsNeeded(alpha, divergence(actual, allowed))
  const seconds = Math.max(MINIMUM_BAD, bad * actual) / (canary.perSecond * canaryBad)
  return { seconds, hurt: seconds * requestsPerSecond * weight * rate }
}

/** Of both versions; the boundary may spend only a part of alpha on the first few. */
function badUnitsNeeded(alpha: number, perUnit: number): number {
  let bad = MINIMUM_BAD
  for (let step = 0; step < ENOUGH_STEPS; step++) {
    bad = Math.max(MINIMUM_BAD, (Math.log(1 / spendableAfter(bad, alpha)) + CONFIDENCE) / perUnit)
  }
  return bad
}

interface Units {
  readonly perSecond: number
  /** Requests in one. */
  readonly size: number
}

/** Cells with at least one request, when requests come at random; without replicas each request is a unit. */
function unitsOf(requestsPerSecond: number, replicas: number | undefined): Units {
  if (replicas === undefined) return { perSecond: requestsPerSecond, size: 1 }
  const occupied = replicas * -Math.expm1(-requestsPerSecond / replicas)
  return { perSecond: occupied, size: requestsPerSecond / occupied }
}

/** A unit is bad if any of its requests is. */
function badShare(rate: number, size: number): number {
  return rate >= 1 ? 1 : -Math.expm1(size * Math.log1p(-rate))
}

export interface TrafficAlone {
  readonly requestsPerSecond: number
  /** Error rate of the version before, and for how many requests it is known. */
  readonly baseline: number
  readonly knownFrom: number
  /** Error rate that is a limit of its own. */
  readonly guardrail: number
}

/** What it takes where nothing runs beside the candidate: enough to tell its rate from what counts as worse. */
export function detectionAlone(rate: number, traffic: TrafficAlone, alpha: number): Detection | null {
  const { requestsPerSecond, baseline, knownFrom, guardrail } = traffic
  if (requestsPerSecond <= 0) return null
  const limit = limitFromBefore({ units: knownFrom, bad: baseline * knownFrom }, guardrail) ?? guardrail
  if (!(rate > limit)) return null
  // Half of the stake is bet at once.
  const requests = (Math.log(2 / alpha) + CONFIDENCE) / divergence(rate, limit)
  const seconds = Math.max(LEAST_SECONDS_ALONE, requests / requestsPerSecond)
  return { seconds, hurt: seconds * requestsPerSecond * rate }
}

/** The smallest error rate that is found within a time; null if none is, not even 100 %. */
export function smallestVisibleRate(seconds: number, traffic: Traffic, power: TestPower): number | null {
  return smallestFound(seconds, traffic.baseline * power.margin, (rate) => detectionOf(rate, traffic, power))
}

/** The same where nothing runs beside the candidate. */
export function smallestVisibleAlone(seconds: number, traffic: TrafficAlone, alpha: number): number | null {
  return smallestFound(seconds, traffic.baseline, (rate) => detectionAlone(rate, traffic, alpha))
}

/** @param above  a rate that cannot be found */
function smallestFound(seconds: number, above: number, detect: (rate: number) => Detection | null): number | null {
  const isFound = (rate: number) => (detect(rate)?.seconds ?? Number.POSITIVE_INFINITY) <= seconds
  if (!isFound(1)) return null
  let hidden = Math.log(Math.max(1e-9, above))
  let found = 0
  for (let step = 0; step < 60; step++) {
    const middle = (hidden + found) / 2
    if (isFound(Math.exp(middle))) found = middle
    else hidden = middle
  }
  return Math.exp(found)
}

export interface ProposedStage {
  /** Part of the traffic, between 0 and 1. */
  readonly weight: number
  readonly seconds: number
  readonly hurt: number
}

/** Weights worth proposing. */
const WEIGHTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5]

/** For each usual weight, how long a first stage has to be to find `rate`. Empty for a rate within the margin. */
export function proposeStages(
  rate: number,
  traffic: Omit<Traffic, 'weight'>,
  power: TestPower,
): readonly ProposedStage[] {
  return WEIGHTS.flatMap((weight) => {
    const found = detectionOf(rate, { ...traffic, weight }, power)
    return found ? [{ weight, ...found }] : []
  })
}

function shareOfBad(canaryRate: number, stableRate: number, weight: number): number {
  const canary = canaryRate * weight
  const all = canary + stableRate * (1 - weight)
  return all === 0 ? 0 : canary / all
}

/** Kullback–Leibler divergence of two coins; baseline 0 leaves no doubt, so it is kept finite. */
function divergence(actual: number, allowed: number): number {
  const p = Math.min(actual, 1)
  const q = Math.max(allowed, 1e-9)
  const other = p >= 1 ? 0 : (1 - p) * Math.log((1 - p) / (1 - q))
  return p * Math.log(p / q) + other
}
