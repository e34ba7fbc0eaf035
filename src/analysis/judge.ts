// The port between the runner and whatever says how a candidate does. A judge is a pure function over what was
// counted; the runner feeds it, checkpoints its state and acts on its verdict.
import type { Triggers } from '../config/config.ts'
import type { Cell, Counts } from '../domain/counts.ts'
import type { SlotName } from '../domain/names.ts'
import type { SlotFacts } from '../domain/snapshot.ts'
import type { Verdict } from '../domain/verdict.ts'
import type { Tally } from './comparison.ts'

export interface Judge {
  /**
   * Opens a question.
   *
   * @param previous  state of the question before on the same candidate, whose α and evidence are carried on
   */
  start(question: Question, previous?: JudgeState | null): JudgeState
  /**
   * Takes in what was counted since the last tick and says what is known now.
   *
   * @throws InvariantError if the state was made by another judge (a bug in the caller)
   */
  tick(state: JudgeState, tick: JudgeTick): { readonly state: JudgeState; readonly verdict: Verdict }
}

/** Is the candidate fit to stay? One question per stage of a release. */
export interface Question {
  readonly triggers: Triggers
  readonly candidate: Arm
  /** What still receives traffic beside the candidate; null where nothing does. */
  readonly control: Arm | null
  /** How long the question stays open. */
  readonly monitorMs: number
  /** Its place among the questions of the release on this candidate; without it, as many may follow as before. */
  readonly stage?: { readonly index: number; readonly count: number }
  /** Candidates that share the release's chance of a false alarm; 1 if left out. */
  readonly candidates?: number
  /** Share of the traffic that the candidate was given. */
  readonly weightPercent?: number
  /** What the version before served before the candidate got any traffic. */
  readonly before?: Counts | null
}

/** Traffic is attributed to the revision that served it, in the slot where it ran. */
export interface Arm {
  readonly slot: SlotName
  readonly revision: string
}

export interface JudgeTick {
  /** Monitor time since the question was asked, never less than at the tick before. */
  readonly elapsedMs: number
  /** Cells that were in no tick before. */
  readonly cells: readonly Cell[]
  /** From sources that have no cells: sums since the last tick, in which each request counts for itself. */
  readonly sums?: { readonly candidate: Counts; readonly control: Counts }
  /** Other metrics since the last tick, by name. */
  readonly metrics?: Readonly<Record<string, { readonly candidate: Tally; readonly control: Tally }>>
  /** The slot of the candidate, of which the replicas of its revision are judged. */
  readonly candidate: SlotFacts
  /** The source of the cells answered. No cells and `hasData` means that there was no traffic. */
  readonly hasData: boolean
}

/** Plain JSON of bounded size, so that it can be checkpointed. Only its own judge reads more than the name. */
export interface JudgeState {
  readonly judge: string
}
