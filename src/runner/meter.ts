// Counts of what runners do, for monitoring. They go on over the end of a runner, because a release is many runners'
// work; what is counted between two saves is lost with a runner that is killed. The journal has everything.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { JournalRecord, RecordBody } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'

export interface Meter {
  /** @param before  the state that the record was added to */
  recorded(record: JournalRecord, before: EnvironmentState): void
  ticked(): void
  started(): void
}

export const noMeter: Meter = { recorded() {}, ticked() {}, started() {} }

/** Counters by name and labels as Prometheus writes them: `releases_total{strategy="canary",outcome="released"}`. */
type Counters = Readonly<Record<string, number>>

const SAVE_EVERY_MS = 5000

export function countersOf(record: JournalRecord, before: EnvironmentState): string[] {
  const { body } = record
  return [
    seriesOf('decisions_total', { kind: body.kind }),
    ...verdictsIn(body).map(({ kind, rule }) => seriesOf('verdicts_total', { verdict: kind, rule })),
    ...(body.kind === 'commanded'
      ? [seriesOf('commands_total', { verb: body.command.verb, accepted: String(body.accepted) })]
      : []),
    ...(body.kind === 'releaseEnded' && before.release
      ? [seriesOf('releases_total', { strategy: before.release.plan.strategy, outcome: body.outcome })]
      : []),
  ]
}

/** Those that a decision rests on. */
function verdictsIn(body: RecordBody) {
  if (body.kind === 'stepFinished' || body.kind === 'warned') return body.verdict ? [body.verdict] : []
  return body.kind === 'turnedBack' && body.cause.verdict ? [body.cause.verdict] : []
}

function seriesOf(name: string, labels: Readonly<Record<string, string>>): string {
  return `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    .join(',')}}`
}

export function fileMeter(file: string, nowMs: () => number): Meter {
  const counts = new Map(Object.entries(readCounters(file)))
  let savedAtMs = nowMs()
  const add = (series: string) => counts.set(series, (counts.get(series) ?? 0) + 1)

  /** Monitoring is no reason for a release to fail. */
  function save(): void {
    savedAtMs = nowMs()
    try {
      writeFileSync(`${file}.new`, JSON.stringify(Object.fromEntries(counts)), { mode: 0o600 })
      renameSync(`${file}.new`, file)
    } catch {
      // Such as a full disk: it is tried again.
    }
  }

  return {
    started() {
      add('runner_starts_total')
      save()
    },
    recorded(record, before) {
      for (const series of countersOf(record, before)) add(series)
      save()
    },
    ticked() {
      add('runner_ticks_total')
      if (nowMs() - savedAtMs >= SAVE_EVERY_MS) save()
    },
  }
}

/** Nothing where there is no such file, or none that makes sense. */
function readCounters(file: string): Counters {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Counters
  } catch {
    return {}
  }
}
