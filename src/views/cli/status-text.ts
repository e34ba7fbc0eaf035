// The screen of whoever is on call at three in the morning, below the header. What users get comes first, then what
// is wrong, then numbers, then what the release does, waits for, and the command that moves it; last, what led here.
import type { LockReport, ReleaseReport, SlotReport, StatusReport } from '../projections/status-report.ts'
import { comparisonLines } from './comparison-text.ts'
import { duration, latency, localTime, percent, rate, type TimeOptions } from './format.ts'
import { type Column, labelled, oneLine, table, truncate, visibleWidth, wrap } from './layout.ts'
import { alerts, situation } from './situation.ts'
import type { Style } from './style.ts'

export interface StatusTextOptions {
  /** Columns of the terminal. */
  readonly width: number
  /** Most lines; decisions give way first. No limit when left out. */
  readonly height?: number
  /** ISO time that countdowns start from; the report's own when left out. */
  readonly now?: string
  readonly timeZone?: string
}

interface Screen extends StatusTextOptions {
  readonly report: StatusReport
  readonly style: Style
  readonly now: string
}

/** The situation as one sentence, for error messages. */
export function stateSentence(report: StatusReport): string {
  return situation(report).join('; ')
}

export function statusText(report: StatusReport, style: Style, options: StatusTextOptions): string {
  return statusLines(report, style, options).join('\n')
}

/** The lines of the screen, none wider than `width`, and no more of them than `height`. */
export function statusLines(report: StatusReport, style: Style, options: StatusTextOptions): string[] {
  const screen: Screen = { ...options, report, style, now: options.now ?? report.at }
  const head = [...headLines(screen), ...alertLines(screen)]
  const now = nowLines(screen)
  const sections = { head, services: serviceLines(screen), ...now, decisions: decisionLines(screen) }
  const lines = fitInto(sections, options.height ?? Number.POSITIVE_INFINITY)
  return lines.map((line) => truncate(line, options.width))
}

interface Sections {
  readonly head: readonly string[]
  readonly services: readonly string[]
  readonly now: readonly string[]
  readonly next: readonly string[]
  /** The first line is their heading. */
  readonly decisions: readonly string[]
}

/** What gives way to a short terminal, in order: the oldest decisions, empty lines, the numbers, what it does now. */
function fitInto({ head, services, now, next, decisions }: Sections, height: number): string[] {
  const spaced = (sections: readonly (readonly string[])[]) =>
    sections.filter((lines) => lines.length > 0).flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
  const essential = [head, services, [...now, ...next]]
  const [heading, ...entries] = decisions
  const room = height - spaced(essential).length - 2
  const newest = room > 0 && heading !== undefined ? [heading, ...entries.slice(-room)] : []
  const candidates = [spaced([...essential, newest]), essential.flat(), [...head, ...now, ...next], [...head, ...next]]
  return (candidates.find((lines) => lines.length <= height) ?? candidates.at(-1)!).slice(0, height)
}

// --- head -------------------------------------------------------------------------------------------------

function headLines({ report, style, width }: Screen): string[] {
  return situation(report).flatMap((sentence) => wrap(oneLine(sentence), width).map(style.bold))
}

function alertLines({ report, style, width }: Screen): string[] {
  return alerts(report).flatMap(({ says, next }) => wrap(oneLine(`${says}; next: ${next}`), width).map(style.red))
}

// --- services ---------------------------------------------------------------------------------------------

const columns: readonly Column[] = [
  { head: 'SERVICE' },
  { head: 'SLOT', dropOrder: 5 },
  { head: 'ROLE', dropOrder: 3 },
  { head: 'VERSION' },
  { head: '', dropOrder: 1 },
  { head: 'SHARE', align: 'right' },
  { head: 'READY', align: 'right' },
  { head: 'REQ/S', align: 'right', dropOrder: 2 },
  { head: 'ERRORS', align: 'right' },
  { head: 'P95', align: 'right', dropOrder: 4 },
]

function serviceLines(screen: Screen): string[] {
  const { report, style, width } = screen
  const rows = report.services.flatMap((service) =>
    service.slots.filter(isInUse).map((slot, index) => row(index === 0 ? service.name : '', slot, screen)),
  )
  return rows.length === 0 ? [] : table(columns, rows, { width, paintHead: style.dim })
}

function isInUse({ desired, ready, sharePercent, inFlight }: SlotReport): boolean {
  return desired > 0 || ready > 0 || sharePercent > 0 || inFlight > 0
}

function row(name: string, slot: SlotReport, { report, style }: Screen): string[] {
  const isUnseen = report.missing.length > 0 && slot.desired === 0 && slot.ready === 0
  return [
    name,
    slot.slot,
    slot.role ?? '–',
    versionsOf(slot),
    bar(slot.sharePercent, style),
    `${slot.sharePercent} %`,
    isUnseen ? '–' : readyOf(slot, style),
    rate(slot.requestsPerSecond),
    errorsOf(slot, style),
    latency(slot.p95Ms),
  ]
}

/** `v1.0.0 → v1.1.0` while the slot rolls. */
function versionsOf({ version, readyByVersion }: SlotReport): string {
  const leaving = Object.keys(readyByVersion).filter((one) => one !== version)
  return oneLine([...leaving, version ?? '–'].join(' → '))
}

const BAR_CELLS = 10

/** A share above 0 has a cell and one below 100 leaves one, so that the bar never lies about the ends. */
function bar(sharePercent: number, style: Style): string {
  const rounded = Math.round((sharePercent / 100) * BAR_CELLS)
  const full = sharePercent <= 0 ? 0 : sharePercent >= 100 ? BAR_CELLS : Math.min(BAR_CELLS - 1, Math.max(1, rounded))
  return style.cyan('█'.repeat(full)) + style.dim('░'.repeat(BAR_CELLS - full))
}

function readyOf({ ready, desired, sharePercent }: SlotReport, style: Style): string {
  const text = `${ready}/${desired}`
  if (ready >= desired) return text
  return ready === 0 && sharePercent > 0 ? style.red(text) : style.yellow(text)
}

const RED_ERROR_PERCENT = 5
const YELLOW_ERROR_PERCENT = 1

function errorsOf({ errorPercent }: SlotReport, style: Style): string {
  const text = percent(errorPercent)
  if (errorPercent === null || errorPercent < YELLOW_ERROR_PERCENT) return text
  return errorPercent < RED_ERROR_PERCENT ? style.yellow(text) : style.red(text)
}

// --- what the release does --------------------------------------------------------------------------------

const LABEL_WIDTH = 9
const START = 'moodify up'

interface Entry {
  readonly label: string
  readonly text: string
  readonly paint?: (text: string) => string
}

function nowLines(screen: Screen): Pick<Sections, 'now' | 'next'> {
  const { report, style, width } = screen
  const { release } = report
  const linesOf = ({ label, text, paint = (line) => line }: Entry) =>
    labelled(label, oneLine(text), { width, labelWidth: LABEL_WIDTH }).map(
      (line) => style.dim(line.slice(0, LABEL_WIDTH)) + paint(line.slice(LABEL_WIDTH)),
    )
  const entries = [
    ...(release ? releaseEntries(release, screen) : settledEntries(report, style)),
    ...(report.lock ? [{ label: 'locked', text: lockedInWords(report.lock, screen), paint: style.yellow }] : []),
  ]
  const next = release ? nextCommand(release, report) : nextWhenSettled(report)
  return { now: entries.flatMap(linesOf), next: linesOf({ label: 'next', text: next, paint: style.bold }) }
}

function releaseEntries(release: ReleaseReport, { report, style, now, timeZone }: Screen): Entry[] {
  const { step, wait, failed, cause } = release
  const isWatched = report.url !== null && !report.unwatched
  const times = { now, timeZone }
  const started = `by ${release.actor} at ${localTime(release.startedAt, times)}`
  const way = release.direction === 'back' ? 'way back, step' : 'step'
  return [
    { label: 'release', text: `${release.id}: ${release.version} by ${release.strategy}, started ${started}` },
    ...(cause === null ? [] : [{ label: 'because', text: cause, paint: style.yellow }]),
    { label: 'now', text: step ? `${way} ${step.number} of ${step.of}: ${step.says}` : 'all steps are done' },
    ...(failed === null ? [] : [{ label: 'failed', text: failedInWords(failed), paint: style.red }]),
    ...(wait === null || !isWatched
      ? []
      : [{ label: 'waiting', text: waitInWords(wait, times), paint: waitPaint(wait, style) }]),
    ...(release.judged ?? []).flatMap((one) => judgedEntries(one, release.judged!.length > 1)),
  ]
}

function judgedEntries(
  { service, verdict }: NonNullable<ReleaseReport['judged']>[number],
  isOneOfSeveral: boolean,
): Entry[] {
  const { kind, reason, needs, evidence } = verdict
  const whose = isOneOfSeveral ? `${service}: ` : ''
  const comparison = evidence?.comparison
  return [
    { label: 'judged', text: `${whose}${kind}: ${reason}${needs ? `; needs ${needs}` : ''}` },
    ...(comparison ? comparisonLines(comparison).map(([label, text]) => ({ label, text })) : []),
  ]
}

/** Without a runner no deadline is kept, and no other command would be obeyed. */
function nextCommand({ direction, wait, failed, outcome }: ReleaseReport, { url, unwatched }: StatusReport): string {
  if (url === null) return START
  if (unwatched) return 'moodify resume'
  if (wait) return wait.next
  if (direction === 'back') return failed ? 'moodify retry' : 'nothing to do: it goes back by itself'
  if (failed) return 'moodify retry, or moodify abort'
  return outcome === 'released' ? 'moodify rollback' : 'nothing to do; moodify abort takes it back'
}

function waitPaint({ needsPerson }: NonNullable<ReleaseReport['wait']>, style: Style): (text: string) => string {
  return needsPerson ? style.yellow : (text) => text
}

function failedInWords({ reason, retryInMs }: NonNullable<ReleaseReport['failed']>): string {
  return retryInMs === null ? reason : `${reason}; it is tried again by itself`
}

function waitInWords(wait: NonNullable<ReleaseReport['wait']>, times: TimeOptions & { readonly now: string }): string {
  if (wait.deadlineMs === null) return `${wait.blocker}; no deadline: ${wait.atDeadline}`
  const due = Temporal.Instant.from(wait.since).add({ milliseconds: Math.round(wait.deadlineMs) })
  const leftMs = due.epochMilliseconds - Temporal.Instant.from(times.now).epochMilliseconds
  const at = localTime(due.toString(), times)
  const when = leftMs > 0 ? `until ${at} (in ${duration(leftMs)})` : `due since ${at}`
  return `${wait.blocker}; ${when}, then ${wait.atDeadline}`
}

function settledEntries({ last }: StatusReport, style: Style): Entry[] {
  if (last === null) return []
  const why = last.reason === null ? '' : `: ${last.reason}`
  const paint = last.outcome === 'released' ? style.green : style.yellow
  return [{ label: 'last', text: `${last.id}: ${last.version} ${last.outcome}${why}`, paint }]
}

function lockedInWords({ by, since, until, reason }: LockReport, times: TimeOptions): string {
  const end = until === null ? 'until somebody unlocks it' : `until ${localTime(until, times)}`
  return `by ${by} at ${localTime(since, times)}, ${end}${reason === null ? '' : `: ${reason}`}; no release starts`
}

function nextWhenSettled({ last, url, lock }: StatusReport): string {
  if (url === null) return START
  if (lock) return 'moodify unlock, or moodify rollback, which no lock refuses'
  return last === null || last.outcome === 'released' ? 'moodify deploy -v VERSION' : `moodify explain ${last.id}`
}

// --- decisions --------------------------------------------------------------------------------------------

/** On a screen of limited height each decision is one line; else it is wrapped, and nothing is lost. */
function decisionLines({ report, style, width, height, now, timeZone }: Screen): string[] {
  if (report.decisions.length === 0) return []
  const entries = report.decisions.flatMap(({ at, text }) => {
    const time = `${localTime(at, { now, timeZone })}  `
    const timeWidth = visibleWidth(time)
    const says = oneLine(text)
    const lines = height === undefined ? wrap(says, Math.max(10, width - timeWidth)) : [says]
    return lines.map((line, index) => style.dim(index === 0 ? time : ' '.repeat(timeWidth)) + line)
  })
  return [style.dim('decisions'), ...entries]
}
