// What a release can see at the traffic of now, said before it starts: a canary at 1 request/s finds almost
// nothing, and it is better to know that before than after.
import { errorRateTests, fullPurse, takeForStage } from '../analysis/alpha-budget.ts'
import {
  detectionAlone,
  detectionOf,
  type ProposedStage,
  proposeStages,
  smallestVisibleAlone,
  smallestVisibleRate,
  type TestPower,
  type Traffic,
} from '../analysis/sensitivity.ts'
import { warmUpBefore, warmUpIn } from '../analysis/warm-up.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { Member, Plan, Step } from '../plan/plan.ts'
import type { Context } from './context.ts'
import { type RecentCells, recentCells } from './recent-cells.ts'

const WINDOW_SECONDS = 60
const SECOND_LOOK_MS = 3000
/** Assumed of a stable version that has failed too few requests to tell. */
const ASSUMED_BASELINE = 0.001
const ENOUGH_FAILURES = 10
const EXAMPLE_RATE = 0.01
/** As long as a front keeps what it has counted. */
const BEFORE_SECONDS = 600

/** What one stage of one service can see. Rates are between 0 and 1. */
export interface Sight {
  readonly service: string
  readonly weightPercent: number
  readonly seconds: number
  readonly requestsPerSecond: number
  readonly baseline: number
  /** False where the baseline is assumed. */
  readonly isMeasured: boolean
  /** Smallest error rate that is found with high probability within the stage; null if none is. */
  readonly smallest: number | null
  /** Nothing runs beside the candidate in it: what the version before did stands in for it. */
  readonly isAlone: boolean
  readonly example: { readonly rate: number; readonly seconds: number; readonly hurt: number } | null
}

type Analysis = Extract<Step, { kind: 'analyse' }>

/**
 * @param requestsPerSecond  traffic to assume; without it that of the last minute is read from the platform
 * @returns                  one entry per stage in which versions are compared, or the one in which the candidate is
 *                           alone where they never are; none where limits alone count
 */
export async function sightOf(
  context: Context,
  plan: Plan,
  { requestsPerSecond }: { requestsPerSecond?: number },
): Promise<readonly Sight[]> {
  if (plan.triggers.mode !== 'sequential') return []
  const found = await Promise.all(
    plan.members.map(async (member) => {
      const { service } = member
      const seen = await trafficOf(context, member)
      const traffic = { ...seen, requestsPerSecond: requestsPerSecond ?? seen.requestsPerSecond }
      const stages = plan.steps.filter((step): step is Analysis => step.kind === 'analyse' && step.service === service)
      const compared = stages.filter(({ weightPercent }) => weightPercent < 100)
      if (compared.length === 0 && member.from) return stages.map((stage) => sightAlone(plan, stage, traffic))
      return compared.map((stage, index) => {
        const coldSeconds = index > 0 ? 0 : warmUpIn(stage.monitorMs, plan.triggers.warmUpMs) / 1000
        return sightOfStage(stage, traffic, { ...powerOfStage(plan, index), coldSeconds })
      })
    }),
  )
  return found.flat()
}

/**
 * Weights and times of a first stage that would find an error rate, at the traffic of now.
 *
 * @throws OperatingError BAD_FLAG where limits alone count, because then no stage finds what is below them
 */
export async function stagesThatSee(
  context: Context,
  plan: Plan,
  { rate, requestsPerSecond }: { rate: number; requestsPerSecond?: number },
): Promise<Readonly<Record<string, readonly ProposedStage[]>>> {
  if (plan.triggers.mode !== 'sequential')
    throw new OperatingError(
      'BAD_FLAG',
      '--see needs triggers.mode: sequential; with threshold nothing is found but what is above the limits',
      'moodify plan --help',
    )
  const found = await Promise.all(
    plan.members.map(async (member) => {
      const seen = await trafficOf(context, member)
      const traffic = { ...seen, requestsPerSecond: requestsPerSecond ?? seen.requestsPerSecond }
      return [member.service, withWarmUp(plan, proposeStages(rate, traffic, powerOfStage(plan, 0)))] as const
    }),
  )
  return Object.fromEntries(found)
}

/** While the replicas of a first stage are cold they hurt as many, and are not compared. */
function withWarmUp({ triggers }: Plan, stages: readonly ProposedStage[]): readonly ProposedStage[] {
  return stages.map((stage) => startedCold(stage, warmUpBefore(stage.seconds * 1000, triggers.warmUpMs) / 1000))
}

function startedCold<Found extends { readonly seconds: number; readonly hurt: number }>(found: Found, cold: number) {
  const seconds = found.seconds + cold
  return { ...found, seconds, hurt: (found.hurt / found.seconds) * seconds }
}

function powerOfStage({ triggers: { alphaPercent, margin }, members }: Plan, index: number): TestPower {
  let left = fullPurse(alphaPercent / 100 / members.length)
  for (let stage = 0; stage < index; stage++) left = takeForStage(left, false).left
  return { alpha: errorRateTests(takeForStage(left, false).stage.errorRate).boundary, margin }
}

type Seen = Omit<Traffic, 'weight'> & { readonly isMeasured: boolean }

/** @param coldSeconds  of the stage, in which nothing is compared */
function sightOfStage(
  stage: Analysis,
  seen: Seen,
  { coldSeconds, ...power }: TestPower & { coldSeconds: number },
): Sight {
  const { service, weightPercent, monitorMs } = stage
  const { isMeasured, ...measured } = seen
  const { requestsPerSecond, baseline } = measured
  const traffic = { ...measured, weight: weightPercent / 100 }
  const seconds = monitorMs / 1000
  const smallest = smallestVisibleRate(seconds - coldSeconds, traffic, power)
  const rate = smallest === null ? null : Math.max(smallest, EXAMPLE_RATE)
  const detection = rate === null ? null : detectionOf(rate, traffic, power)
  return {
    service,
    weightPercent,
    seconds,
    requestsPerSecond,
    baseline,
    isMeasured,
    smallest,
    isAlone: false,
    example: detection && { rate: rate!, ...startedCold(detection, coldSeconds) },
  }
}

function sightAlone({ triggers, members }: Plan, { service, weightPercent, monitorMs }: Analysis, seen: Seen): Sight {
  const { requestsPerSecond, baseline, isMeasured } = seen
  const knownFrom = requestsPerSecond * BEFORE_SECONDS
  const traffic = { requestsPerSecond, baseline, knownFrom, guardrail: triggers.errorRatePercent / 100 }
  const alpha = fullPurse(triggers.alphaPercent / 100 / members.length).errorRate
  const seconds = monitorMs / 1000
  const cold = warmUpIn(monitorMs, triggers.warmUpMs) / 1000
  const smallest = smallestVisibleAlone(seconds - cold, traffic, alpha)
  const rate = smallest === null ? null : Math.max(smallest, EXAMPLE_RATE)
  const detection = rate === null ? null : detectionAlone(rate, traffic, alpha)
  return {
    service,
    weightPercent,
    seconds,
    requestsPerSecond,
    baseline,
    isMeasured,
    smallest,
    isAlone: true,
    example: detection && { rate: rate!, ...startedCold(detection, cold) },
  }
}

async function trafficOf(context: Context, { service, from, to }: Member): Promise<Seen> {
  const { cells, seconds } = await seenLately(context, service)
  const requests = cells.reduce((sum, cell) => sum + cell.requests, 0)
  const failures = cells.reduce((sum, cell) => sum + cell.failures, 0)
  const isMeasured = failures >= ENOUGH_FAILURES
  const baseline = isMeasured ? failures / requests : ASSUMED_BASELINE
  const replicas = { canary: to.replicas, stable: from?.replicas ?? to.replicas }
  return { requestsPerSecond: requests / seconds, baseline, isMeasured, replicas }
}

/** Counters that have been read only once are read again a moment later. */
async function seenLately({ platform: { observer }, clock }: Context, service: string): Promise<RecentCells> {
  const nothing = { cells: [], seconds: WINDOW_SECONDS }
  const seen = (await recentCells(observer, service, WINDOW_SECONDS)) ?? nothing
  if (seen.seconds > 0) return seen
  await clock.sleep(SECOND_LOOK_MS)
  return (await recentCells(observer, service, WINDOW_SECONDS)) ?? nothing
}
