// The main path. A runner takes the journal of one environment over and walks its releases:
//
//   recover ─▶ next input ─▶ decide ─▶ check the invariants ─▶ append ─▶ perform ─▶ next input ...
//
// Intent first: nothing is done that does not stand in the journal. It can die at any point; the next runner
// folds the same journal and goes on.
import type { Judge } from '../analysis/judge.ts'
import { MOODIFY } from '../domain/names.ts'
import type { Snapshot } from '../domain/snapshot.ts'
import type { Clock } from '../effects/ports/clock.ts'
import { decide, type Input } from '../engine/decide.ts'
import { evolve } from '../engine/evolve.ts'
import { violations } from '../engine/invariants.ts'
import type { Decision, RecordKind } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'
import type { Watch } from '../engine/watch.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { Journal } from '../journal/journal.ts'
import { createBackground } from './background.ts'
import { moveToStable } from './emergency.ts'
import { createHolds } from './holds.ts'
import { createInputs } from './inputs.ts'
import { createJudging } from './judging.ts'
import { type Meter, noMeter } from './meter.ts'
import type { World } from './perform.ts'
import { createProbing } from './probing.ts'
import { recover, unlessRefused, watchKeeper } from './recover.ts'

export interface RunnerOptions extends World {
  readonly journal: Journal
  readonly judge: Judge
  readonly clock: Clock
  /** Who this is, for the journal: `pid 123 on host`. */
  readonly name: string
  readonly version: string
  /** Called around every append and every effect; a test throws here to kill the runner at that point. */
  readonly probe?: (point: string) => void
  /** How long to wait for commands when nothing runs, before the runner ends. */
  readonly idleMs: number
  /** Counts for monitoring; none without it. */
  readonly meter?: Meter
  /** Where reports go while the journal refuses records. */
  readonly report: (text: string) => void
  readonly signal: AbortSignal
}

/** Why a runner ended: nothing is left to do, another one has taken over, or it was told to stop. */
export type RunnerEnd = 'idle' | 'superseded' | 'stopped'

export async function runReleases(options: RunnerOptions): Promise<RunnerEnd> {
  const { journal, clock, signal, meter = noMeter } = options
  const recovered = await recover(options)
  if (recovered === 'superseded') return signal.aborted ? 'stopped' : 'superseded'
  const { epoch } = recovered
  meter.started()
  let state: EnvironmentState = recovered.state
  let watch: Watch = recovered.watch
  const background = createBackground({ ...options, epoch })
  const nowMs = () => clock.monotonicMs()
  const { observer, checks } = options.platform
  const judging = createJudging({ ...options, observer, probing: createProbing({ checks, nowMs }), nowMs })
  const keepWatch = watchKeeper(journal, clock)
  const inputs = createInputs({ ...options, background, judging })
  const over = new AbortController()
  const holds = createHolds({ ...options, nowMs, signal: AbortSignal.any([signal, over.signal]) })
  try {
    return await loop()
  } finally {
    over.abort()
  }

  async function loop(): Promise<RunnerEnd> {
    while (!background.mayStop()) {
      holds.follow(state)
      const { input, snapshot } = await inputs.next(state)
      if (input === 'idle') return signal.aborted ? 'stopped' : 'idle'
      if (input === 'superseded') return 'superseded'
      try {
        await walk(input, snapshot)
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error
        if (error.code === 'STALE_EPOCH') return 'superseded'
        await moveToStable({ ...options, state, epoch, because: error })
      }
      await keepWatch(watch)
    }
    return 'stopped'
  }

  /** Takes one input, and with a tick as many steps as its snapshot allows. */
  async function walk(input: Input, snapshot: Snapshot): Promise<void> {
    let next = input
    let agedAtMs = clock.monotonicMs()
    for (;;) {
      const decided = decide(state, { ...watch, performing: background.performing() }, next)
      watch = decided.watch
      if (next.kind === 'tick') meter.ticked()
      const committed = await commitAll(decided.decisions, snapshot)
      if (!committed || next.kind !== 'tick') return
      const verdicts = await judging.verdicts(state, snapshot)
      // A slow append makes the snapshot old too.
      const observedAgoMs = next.snapshot.observedAgoMs + clock.monotonicMs() - agedAtMs
      agedAtMs = clock.monotonicMs()
      next = { ...next, elapsedMs: 0, snapshot: { ...next.snapshot, observedAgoMs }, verdicts }
    }
  }

  /** False when nothing was decided, or an invariant stopped it. */
  async function commitAll(decisions: readonly Decision[], snapshot: Snapshot): Promise<boolean> {
    const [violated] = decisions.flatMap((decision) => violations(state, snapshot, decision))
    if (!violated) {
      await commit(decisions)
      return decisions.length > 0
    }
    const command = decisions.find(({ body }) => body.kind === 'commanded')
    if (command) await commit([refused(command, violated)])
    else if (state.release && state.release.violation !== violated) await commit([violation(violated)])
    return false
  }

  async function commit(decisions: readonly Decision[]): Promise<void> {
    if (decisions.length === 0) return
    const kinds = decisions.map((decision) => decision.body.kind).join(', ')
    options.probe?.(`before append ${kinds}`)
    const records = await journal.append(decisions, { epoch, seq: state.seq, release: releaseOf(decisions) })
    options.probe?.(`after append ${kinds}`)
    for (const record of records) {
      meter.recorded(record, state)
      state = evolve(state, record)
      if (changesStep.includes(record.body.kind)) inputs.stepChanged()
      background.follow(state, record.body)
    }
    const hasEnded = records.some(({ body }) => body.kind === 'releaseEnded')
    if (hasEnded && !state.release) await unlessRefused(journal.seal(state))
  }

  function releaseOf(decisions: readonly Decision[]): string | null {
    const started = decisions.find((decision) => decision.body.kind === 'releaseStarted')
    return state.release?.id ?? (started?.body.kind === 'releaseStarted' ? started.body.release : null)
  }
}

const changesStep: readonly RecordKind[] = ['releaseStarted', 'stepStarted', 'stepFinished', 'turnedBack']

/** A command that would break an invariant is answered, or it would be taken again and again. */
function refused({ body, actor }: Decision, predicate: string): Decision {
  return {
    body: { ...body, accepted: false } as Decision['body'],
    reason: `it would break an invariant: ${predicate}`,
    actor,
  }
}

function violation(predicate: string): Decision {
  return { body: { kind: 'violated', predicate }, reason: `stopped before it was done: ${predicate}`, actor: MOODIFY }
}
