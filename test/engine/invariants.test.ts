// Each predicate bites: next to every decision that keeps it stands one that breaks it.
import { describe, expect, test } from 'vitest'
import { SETTLE_MS } from '../../src/domain/drain.ts'
import { MOODIFY, type Shares } from '../../src/domain/names.ts'
import type { ReplicaFacts, ServiceFacts, SlotTraffic, Snapshot } from '../../src/domain/snapshot.ts'
import type { Verdict } from '../../src/domain/verdict.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { violations } from '../../src/engine/invariants.ts'
import type { Decision, RecordBody, Wait } from '../../src/engine/record.ts'
import { currentStep, type EnvironmentState } from '../../src/engine/state.ts'
import type { Step } from '../../src/plan/plan.ts'
import { configOf, placementOf, planOf, walk } from '../plan/support.ts'

const config = configOf(`
name: shop
services: { backend: { start: node server.mjs, replicas: 2, drainSeconds: 10 } }
environments: { production: { listen: 0 } }
canary: { weights: [10, 100] }
`)
const stable = placementOf(config, 'backend', 'v1', 'blue')
const plan = planOf(config, { strategy: 'canary', version: 'v2', stable: { backend: stable } })
const candidate = plan.members[0]!.to
const states = walk(plan)

/** The state in which this step of the plan has started. */
const during = (id: string): EnvironmentState => states.find(({ release }) => release?.current?.id === id)!
const stepOf = <Kind extends Step['kind']>(state: EnvironmentState, kind: Kind) => {
  const step = currentStep(state.release!)!
  if (step.kind !== kind) throw new Error(`${step.id} is no ${kind}`)
  return step as Extract<Step, { kind: Kind }>
}

// --- what the platform looks like ----------------------------------------------------------------------------------------

function replica(revision: string, index: number, ready = true): ReplicaFacts {
  return {
    id: `${revision}-${index}`,
    revision,
    running: true,
    ready,
    restarts: 0,
    crashLooping: false,
    failingHealth: false,
    ending: false,
    startedAgoMs: 60_000,
  }
}

interface Seen {
  readonly shares?: Shares
  readonly traffic?: Readonly<Record<string, Partial<SlotTraffic>>>
  /** Ready replicas of the candidate in green. */
  readonly ready?: number
}

/** v1 in blue and v2 in green, two replicas each; what is left out is in order. */
function snapshot({ shares = { blue: 100 }, traffic = {}, ready = 2 }: Seen = {}): Snapshot {
  const slot = (name: string): SlotTraffic => {
    const outOfRotationMs = (shares[name] ?? 0) > 0 ? null : 60_000
    return { inFlight: 0, outOfRotationMs, endpoints: 2, ...traffic[name] }
  }
  const two = (revision: string, readyCount: number) => ({
    desiredRevision: revision,
    desiredReplicas: 2,
    replicas: [0, 1].map((index) => replica(revision, index, index < readyCount)),
  })
  const backend: ServiceFacts = {
    slots: { blue: two(stable.revision.id, 2), green: two(candidate.revision.id, ready) },
    route: { generation: 1, shares, slots: { blue: slot('blue'), green: slot('green') } },
  }
  return { observedAgoMs: 0, complete: true, missing: [], services: { backend } }
}

function broken(state: EnvironmentState, body: RecordBody, seen: Seen = {}, reason = 'because'): readonly string[] {
  const decision: Decision = { body, reason, actor: MOODIFY }
  return violations(state, snapshot(seen), decision)
}

/** What the intent to do this now would break. */
function brokenBy(state: EnvironmentState, effect: Effect, seen: Seen = {}): readonly string[] {
  return broken(state, { kind: 'stepStarted', step: currentStep(state.release!)!, effect, attempt: 1 }, seen)
}

// --- no dropped request --------------------------------------------------------------------------------------------------

describe('no dropped request', () => {
  const state = during('backend.retire')
  const retire: Effect = { kind: 'retire', service: 'backend', slot: 'blue' }
  const green = { green: 100 }

  test('a slot is ended when nothing is in flight, or when the drain time has passed', () => {
    expect(brokenBy(state, retire, { shares: green })).toEqual([])
    const drained = { blue: { inFlight: 3, outOfRotationMs: 10_000 } }
    expect(brokenBy(state, retire, { shares: green, traffic: drained })).toEqual([])
  })

  test('a slot with traffic is not ended', () => {
    expect(brokenBy(state, retire, { shares: { blue: 1, green: 99 } })).toEqual([
      'no dropped request: backend in blue would end although it still receives traffic',
    ])
  })

  test('a slot is not ended before the data plane has had time to count', () => {
    const traffic = { blue: { outOfRotationMs: SETTLE_MS - 1 } }
    expect(brokenBy(state, retire, { shares: green, traffic })).toEqual([
      'no dropped request: backend in blue would end although it has only just left the rotation',
    ])
  })

  test('a slot with requests in flight is not ended within its drain time', () => {
    const traffic = { blue: { inFlight: 3, outOfRotationMs: 9_999 } }
    expect(brokenBy(state, retire, { shares: green, traffic })).toEqual([
      'no dropped request: backend in blue would end although 3 still in flight',
    ])
  })

  test('outside of a step that retires, no drain time ever passes', () => {
    const traffic = { blue: { inFlight: 1, outOfRotationMs: 3_600_000 } }
    expect(brokenBy(during('backend.analyse-100'), retire, { shares: green, traffic })).toHaveLength(1)
  })

  test('a slot with traffic gets no other revision', () => {
    const state = during('backend.apply')
    const apply = (slot: string): Effect => {
      return { kind: 'applyRevision', service: 'backend', placement: { ...candidate, slot } }
    }
    expect(brokenBy(state, apply('green'))).toEqual([])
    expect(brokenBy(state, apply('blue'), { shares: green })).toEqual([])
    expect(brokenBy(state, apply('green'), { shares: green })).toEqual([])
    expect(brokenBy(state, apply('blue'))).toEqual([
      'no dropped request: blue carries 100 % of backend with another revision',
    ])
  })

  test('a slot in which nothing is ready serves nobody, so it may get another revision', () => {
    const effect: Effect = { kind: 'applyRevision', service: 'backend', placement: { ...stable, slot: 'green' } }
    expect(brokenBy(during('backend.apply'), effect, { shares: green })).toHaveLength(1)
    expect(brokenBy(during('backend.apply'), effect, { shares: green, ready: 0 })).toEqual([])
  })
})

// --- never to what is not ready ------------------------------------------------------------------------------------------

describe('never to what is not ready', () => {
  const state = during('backend.shift-10')
  const shift = (shares: Shares): Effect => ({ kind: 'setShares', service: 'backend', shares, generation: 2 })

  test('traffic goes to slots whose replicas are ready', () => {
    expect(brokenBy(state, shift({ blue: 90, green: 10 }))).toEqual([])
    expect(brokenBy(state, shift({ green: 100 }))).toEqual([])
    expect(brokenBy(state, shift({ blue: 90, green: 10 }), { ready: 1 })).toEqual([])
  })

  test('a slot without enough ready replicas gets no share', () => {
    expect(brokenBy(state, shift({ blue: 90, green: 10 }), { ready: 0 })).toEqual([
      'never to what is not ready: green has 0 ready, 10 % of the load needs 1',
    ])
    expect(brokenBy(state, shift({ green: 100 }), { ready: 1 })).toEqual([
      'never to what is not ready: green has 1 ready, 100 % of the load needs 2',
    ])
  })

  test('shares add up to 100', () => {
    expect(brokenBy(state, shift({ blue: 90, green: 9 }))).toEqual([
      'never to what is not ready: shares of backend add up to 99',
    ])
    expect(brokenBy(state, shift({}))).toEqual(['never to what is not ready: shares of backend add up to 0'])
  })
})

// --- promote what was analysed, and don't know is no answer ---------------------------------------------------------------

function verdict(kind: Verdict['kind']): Verdict {
  return { kind, rule: 'none', reason: 'seen', evidence: null, weakerEvidence: false }
}

describe("don't know is no answer", () => {
  const state = during('backend.analyse-10')
  const passed = (given: Verdict | null, passedBy: 'verdict' | 'person' | 'policy'): RecordBody => {
    return { kind: 'stepFinished', step: stepOf(state, 'analyse'), verdict: given, passedBy }
  }

  test('an analysis passes by a healthy verdict, or by a person or a policy that answer for it', () => {
    expect(broken(state, passed(verdict('healthy'), 'verdict'))).toEqual([])
    expect(broken(state, passed(verdict('unknown'), 'person'))).toEqual([])
    expect(broken(state, passed(verdict('unknown'), 'policy'))).toEqual([])
  })

  test.each([verdict('unknown'), verdict('unhealthy'), null])('an analysis does not pass by %o', (given) => {
    expect(broken(state, passed(given, 'verdict'))).toEqual([
      "don't know is no answer: an analysis passed without a healthy verdict",
    ])
  })
})

describe('promote what was analysed', () => {
  const becomes = (placement = candidate): RecordBody => {
    return { kind: 'rolesChanged', service: 'backend', stable: placement, previous: stable }
  }
  const wrong = ['promote what was analysed: backend would change roles without it']

  test('the candidate becomes stable at its flip, after all analyses', () => {
    expect(broken(during('backend.flip'), becomes())).toEqual([])
  })

  test('it does not before, nor while an analysis is still under way', () => {
    expect(broken(during('backend.shift-10'), becomes())).toEqual(wrong)
    expect(broken(during('backend.analyse-100'), becomes())).toEqual(wrong)
  })

  test('nothing else becomes stable in its place', () => {
    expect(broken(during('backend.flip'), becomes(placementOf(config, 'backend', 'v3', 'green')))).toEqual(wrong)
  })

  test('an analysis that was left out is missed', () => {
    const state = during('backend.flip')
    const release = state.release!
    const steps = release.steps.filter((step) => step.id !== 'backend.analyse-10')
    const skipped = { ...state, release: { ...release, steps, cursor: release.cursor - 1 } }
    expect(broken(skipped, becomes())).toEqual(wrong)
  })
})

// --- every wait has an exit, and everything has a reason -------------------------------------------------------------------

describe('every wait has an exit', () => {
  const state = during('backend.analyse-10')
  const wait: Wait = {
    blocker: 'the analysis',
    deadlineMs: null,
    atDeadline: 'it goes on holding',
    next: 'moodify promote',
    needsPerson: false,
  }

  test('a wait says what it waits for, what happens at its end, and what to type', () => {
    expect(broken(state, { kind: 'waiting', wait })).toEqual([])
    expect(broken(state, { kind: 'waiting', wait: null })).toEqual([])
  })

  test.each(['blocker', 'next', 'atDeadline'])('a wait without %s is none', (missing) => {
    expect(broken(state, { kind: 'waiting', wait: { ...wait, [missing]: '' } })).toEqual([
      'every wait has an exit: blocker, deadline or next command is missing',
    ])
  })
})

describe('everything has a reason', () => {
  test.each(['', '  '])('a decision for the reason "%s" is none', (reason) => {
    const state = during('backend.analyse-10')
    expect(broken(state, { kind: 'paused' }, {}, 'ana paused it')).toEqual([])
    expect(broken(state, { kind: 'paused' }, {}, reason)).toEqual(['everything has a reason: paused has none'])
  })
})
