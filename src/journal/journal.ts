import type { Actor } from '../domain/names.ts'
import type { Command, Decision, JournalRecord } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'
import { OperatingError } from '../errors/catalogue.ts'
import { type Base, firstBase } from './seals.ts'

/**
 * The append-only log of one environment, and the inbox of commands beside it. One writer at a time: an append
 * with an epoch below the highest in the log is refused with STALE_EPOCH.
 */
export interface Journal {
  /**
   * Takes over: appends `epochTaken` with the next epoch and returns it.
   *
   * @param runner.above  the epoch is above this one too
   */
  takeEpoch(runner: { readonly name: string; readonly moodify: string; readonly above?: number }): Promise<number>
  /**
   * Appends what one input led to, all of it or nothing, and returns the records once they are durable.
   *
   * @param expected.seq  seq of the last record that the writer has seen
   * @throws OperatingError STALE_EPOCH when somebody else has taken over or written, JOURNAL_FAILED when it cannot be stored
   */
  append(
    decisions: readonly Decision[],
    expected: { epoch: number; seq: number; release: string | null },
  ): Promise<readonly JournalRecord[]>
  /**
   * What the present is folded from: a state, and the records after it. They begin before the newest release, so that it
   * can be told in full. However many releases there were, this reads about one.
   *
   * @param notAfter  seq at or before which the state has to be
   * @throws as `read`; a JournalDamaged also has the state
   */
  newest(notAfter?: number): Promise<Newest>
  /**
   * Keeps the state of a moment in which no release runs, and lets the records go that are older than the releases that
   * are to be kept. Harmless when repeated.
   */
  seal(state: EnvironmentState): Promise<void>
  /**
   * Records with a seq above `after` that are kept, in order.
   *
   * @throws OperatingError JOURNAL_NEWER on a version it does not know
   * @throws JournalDamaged naming the first record that is not what was written
   */
  read(after?: number): Promise<readonly JournalRecord[]>
  /** Leaves a command for the runner; returns its id, counting up. */
  post(command: Command, actor: Actor): Promise<number>
  /** Takes a command back that no runner has taken; one that was taken stays taken. */
  withdraw(id: number): Promise<void>
  /** Commands with an id above `after`, in order. */
  commands(after: number): Promise<readonly PostedCommand[]>
  /** The judge's state and monitor time per step, so that a restart does not start from nothing. */
  saveCheckpoint(key: string, value: unknown): Promise<void>
  checkpoint(key: string): Promise<unknown>
  /** Four integers per tick and service, kept apart from the decisions. */
  saveSample(sample: Sample): Promise<void>
  samples(release: string): Promise<readonly Sample[]>
  close(): void
}

/** What was written is not there any more. Trying again does not help; somebody has to restore it. */
export class JournalDamaged extends OperatingError {
  /** The records before the damage: for looking, never for deciding. */
  readonly whole: readonly JournalRecord[]
  /** What they are folded from. */
  readonly base: Base

  constructor(message: string, hint: string, whole: readonly JournalRecord[] = [], base: Base = firstBase) {
    super('JOURNAL_FAILED', message, hint)
    this.whole = whole
    this.base = base
  }
}

export interface Newest {
  readonly base: Base
  readonly records: readonly JournalRecord[]
}

export interface PostedCommand {
  readonly id: number
  readonly at: string
  readonly actor: Actor
  readonly command: Command
}

/** Counts of one tick of one service, of candidate and control. */
export interface Sample {
  readonly release: string
  readonly service: string
  /** The step that gave the candidate its share. */
  readonly step: string
  /** Monotonic milliseconds of the runner; differences only. */
  readonly atMs: number
  readonly candidate: { readonly requests: number; readonly failures: number; readonly latency: readonly number[] }
  readonly control: { readonly requests: number; readonly failures: number; readonly latency: readonly number[] } | null
}
