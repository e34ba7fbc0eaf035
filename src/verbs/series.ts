// Recorded counts judged as if they were happening: what `analyze` and `replay` share.

import type { Tally } from '../analysis/comparison.ts'
import type { Judge, JudgeState, JudgeTick, Question } from '../analysis/judge.ts'
import type { Triggers } from '../config/config.ts'
import { type Cell, type Counts, noCounts } from '../domain/counts.ts'
import type { ReplicaFacts, SlotFacts } from '../domain/snapshot.ts'
import type { Verdict } from '../domain/verdict.ts'

/** Counts of one tick, and the stage they belong to. */
export interface SeriesTick {
  /** Seconds since an arbitrary start; never less than before. */
  readonly t: number
  /** Seconds since the tick before. */
  readonly lengthSeconds: number
  readonly stage: { readonly key: string; readonly weightPercent: number; readonly monitorSeconds: number }
  readonly candidate: Counts
  /** Null where nothing was compared. */
  readonly control: Counts | null
  readonly replicas: number
  readonly metrics?: Readonly<Record<string, { readonly candidate: Tally; readonly control: Tally }>>
}

export interface SeriesVerdict {
  readonly t: number
  readonly verdict: Verdict
}

const candidate = { slot: 'candidate', revision: 'candidate' }
const control = { slot: 'control', revision: 'control' }

/** The verdict after each tick; after an unhealthy one nothing more is judged. */
export function* judgeSeries(judge: Judge, triggers: Triggers, ticks: Iterable<SeriesTick>): Generator<SeriesVerdict> {
  let open = null as { key: string; state: JudgeState; elapsedMs: number } | null
  for (const tick of ticks) {
    if (open?.key !== tick.stage.key) {
      const state: JudgeState = judge.start(questionOf(tick, triggers), open?.state ?? null)
      open = { key: tick.stage.key, state, elapsedMs: 0 }
    }
    open.elapsedMs += tick.lengthSeconds * 1000
    const judged = judge.tick(open.state, judgeTick(tick, open.elapsedMs, triggers.mode))
    open.state = judged.state
    yield { t: tick.t, verdict: judged.verdict }
    if (judged.verdict.kind === 'unhealthy') return
  }
}

function questionOf({ stage, control: counted }: SeriesTick, triggers: Triggers): Question {
  const { weightPercent, monitorSeconds } = stage
  return {
    triggers,
    candidate,
    control: counted ? control : null,
    monitorMs: monitorSeconds * 1000,
    weightPercent,
  }
}

/** Limits on a window are looked at in cells of a second; tests take sums as they are. */
function judgeTick(tick: SeriesTick, elapsedMs: number, mode: Triggers['mode']): JudgeTick {
  const common = { elapsedMs, candidate: slotOf(tick.replicas), hasData: true }
  const metrics = tick.metrics ? { metrics: tick.metrics } : {}
  if (mode === 'sequential') {
    return { ...common, ...metrics, cells: [], sums: { candidate: tick.candidate, control: tick.control ?? noCounts } }
  }
  const cell = (arm: typeof candidate, counts: Counts): Cell => ({
    ...arm,
    replica: arm.slot,
    second: Math.floor(tick.t),
    ...counts,
  })
  return { ...common, cells: [cell(candidate, tick.candidate), ...(tick.control ? [cell(control, tick.control)] : [])] }
}

/** Recorded data knows how many replicas there were, and nothing bad of them. */
function slotOf(count: number): SlotFacts {
  const replicas = Array.from({ length: count }, (_, index): ReplicaFacts => {
    const well = { running: true, ready: true, restarts: 0, crashLooping: false, failingHealth: false, ending: false }
    return { id: `replica-${index}`, revision: candidate.revision, ...well, startedAgoMs: Number.MAX_SAFE_INTEGER }
  })
  return { desiredRevision: candidate.revision, desiredReplicas: count, replicas }
}
