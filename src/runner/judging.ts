// Keeps one question per exposed service open, feeds it what was counted, and says what is known now.
import type { Judge, JudgeState, Question } from '../analysis/judge.ts'
import { addCounts, type Cell, type Counts, noCounts } from '../domain/counts.ts'
import { emptySlot, type Snapshot } from '../domain/snapshot.ts'
import type { CellCursor, Observer } from '../effects/ports/platform.ts'
import { isJudged } from '../engine/decide.ts'
import { currentStep, type EnvironmentState, type ReleaseState } from '../engine/state.ts'
import type { Tick } from '../engine/watch.ts'
import type { Journal } from '../journal/journal.ts'
import type { Member } from '../plan/plan.ts'

/** A question under way. What is checkpointed of it is enough to go on without losing or counting twice. */
interface OpenQuestion {
  readonly key: string
  readonly judge: JudgeState
  readonly cursor: CellCursor
  readonly elapsedMs: number
}

interface Session {
  readonly open: OpenQuestion
  readonly question: Question
  readonly unsaved: readonly Cell[]
  readonly savedAtMs: number
  readonly answeredAtMs: number
}

/** Without an answer for this long the source of cells counts as silent. */
const SILENT_MS = 5000
const CHECKPOINT_MS = 5000

export interface Judging {
  /** Verdicts on all exposed services, after `elapsedMs` more have passed. */
  verdicts(state: EnvironmentState, snapshot: Snapshot, elapsedMs: number): Promise<Tick['verdicts']>
}

export function createJudging(options: {
  judge: Judge
  observer: Observer
  journal: Journal
  nowMs: () => number
}): Judging {
  const { judge, observer, journal, nowMs } = options
  const sessions = new Map<string, Session>()

  async function verdictOn(release: ReleaseState, member: Member, snapshot: Snapshot, elapsedMs: number) {
    const { service, to } = member
    const session = await sessionOf(release, member)
    const read = await observer.cells(service, session.open.cursor).catch(() => null)
    const answeredAtMs = read ? nowMs() : session.answeredAtMs
    const hasData = nowMs() - answeredAtMs < SILENT_MS
    const total = session.open.elapsedMs + (hasData ? elapsedMs : 0)
    const candidate = snapshot.services[service]?.slots[to.slot] ?? emptySlot
    const cells = read?.cells ?? []
    const judged = judge.tick(session.open.judge, { elapsedMs: total, cells, candidate, hasData })
    const open = { ...session.open, judge: judged.state, cursor: read?.next ?? session.open.cursor, elapsedMs: total }
    sessions.set(service, { ...session, open, answeredAtMs, unsaved: [...session.unsaved, ...cells] })
    if (judged.verdict.kind === 'unhealthy' || nowMs() - session.savedAtMs >= CHECKPOINT_MS)
      await save(release, service)
    return { verdict: judged.verdict, fresh: hasData }
  }

  /** Goes on from the checkpoint after a restart: a killed runner never starts with fresh evidence. */
  async function sessionOf(release: ReleaseState, member: Member): Promise<Session> {
    const { service } = member
    const key = `${release.id}/${release.exposed[service]}`
    const known = sessions.get(service)
    if (known?.open.key === key) return known
    const question = questionOf(release, member)
    const times = { savedAtMs: nowMs(), answeredAtMs: nowMs() }
    const saved = (await journal.checkpoint(`judge/${service}`)) as OpenQuestion | null
    if (saved?.key === key) return { open: saved, question, unsaved: [], ...times }
    const from = await observer.cells(service, null).catch(() => null)
    const cursor = from?.next ?? { source: '', second: 0 }
    return { open: { key, judge: judge.start(question), cursor, elapsedMs: 0 }, question, unsaved: [], ...times }
  }

  async function save(release: ReleaseState, service: string): Promise<void> {
    const session = sessions.get(service)!
    sessions.set(service, { ...session, unsaved: [], savedAtMs: nowMs() })
    await journal.saveCheckpoint(`judge/${service}`, session.open)
    const sumOf = (arm: Question['control']): Counts | null =>
      arm &&
      session.unsaved
        .filter((cell) => cell.slot === arm.slot && cell.revision === arm.revision)
        .reduce((total: Counts, cell) => addCounts(total, cell), noCounts)
    await journal.saveSample({
      release: release.id,
      service,
      step: currentStep(release)?.id ?? 'end',
      atMs: nowMs(),
      candidate: sumOf(session.question.candidate)!,
      control: sumOf(session.question.control),
    })
  }

  return {
    async verdicts(state, snapshot, elapsedMs) {
      const { release } = state
      if (!release || release.direction === 'back' || !isJudged(release)) return {}
      const exposed = release.plan.members.filter((member) => release.exposed[member.service] !== undefined)
      const found: Record<string, Tick['verdicts'][string]> = {}
      for (const member of exposed) found[member.service] = await verdictOn(release, member, snapshot, elapsedMs)
      return found
    },
  }
}

/** What the step that exposed the candidate left beside it decides whether there is a control. */
function questionOf(release: ReleaseState, { service, from, to }: Member): Question {
  const exposing = release.plan.steps.find((step) => step.id === release.exposed[service])
  const analysis = release.plan.steps.find((step) => step.kind === 'analyse' && step.service === service)
  const oldServes =
    exposing?.kind === 'roll' || (exposing?.kind === 'shift' && from && (exposing.shares[from.slot] ?? 0) > 0)
  return {
    triggers: release.plan.triggers,
    candidate: { slot: to.slot, revision: to.revision.id },
    control: from && oldServes ? { slot: from.slot, revision: from.revision.id } : null,
    monitorMs: analysis?.kind === 'analyse' ? analysis.monitorMs : 0,
  }
}
