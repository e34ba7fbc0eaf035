// All releases of an environment, one row each, folded from the journal.
import type { ReleaseId, StrategyName } from '../../domain/names.ts'
import type { JournalRecord } from '../../engine/record.ts'
import type { Outcome, Plan } from '../../plan/plan.ts'

export interface HistoryRow {
  readonly release: ReleaseId
  readonly version: string
  readonly strategy: StrategyName
  /** Null while it runs. A release in its keep time is `released` already, and not ended. */
  readonly outcome: Outcome | null
  readonly startedAt: string
  readonly endedAt: string | null
  /** Who asked for it. */
  readonly actor: string
  /** Why it went back, or null. */
  readonly reason: string | null
  /** What was live before, one version unless the services differed; null for the first release. */
  readonly from: string | null
}

/** Oldest first. */
export function historyRows(records: readonly JournalRecord[]): readonly HistoryRow[] {
  const rows = new Map<ReleaseId, HistoryRow>()
  for (const record of records) {
    const id = record.body.kind === 'releaseStarted' ? record.body.release : record.release
    if (id === null) continue
    const row = after(rows.get(id) ?? null, record)
    if (row) rows.set(id, row)
  }
  return [...rows.values()]
}

function after(row: HistoryRow | null, { body, at, actor }: JournalRecord): HistoryRow | null {
  if (body.kind === 'releaseStarted') {
    const { version, strategy } = body.plan
    const start = {
      release: body.release,
      version,
      strategy,
      startedAt: at,
      actor: actor.name,
      from: fromOf(body.plan),
    }
    return { ...start, outcome: null, endedAt: null, reason: null }
  }
  if (row === null) return null
  switch (body.kind) {
    case 'turnedBack':
      return { ...row, outcome: null, reason: body.cause.reason }
    case 'outcomeReached':
      return { ...row, outcome: body.outcome }
    case 'releaseEnded':
      return { ...row, outcome: body.outcome, endedAt: at }
    default:
      return row
  }
}

function fromOf(plan: Plan): string | null {
  const versions = new Set(plan.members.flatMap(({ from }) => (from ? [from.revision.version] : [])))
  return versions.size === 0 ? null : [...versions].join(', ')
}
