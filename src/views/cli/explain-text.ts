// Why a release went the way it did: every decision in order, with the evidence that it rests on.
import type { Actor } from '../../domain/names.ts'
import type { Evidence, Verdict } from '../../domain/verdict.ts'
import type { JournalRecord } from '../../engine/record.ts'
import { type HistoryRow, historyRows } from '../projections/history.ts'
import { decisionInWords } from '../projections/timeline.ts'
import { comparisonLines } from './comparison-text.ts'
import { duration, localDateTime, localTime, percent } from './format.ts'
import { type Column, labelled, oneLine, table, visibleWidth, wrap } from './layout.ts'
import type { Style } from './style.ts'

export interface ExplainTextOptions {
  /** Columns of the terminal; lines are not wrapped when left out. */
  readonly width?: number
  /** IANA name; the machine's own when left out. */
  readonly timeZone?: string
}

/** @param records those of one release, in order */
export function explainText(records: readonly JournalRecord[], style: Style, options: ExplainTextOptions = {}): string {
  const [row] = historyRows(records)
  const [first] = records
  if (!first || !row) return 'There is nothing to explain: no release is in these records.'
  const { timeZone, width = Number.POSITIVE_INFINITY } = options
  const entries = records.flatMap((record) => {
    const time = `${localTime(record.at, { now: first.at, timeZone })}  `
    const indent = ' '.repeat(visibleWidth(time))
    const lines = entryOf(record, style).flatMap(({ text, paint }) =>
      wrap(oneLine(text), Math.max(20, width - indent.length)).map(paint),
    )
    return lines.map((line, index) => style.dim(index === 0 ? time : indent) + line)
  })
  const title = summaryOf(row, first.actor, timeZone).flatMap((text) => wrap(oneLine(text), width))
  return [...title.map(style.bold), '', ...entries].join('\n')
}

/** How it ended comes first. */
function summaryOf(row: HistoryRow, actor: Actor, timeZone?: string): string[] {
  const { release, version, strategy, from, outcome, reason, startedAt } = row
  const place = from === null ? '' : `, in place of ${from}`
  const by = `asked for by ${row.actor}${actor.kind === 'pipeline' ? ' (pipeline)' : ''}`
  const ended = `${outcome ?? 'it still runs'}${reason === null ? '' : `, because ${reason}`}`
  return [
    `${release}: ${version} by ${strategy}${place}; ${by} at ${localDateTime(startedAt, { timeZone })}`,
    `${release}: ${ended}`,
  ]
}

interface EntryLine {
  readonly text: string
  readonly paint: (text: string) => string
}

function entryOf(record: JournalRecord, style: Style): EntryLine[] {
  const said = whatWasDecided(record)
  if (said === null) return []
  const { body } = record
  const paint = paintOf(record, style)
  const verdict = verdictOf(record)
  const why = verdict && !said.includes(verdict.reason) ? [`because ${verdict.reason}`] : []
  const lines = [
    ...why,
    ...(verdict ? verdictInWords(verdict) : []),
    ...passedInWords(record),
    ...whoAsked(record, said),
  ]
  const isQuiet = body.kind === 'effectSucceeded' || (body.kind === 'waiting' && !body.wait?.needsPerson)
  return [{ text: said, paint: isQuiet ? style.dim : paint }, ...lines.map((text) => ({ text, paint: style.dim }))]
}

/** More than the log says: waits and results too. Null only where the next line says the same. */
function whatWasDecided(record: JournalRecord): string | null {
  const { body, reason } = record
  const said = decisionInWords(record)
  if (said !== null) return said
  if (body.kind === 'effectSucceeded') return reason
  if (body.kind !== 'waiting' || body.wait === null) return null
  const { blocker, deadlineMs, atDeadline } = body.wait
  return deadlineMs === null
    ? `waiting: ${blocker}; ${atDeadline}`
    : `waiting: ${blocker}; for ${duration(deadlineMs)} at most, then ${atDeadline}`
}

function paintOf({ body }: JournalRecord, style: Style): (text: string) => string {
  switch (body.kind) {
    case 'turnedBack':
    case 'violated':
    case 'effectFailed':
      return style.red
    case 'warned':
      return style.yellow
    case 'outcomeReached':
      return body.outcome === 'released' ? style.green : style.yellow
    default:
      return (text) => text
  }
}

function verdictOf({ body }: JournalRecord): Verdict | null {
  switch (body.kind) {
    case 'stepFinished':
    case 'warned':
      return body.verdict
    case 'turnedBack':
      return body.cause.verdict
    default:
      return null
  }
}

function verdictInWords(verdict: Verdict): string[] {
  const { kind, rule, evidence, weakerEvidence, needs } = verdict
  const weaker = weakerEvidence ? '; weaker evidence: nothing ran beside it to compare with' : ''
  return [
    `verdict   ${kind}${rule === 'none' ? '' : ` by ${rule}`}${weaker}`,
    ...(evidence ? evidenceInWords(evidence) : []),
    ...(needs === undefined ? [] : [`needs     ${needs}`]),
  ]
}

function evidenceInWords({ units, bad, share, limit, windowMs, control, comparison }: Evidence): string[] {
  const numbers = (of: { units: number; bad: number; share: number }) =>
    `${of.bad.toLocaleString('en-US')} bad of ${of.units.toLocaleString('en-US')} (${of.units === 0 ? '–' : percent(100 * of.share)})`
  const window = windowMs > 0 ? `, ${duration(windowMs)} of data` : ''
  return [
    `evidence  ${numbers({ units, bad, share })}${limit > 0 ? `, limit ${percent(100 * limit)}` : ''}${window}`,
    ...(control ? [`control   ${numbers(control)}`] : []),
    ...(comparison ? comparisonLines(comparison).map(([label, text]) => `${label.padEnd(10)}${text}`) : []),
  ]
}

const passedBecause = {
  facts: null,
  verdict: null,
  policy: 'it passed by the policy of the environment, not by evidence',
  person: 'it passed because a person said so',
  skipped: 'it was left out',
} as const

function passedInWords({ body }: JournalRecord): string[] {
  const why = body.kind === 'stepFinished' ? passedBecause[body.passedBy] : null
  return why === null ? [] : [why]
}

/** Decisions of moodify itself need no name, and most of the others say it. */
function whoAsked({ actor }: JournalRecord, said: string): string[] {
  return actor.kind === 'moodify' || said.includes(actor.name) ? [] : [`asked for by ${actor.name} (${actor.kind})`]
}

// --- history ----------------------------------------------------------------------------------------------

const REASON_INDENT = 9

const columns: readonly Column[] = [
  { head: 'RELEASE' },
  { head: 'VERSION' },
  { head: 'FROM', dropOrder: 3 },
  { head: 'STRATEGY', dropOrder: 4 },
  { head: 'OUTCOME' },
  { head: 'STARTED', dropOrder: 5 },
  { head: 'TOOK', align: 'right', dropOrder: 1 },
  { head: 'BY', dropOrder: 2 },
]

/** Newest first: that is the one asked about. */
export function historyText(rows: readonly HistoryRow[], style: Style, options: ExplainTextOptions = {}): string {
  if (rows.length === 0) return 'Nothing has been released yet. Ship a version with: moodify deploy -v VERSION'
  const { width = Number.POSITIVE_INFINITY, timeZone } = options
  const newest = rows.toReversed()
  const cells = newest.map((row) => [
    row.release,
    oneLine(row.version),
    oneLine(row.from ?? '–'),
    row.strategy,
    outcomeOf(row, style),
    localDateTime(row.startedAt, { timeZone }),
    row.endedAt === null ? '–' : duration(Date.parse(row.endedAt) - Date.parse(row.startedAt)),
    oneLine(row.actor),
  ])
  const [head, ...lines] = table(columns, cells, { width, paintHead: style.dim })
  const because = newest.map(({ reason }) =>
    reason === null ? [] : labelled('', `because ${oneLine(reason)}`, { width, labelWidth: REASON_INDENT }),
  )
  return [head, ...lines.flatMap((line, index) => [line, ...because[index]!.map(style.dim)])].join('\n')
}

function outcomeOf({ outcome, endedAt, reason }: HistoryRow, style: Style): string {
  if (outcome === 'released') return style.green(endedAt === null ? 'released, kept warm' : outcome)
  if (outcome !== null) return style.yellow(outcome)
  return style.cyan(reason === null ? 'running' : 'going back')
}
