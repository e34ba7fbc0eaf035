// Keeps one question per exposed service open, feeds it what was counted, and says what is known now.
import type { Arm, Judge, JudgeState, Question } from '../analysis/judge.ts'
import { addCounts, type Cell, type Counts, noCounts } from '../domain/counts.ts'
import { emptySlot, type Snapshot } from '../domain/snapshot.ts'
import { isQuiet, type Verdict } from '../domain/verdict.ts'
import type { CellCursor, Observer } from '../effects/ports/platform.ts'
import { isJudged } from '../engine/decide.ts'
import type { EnvironmentState, ReleaseState } from '../engine/state.ts'
import type { Tick } from '../engine/watch.ts'
import type { Journal } from '../journal/journal.ts'
import type { Member } from '../plan/plan.ts'
import type { Probing } from './probing.ts'
import { unlessRefused } from './recover.ts'

/** A question under way. What is checkpointed of it is enough to go on without losing or counting twice. */
interface OpenQuestion {
  readonly key: string
  readonly judge: JudgeState
  /** Null until the source of cells has answered once: what was counted before the question does not count. */
  readonly cursor: CellCursor | null
  readonly elapsedMs: number
  /** The newest one, for whoever looks. */
  readonly verdict?: Verdict
}

interface Session {
  readonly open: OpenQuestion
  readonly question: Question
  readonly unsaved: readonly Cell[]
  readonly savedAtMs: number
  /** When the counts were asked for last, and when there was an answer. */
  readonly readAtMs: number
  readonly answeredAtMs: number
}

/** Without an answer for this long the source of cells counts as silent. */
const SILENT_MS = 5000
const CHECKPOINT_MS = 5000

export interface Judging {
  /** Verdicts on all exposed services, with what was counted since they were asked for last. */
  verdicts(state: EnvironmentState, snapshot: Snapshot): Promise<Tick['verdicts']>
}

export function createJudging(options: {
  judge: Judge
  observer: Observer
  probing: Probing
  journal: Journal
  nowMs: () => number
}): Judging {
  const { judge, observer, probing, journal, nowMs } = options
  const sessions = new Map<string, Session>()

  async function verdictOn(release: ReleaseState, member: Member, snapshot: Snapshot) {
    const { service } = member
    const session = await sessionOf(release, member)
    const read = await observer.cells(service, session.open.cursor).catch(() => null)
    const answeredAtMs = read ? nowMs() : session.answeredAtMs
    const hasData = nowMs() - answeredAtMs < SILENT_MS
    // The judge's time goes with the answers: a window must not look empty because nobody told what is in it.
    const total = session.open.elapsedMs + (read ? nowMs() - session.readAtMs : 0)
    const candidate = snapshot.services[service]?.slots[session.question.candidate.slot] ?? emptySlot
    const cells = session.open.cursor && read ? read.cells : []
    const judged = judge.tick(session.open.judge, { elapsedMs: total, cells, candidate, hasData })
    const cursor = read?.next ?? session.open.cursor
    const open = { ...session.open, judge: judged.state, cursor, elapsedMs: total, verdict: judged.verdict }
    sessions.set(service, {
      ...session,
      open,
      readAtMs: nowMs(),
      answeredAtMs,
      unsaved: [...session.unsaved, ...cells],
    })
    if (judged.verdict.kind === 'unhealthy' || nowMs() - session.savedAtMs >= CHECKPOINT_MS)
      await save(release, service)
    return { verdict: withProbes(judged.verdict, session, release, member), fresh: hasData }
  }

  /** Who gets nothing from users is asked by us. */
  function withProbes(verdict: Verdict, { open, question }: Session, { plan }: ReleaseState, member: Member): Verdict {
    const isAsked = isQuiet(verdict) && plan.unknown.onNoTraffic === 'advance-on-health'
    const probes = isAsked ? probing.evidence(open.key, plan, member, question.candidate.slot) : null
    if (!probes) return verdict
    const failed = probes.sent - probes.passed
    const isFailing = probes.sent > 0 && failed * 100 > probes.sent * plan.triggers.failingHealthPercent
    const reason = `${probes.passed} of ${probes.sent} requests of the prober passed; ${verdict.reason}`
    return isFailing
      ? { ...verdict, kind: 'unhealthy', rule: 'failing-health', reason, probes }
      : { ...verdict, reason, probes }
  }

  /** Goes on from the checkpoint after a restart: a killed runner never starts with fresh evidence or fresh α. */
  async function sessionOf(release: ReleaseState, member: Member): Promise<Session> {
    const { service } = member
    const key = `${release.id}/${release.exposed[service]}`
    const known = sessions.get(service)
    if (known?.open.key === key) return known
    if (known && isOf(known.open, release)) await save(release, service)
    const question = questionOf(release, member)
    const saved = known?.open ?? ((await journal.checkpoint(`judge/${service}`)) as OpenQuestion | null)
    const open =
      saved?.key === key ? saved : await nextQuestion(key, question, member, isOf(saved, release) ? saved : null)
    await unlessRefused(journal.saveCheckpoint(`judge/${service}`, open))
    return {
      open,
      question,
      unsaved: [],
      savedAtMs: nowMs(),
      readAtMs: nowMs(),
      answeredAtMs: Number.NEGATIVE_INFINITY,
    }
  }

  /** What the question before on the same candidate has read, learnt and spent is handed on. */
  async function nextQuestion(
    key: string,
    question: Question,
    { service, from }: Member,
    previous: OpenQuestion | null,
  ): Promise<OpenQuestion> {
    if (previous) return { key, judge: judge.start(question, previous.judge), cursor: previous.cursor, elapsedMs: 0 }
    const read = await observer.cells(service, null).catch(() => null)
    const before = from && read ? countsOf(read.cells, { slot: from.slot, revision: from.revision.id }) : null
    return { key, judge: judge.start({ ...question, before }), cursor: read?.next ?? null, elapsedMs: 0 }
  }

  async function save(release: ReleaseState, service: string): Promise<void> {
    const session = sessions.get(service)!
    sessions.set(service, { ...session, unsaved: [], savedAtMs: nowMs() })
    await unlessRefused(journal.saveCheckpoint(`judge/${service}`, session.open))
    const { candidate, control } = session.question
    await unlessRefused(
      journal.saveSample({
        release: release.id,
        service,
        step: session.open.key.slice(release.id.length + 1),
        atMs: nowMs(),
        candidate: countsOf(session.unsaved, candidate),
        control: control && countsOf(session.unsaved, control),
      }),
    )
  }

  return {
    async verdicts(state, snapshot) {
      const { release } = state
      if (!release || release.direction === 'back' || !isJudged(release)) return {}
      const exposed = release.plan.members.filter((member) => release.exposed[member.service] !== undefined)
      const found: Record<string, Tick['verdicts'][string]> = {}
      for (const member of exposed) found[member.service] = await verdictOn(release, member, snapshot)
      return found
    },
  }
}

function isOf(open: OpenQuestion | null, release: ReleaseState): open is OpenQuestion {
  return open?.key.startsWith(`${release.id}/`) ?? false
}

function countsOf(cells: readonly Cell[], { slot, revision }: Arm): Counts {
  return cells.filter((cell) => cell.slot === slot && cell.revision === revision).reduce<Counts>(addCounts, noCounts)
}

/** What the step that exposed the candidate left beside it decides whether there is a control. */
function questionOf(release: ReleaseState, { service, from, visit, to, affinity }: Member): Question {
  const exposures = release.plan.steps.filter(
    (step) => (step.kind === 'shift' || step.kind === 'roll') && step.service === service,
  )
  const index = exposures.findIndex((step) => step.id === release.exposed[service])
  const exposing = exposures[index]
  const analysis = release.plan.steps.find((step) => step.kind === 'analyse' && step.service === service)
  const oldServes =
    exposing?.kind === 'roll' || (exposing?.kind === 'shift' && from && (exposing.shares[from.slot] ?? 0) > 0)
  // A candidate that is visiting is judged where it gets traffic.
  const isVisiting = visit && exposing?.kind === 'shift' && (exposing.shares[visit.slot] ?? 0) > 0
  const slot = isVisiting ? visit.slot : to.slot
  return {
    triggers: release.plan.triggers,
    candidate: { slot, revision: to.revision.id },
    control: from && oldServes ? { slot: from.slot, revision: from.revision.id } : null,
    monitorMs: analysis?.kind === 'analyse' ? analysis.monitorMs : 0,
    stage: { index, count: exposures.length },
    candidates: release.plan.members.length,
    // Where users stay with a version, requests have no share that they could be held against.
    ...(exposing?.kind === 'shift' && !affinity && { weightPercent: exposing.shares[slot] ?? 0 }),
  }
}
