// A plan for people: what will be done, what it costs, what takes it back by itself, and how to undo it.
import type { Triggers } from '../../config/config.ts'
import type { Plan } from '../../plan/plan.ts'
import { stepInWords } from '../../plan/words.ts'
import { count, duration, percent } from './format.ts'
import { labelled, oneLine, wrap } from './layout.ts'
import type { Style } from './style.ts'

const LABEL_WIDTH = 11

export interface PlanTextOptions {
  /** Columns of the terminal; lines are not wrapped when left out. */
  readonly width?: number
  /** What the stages can see, a line each. */
  readonly sees?: readonly string[]
}

export function planText(
  plan: Plan,
  style: Style,
  { width = Number.POSITIVE_INFINITY, sees = [] }: PlanTextOptions = {},
): string {
  const steps = plan.steps.flatMap((step, index) =>
    numbered(index + 1, oneLine(stepInWords(step)), { width, of: plan.steps.length, style }),
  )
  const facts = factsOf(plan, sees).flatMap(([label, texts]) =>
    texts.flatMap((text, index) =>
      labelled(index === 0 ? label : '', oneLine(text), { width, labelWidth: LABEL_WIDTH }).map(
        (line) => style.dim(line.slice(0, LABEL_WIDTH)) + line.slice(LABEL_WIDTH),
      ),
    ),
  )
  return [...wrap(titleOf(plan), width).map(style.bold), '', ...steps, '', ...facts].join('\n')
}

function titleOf(plan: Plan): string {
  const what = `${plan.version} to ${plan.environment}`
  const from = versionsBefore(plan)
  switch (plan.strategy) {
    case 'first':
      return `Plan: ${what}, its first release`
    case 'rollback':
      return `Plan: ${plan.environment} back to ${plan.version}, away from ${from}`
    default:
      return `Plan: ${what} by ${plan.strategy}, in place of ${from}`
  }
}

function numbered(
  number: number,
  text: string,
  { width, of, style }: { width: number; of: number; style: Style },
): string[] {
  const digits = String(of).length
  const indent = digits + 4
  return wrap(text, Math.max(20, width - indent)).map((line, index) => {
    const head = index === 0 ? `  ${String(number).padStart(digits)}  ` : ' '.repeat(indent)
    return style.dim(head) + line
  })
}

type Fact = readonly [label: string, texts: readonly string[]]

function factsOf(plan: Plan, sees: readonly string[]): Fact[] {
  const peaks = Object.entries(plan.peakReplicas).map(([service, peak]) => `${count(peak, 'replica')} of ${service}`)
  const facts: Fact[] = [
    ['at most', [longestInWords(plan)]],
    ['at peak', [peaks.join(', ')]],
    ...(sees.length > 0 ? [['sees', sees] as const] : []),
    ['goes back', goesBackWhen(plan)],
    ['undo', undoneBy(plan)],
    ['note', plan.notes],
  ]
  return facts.filter(([, texts]) => texts.length > 0)
}

function longestInWords(plan: Plan): string {
  const given = isJudged(plan) ? ', when there is data to judge by' : ''
  const approval = plan.steps.some(({ kind }) => kind === 'approve') ? ', the wait for its approval not counted' : ''
  return `${duration(plan.longestMs)} until it is released${given}${approval}`
}

function isJudged({ strategy }: Plan): boolean {
  return strategy !== 'first' && strategy !== 'rollback'
}

/** What takes it back without anybody typing anything. */
function goesBackWhen(plan: Plan): string[] {
  const failing = 'when a step fails or is not done in its time'
  if (plan.strategy === 'first') return ['it cannot: it ends when a step fails before it has traffic']
  if (!isJudged(plan)) return [`${failing}; its requests are not judged`]
  return [...triggersInWords(plan.triggers).map((trigger) => `when ${trigger}`), failing, doubtInWords(plan)]
}

function triggersInWords(triggers: Triggers): string[] {
  const { errorRatePercent, p95Ms, crashLoop, failingHealthPercent, minRequests, minBad, windowMs } = triggers
  const limits = `error rate > ${percent(errorRatePercent)} or P95 > ${duration(p95Ms)}`
  const enough = `of at least ${count(minRequests, 'request')}, ${minBad} of them bad, in ${duration(windowMs)}`
  const rates =
    triggers.mode === 'threshold'
      ? [`${limits}, ${enough}`]
      : [
          `its errors or slow answers are shown to be more than ${triggers.margin} × those of the old version`,
          `${limits} is shown; of good versions at most ${percent(triggers.alphaPercent)} are taken back by all this while the old one serves too`,
        ]
  return [
    ...rates,
    ...(crashLoop ? ['a replica is in a crash loop'] : []),
    `failing health checks > ${percent(failingHealthPercent)} of its replicas`,
  ]
}

/** "Don't know" is neither good nor bad, so it has an end of its own. */
function doubtInWords({ unknown }: Plan): string {
  const { unknownMs, onUnknown, onNoTraffic } = unknown
  const end =
    onUnknown === 'rollback'
      ? `when nothing can be told ${duration(unknownMs)} after a stage should have ended`
      : 'never for lack of data: then it holds and says so'
  return `${end}; without any traffic it ${onNoTraffic === 'hold' ? 'holds' : 'advances on health checks alone'}`
}

/** What a person can type to undo it, before and after it is released. */
function undoneBy(plan: Plan): string[] {
  const from = versionsBefore(plan)
  if (from === null) return ['moodify abort, until it has traffic; after that there is no version to go back to']
  const keepMs = plan.steps.reduce((sum, step) => sum + (step.kind === 'keep' ? step.keepMs : 0), 0)
  const inPlace = plan.members.some((member) => member.from?.slot === member.to.slot)
  const abort = `moodify abort, until it is released: ${inPlace ? 'rolls back' : 'sends the traffic back'} to ${from}`
  if (plan.strategy === 'rollback') return [abort, `moodify deploy -v ${from} --again, after that`]
  const later = inPlace
    ? `moodify rollback, after that: rolls back to ${from}, which takes as long as the rollout`
    : `moodify rollback, after that: at once for ${duration(keepMs)}, then ${from} has to be started first`
  return [abort, later]
}

function versionsBefore(plan: Plan): string | null {
  const versions = new Set(plan.members.flatMap(({ from }) => (from ? [from.revision.version] : [])))
  return versions.size === 0 ? null : [...versions].join(', ')
}
