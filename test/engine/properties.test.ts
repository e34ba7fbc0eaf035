// What holds of the engine in whatever happens: over random releases, see random-run.ts.
import fc from 'fast-check'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { admit } from '../../src/engine/admission.ts'
import type { decide as Decide } from '../../src/engine/decide.ts'
import { evolve, fold } from '../../src/engine/evolve.ts'
import { violations } from '../../src/engine/invariants.ts'
import type { Command, JournalRecord, RecordKind } from '../../src/engine/record.ts'
import { currentStep, type EnvironmentState, emptyState } from '../../src/engine/state.ts'
import type { Placement } from '../../src/plan/plan.ts'
import { anyScenario, commandsIn, play, type Scenario } from './random-run.ts'

// The seed is fixed, so that a failure is one of the code; another comes with MOODIFY_TEST_SEED.
const SEED = Number(process.env.MOODIFY_TEST_SEED ?? 20)
const RUNS = 250

/** What was found out about each decision, while it was made. */
const found = vi.hoisted(() => ({ decisions: 0, unlike: [] as string[], violated: [] as string[] }))

/** Freezes what is reachable, so that whoever changes it fails. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const part of Object.values(value)) frozen(part)
  return value
}

// The real engine, watched: each decision is made twice and held against the invariants.
vi.mock('../../src/engine/decide.ts', async (original) => {
  const engine = await original<{ decide: typeof Decide }>()
  const decide: typeof Decide = (state, watch, input) => {
    const decided = engine.decide(frozen(state), frozen(watch), frozen(input))
    const again = engine.decide(state, watch, input)
    found.decisions += decided.decisions.length
    if (JSON.stringify(again) !== JSON.stringify(decided)) found.unlike.push(JSON.stringify([decided, again]))
    if (input.kind === 'tick') {
      const broken = decided.decisions.flatMap((decision) => violations(state, input.snapshot, decision))
      found.violated.push(...broken)
    }
    return decided
  }
  return { ...engine, decide }
})

interface Run {
  readonly scenario: Scenario
  readonly records: readonly JournalRecord[]
  /** States after 0, 1, 2 … records. */
  readonly states: readonly EnvironmentState[]
}

const runs: Run[] = []

beforeAll(async () => {
  for (const scenario of fc.sample(anyScenario, { seed: SEED, numRuns: RUNS })) {
    const records = frozen(await play(scenario))
    const states = [emptyState]
    for (const record of records) states.push(evolve(states.at(-1)!, record))
    runs.push({ scenario, records, states })
  }
}, 300_000)

/** Where in which run something was seen, for the message of a failure. */
const at = ({ scenario }: Run, seq: number) => `record ${seq} of ${JSON.stringify(scenario)}, seed ${SEED}`

const walks: readonly RecordKind[] = ['stepStarted', 'stepFinished', 'turnedBack', 'releaseEnded']

function samePlace(a: Placement | null, b: Placement | null): boolean {
  return a?.slot === b?.slot && a?.revision.id === b?.revision.id
}

const bodies = () => runs.flatMap(({ records }) => records.map(({ body }) => body))

test('the runs are worth looking at: they hold every kind of record but those of bugs', () => {
  const kinds = new Set(bodies().map(({ kind }) => kind))
  expect([...kinds].sort()).toEqual(
    [
      ...['commanded', 'continued', 'effectFailed', 'effectSucceeded', 'epochTaken', 'keepCut', 'outcomeReached'],
      ...['paused', 'queued', 'releaseEnded', 'releaseStarted', 'resolved', 'rolesChanged', 'stepFinished'],
      ...['stepStarted', 'turnedBack', 'waiting'],
    ].sort(),
  )
  const causes = new Set(bodies().flatMap((body) => (body.kind === 'turnedBack' ? [body.cause.kind] : [])))
  expect([...causes]).toEqual(expect.arrayContaining(['verdict', 'step-failed', 'asked', 'superseded', 'deadline']))
  const outcomes = new Set(bodies().flatMap((body) => (body.kind === 'releaseEnded' ? [body.outcome] : [])))
  expect(outcomes).toEqual(new Set(['released', 'rolled-back', 'failed']))
})

describe('decide', () => {
  test('decides the same when it is asked the same again, and changes nothing that it is given', () => {
    expect(found.decisions).toBeGreaterThan(1000)
    expect(found.unlike).toEqual([])
  })

  test('never decides against an invariant', () => {
    expect(found.violated).toEqual([])
    expect(bodies().filter(({ kind }) => kind === 'violated')).toEqual([])
  })

  test('walks a plan only on the roles that it was made for, and else gives it up before its first step', () => {
    for (const run of runs) {
      for (const [index, { body, seq }] of run.records.entries()) {
        if (body.kind !== 'releaseStarted') continue
        const { services } = run.states[index]!
        const isStale = body.plan.members.some(
          ({ service, from }) => !samePlace(services[service]?.stable ?? null, from),
        )
        const next = run.records.slice(index + 1).find((record) => walks.includes(record.body.kind))
        if (isStale && next) expect(next.body.kind, at(run, seq)).toBe('turnedBack')
      }
    }
  })
})

describe('evolve', () => {
  test('folds any part of a journal and then the rest to the same state as all of it', () => {
    for (const run of runs) {
      const whole = JSON.stringify(run.states.at(-1))
      expect(JSON.stringify(fold(run.records))).toBe(whole)
      for (let cut = 1; cut < run.records.length; cut += 7) {
        const first = fold(run.records.slice(0, cut))
        expect(JSON.stringify(first), at(run, cut)).toBe(JSON.stringify(run.states[cut]))
        expect(JSON.stringify(fold(run.records.slice(cut), first)), at(run, cut)).toBe(whole)
      }
    }
  })

  test('a record that was written and read again is the same, and folds to the same', () => {
    for (const run of runs) {
      const read = run.records.map((record) => JSON.parse(JSON.stringify(record)) as JournalRecord)
      for (const [index, record] of read.entries()) expect(record, at(run, index + 1)).toStrictEqual(run.records[index])
      expect(fold(read)).toStrictEqual(run.states.at(-1))
    }
  })

  test('is total: any records in any order are folded, as long as none is missing', () => {
    const pool = runs.flatMap(({ records }) => records)
    const anyRecords = fc.array(
      fc.nat(pool.length - 1).map((index) => pool[index]!),
      { maxLength: 60 },
    )
    fc.assert(
      fc.property(anyRecords, (records) => {
        let state = emptyState
        for (const [index, record] of records.entries()) {
          const next = { ...record, seq: index + 1 }
          const evolved = evolve(state, next)
          expect(evolved.seq).toBe(index + 1)
          expect(evolve(state, next)).toStrictEqual(evolved)
          state = evolved
        }
      }),
      { seed: SEED, numRuns: 200 },
    )
  })

  test('a gap is a bug and is not folded over', () => {
    const [{ records }] = runs as [Run]
    expect(() => fold([records[0]!, records[2]!])).toThrow('gap')
    expect(() => fold([records[0]!, records[0]!])).toThrow('gap')
  })
})

describe('every release', () => {
  test('has an exit in every state that it reaches', () => {
    for (const run of runs) {
      for (const state of run.states) {
        if (!state.release) continue
        expect(exitsOf(state), at(run, state.seq)).not.toEqual([])
      }
    }
  })

  test('that waits names a command which the engine takes', () => {
    for (const run of runs) {
      for (const state of run.states) {
        const { release } = state
        if (!release?.wait) continue
        for (const command of commandsIn(release.wait.next)) {
          const { allowed } = admit(state, command, NOW)
          expect(allowed, `${release.wait.blocker} → ${release.wait.next}: ${at(run, state.seq)}`).toBe(true)
        }
      }
    }
  })

  test('comes to rest once outages are over and somebody types what it asks for', () => {
    for (const run of runs) {
      const { seq, release, queued } = run.states.at(-1)!
      expect({ release: release?.wait ?? release?.current ?? release, queued }, at(run, seq)).toEqual({
        release: null,
        queued: null,
      })
    }
  })

  test('that goes back never goes forward again, and only a person changes its way', () => {
    for (const run of runs) {
      const back = new Set<string | null>()
      for (const { body, release, actor, seq } of run.records) {
        if (body.kind === 'turnedBack') {
          if (back.has(release)) expect(actor.kind, at(run, seq)).toBe('person')
          back.add(release)
        }
        if (body.kind === 'releaseEnded' && back.has(release)) expect(body.outcome, at(run, seq)).not.toBe('released')
      }
    }
  })
})

/** None of them locks anything. */
const NOW = '2026-01-06T10:00:00.000Z'

/** How a release can go on or end. */
function exitsOf(state: EnvironmentState): string[] {
  const { release, last } = state
  const step = currentStep(release!)
  const plan = (last ?? release!).plan
  const commands: Command[] = [
    { verb: 'abort' },
    { verb: 'rollback', to: 'undo', plan: null },
    { verb: 'promote' },
    { verb: 'continue' },
    { verb: 'retry', plan: null },
    { verb: 'deploy', plan, supersede: true, again: true },
    ...(step?.kind === 'hook' ? [{ verb: 'resolve', hook: step.name, as: 'done' } as const] : []),
  ]
  return [
    ...commands.filter((command) => admit(state, command, NOW).allowed).map(({ verb }) => verb),
    ...(release!.direction === 'back' ? ['it goes back'] : []),
    ...(release!.wait && release!.wait.deadlineMs !== null ? ['deadline'] : []),
  ]
}
