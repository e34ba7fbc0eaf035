import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { guardrails } from '../../src/analysis/guardrails.ts'
import type { JudgeState, JudgeTick, Question } from '../../src/analysis/judge.ts'
import { judgeByMode } from '../../src/analysis/judges.ts'
import { alphaAlone } from '../../src/analysis/sequential-findings.ts'
import { sequentialJudge } from '../../src/analysis/sequential-judge.ts'
import type { SequentialState } from '../../src/analysis/sequential-state.ts'
import { type Cell, type Counts, LATENCY_BUCKETS, latencyBucket } from '../../src/domain/counts.ts'
import { emptySlot, type ReplicaFacts } from '../../src/domain/snapshot.ts'
import type { Verdict } from '../../src/domain/verdict.ts'
import { seeded } from './support.ts'

const question: Question = {
  triggers: {
    mode: 'sequential',
    alphaPercent: 1,
    margin: 1.25,
    warmUpMs: 30_000,
    sharedFault: 'freeze',
    errorRatePercent: 5,
    p95Ms: 5000,
    crashLoop: true,
    failingHealthPercent: 50,
    minRequests: 50,
    minBad: 5,
    windowMs: 60_000,
  },
  candidate: { slot: 'green', revision: 'new' },
  control: { slot: 'blue', revision: 'old' },
  monitorMs: 300_000,
  stage: { index: 0, count: 3 },
  weightPercent: 10,
}
const alone: Question = { ...question, control: null, stage: { index: 2, count: 3 } }
const rollback: Question = { ...question, triggers: { ...question.triggers, sharedFault: 'rollback' } }

interface Arm {
  requests: number
  failures?: number
  slow?: number
  slowMs?: number
  replicas?: number
}

/** Cells of one second. Failures and slow requests are dealt out one replica after the other. */
function cellsOf(slot: 'green' | 'blue', second: number, arm: Arm): Cell[] {
  const { requests, failures = 0, slow = 0, slowMs = 6000, replicas = slot === 'green' ? 1 : 9 } = arm
  const part = (total: number, at: number) => Math.floor(total / replicas) + (at < total % replicas ? 1 : 0)
  return Array.from({ length: replicas }, (_, at) => {
    const latency = new Array<number>(LATENCY_BUCKETS).fill(0)
    latency[latencyBucket(20)] = part(requests, at) - part(slow, at)
    latency[latencyBucket(slowMs)]! += part(slow, at)
    const counts = { requests: part(requests, at), failures: part(failures, at), latency }
    return { slot, revision: slot === 'green' ? 'new' : 'old', replica: `${slot}-${at}`, second, ...counts }
  })
}

const good: { canary: Arm; stable: Arm } = { canary: { requests: 5 }, stable: { requests: 45 } }

/** Seconds that all look alike, one tick each. */
function seconds(from: number, to: number, arms: { canary?: Arm; stable?: Arm } = {}): JudgeTick[] {
  return Array.from({ length: to - from + 1 }, (_, at) => {
    const second = from + at
    const cells = [
      ...cellsOf('green', second, { ...good.canary, ...arms.canary }),
      ...cellsOf('blue', second, { ...good.stable, ...arms.stable }),
    ]
    return { elapsedMs: second * 1000, cells, candidate: emptySlot, hasData: true }
  })
}

function run(ticks: readonly JudgeTick[], asked = question, previous?: JudgeState) {
  let state = sequentialJudge.start(asked, previous)
  const verdicts: Verdict[] = []
  for (const tick of ticks) {
    const answer = sequentialJudge.tick(state, tick)
    state = answer.state
    verdicts.push(answer.verdict)
  }
  return { state: state as SequentialState, verdicts, last: verdicts.at(-1)! }
}

/** Second and verdict of the first one that is unhealthy. */
function firstUnhealthy(ticks: readonly JudgeTick[], asked = question) {
  const { verdicts } = run(ticks, asked)
  const at = verdicts.findIndex(({ kind }) => kind === 'unhealthy')
  return at < 0 ? null : { second: ticks[at]!.elapsedMs / 1000, verdict: verdicts[at]! }
}

/** Every third second one of the canary's requests fails, of which it has five a second. */
function failingNowAndThen(from: number, to: number): JudgeTick[] {
  return seconds(from, to).map((tick, at) =>
    at % 3 === 0 ? seconds(from + at, from + at, { canary: { requests: 5, failures: 1 } })[0]! : tick,
  )
}

describe('a canary that is worse than stable', () => {
  test('goes back after a handful of errors once it is warm, with the numbers in one sentence', () => {
    const found = firstUnhealthy([...seconds(1, 40), ...failingNowAndThen(41, 120)])!
    expect(found.second).toBeLessThan(60)
    expect(found.verdict).toMatchObject({ rule: 'relative-error-rate', weakerEvidence: false })
    expect(found.verdict.reason).toMatch(
      /^error rate at least [\d.]+× stable's: \d of \d+ requests failed \(.+ %\); stable: 0 of [\d,]+ requests failed \(0 %\); evidence [\d,]+ : 1; false alarms 1 %$/,
    )
    const { comparison, bad, units } = found.verdict.evidence!
    expect(comparison!.boundary).toEqual({ bad, candidateBad: bad, crossesAt: bad })
    expect(comparison!.ratio.low).toBeGreaterThan(1)
    expect(comparison!.alphaSpent).toBeGreaterThan(0)
    expect(comparison!.alphaSpent).toBeLessThanOrEqual(0.0025)
    expect(units).toBeGreaterThan(50)
  })

  test('goes back by the exact test before the evidence beside it is strong enough alone', () => {
    const ticks = seconds(1, 120).map((tick, at) => {
      const second = at + 1
      const canary = { requests: 5, failures: second > 40 && second % 5 === 0 ? 1 : 0 }
      const stable = { requests: 45, failures: second > 40 && second % 4 === 1 ? 1 : 0 }
      return seconds(second, second, { canary, stable })[0] ?? tick
    })
    const { comparison } = firstUnhealthy(ticks)!.verdict.evidence!
    expect(comparison!.boundary!.candidateBad).toBe(comparison!.boundary!.crossesAt)
    expect(comparison!.logEvidence).toBeLessThan(comparison!.logThreshold!)
  })

  test('is not held against by errors that both versions have in proportion', () => {
    const both = seconds(1, 300).map((tick, at) =>
      at % 4 === 0
        ? seconds(at + 1, at + 1, {
            stable: { requests: 45, failures: 1 },
            canary: { requests: 5, failures: at % 36 === 0 ? 1 : 0 },
          })[0]!
        : tick,
    )
    expect(firstUnhealthy(both)).toBe(null)
  })

  test('counts ten failures of one replica in one second once', () => {
    const burst = seconds(60, 60, { canary: { requests: 10, failures: 9 } })
    expect(firstUnhealthy([...seconds(1, 59), ...burst, ...seconds(61, 80)])).toBe(null)
  })

  test('and slower goes back by latency alone', () => {
    const spread = { requests: 45, slow: 5, slowMs: 300 }
    const slower = { requests: 5, slow: 4, slowMs: 300 }
    const ticks = [...seconds(1, 40, { stable: spread }), ...seconds(41, 120, { stable: spread, canary: slower })]
    const found = firstUnhealthy(ticks)!
    expect(found.verdict.rule).toBe('relative-latency')
    expect(found.second).toBeLessThan(75)
    expect(firstUnhealthy(seconds(1, 120, { stable: spread, canary: { requests: 5, slow: 1, slowMs: 300 } }))).toBe(
      null,
    )
  })

  test('goes back by another metric', () => {
    const ticks = seconds(1, 60).map((tick) => ({
      ...tick,
      metrics: { carts: { candidate: { units: 10, bad: 5 }, control: { units: 90, bad: 1 } } },
    }))
    const found = firstUnhealthy(ticks)!
    expect(found.verdict.rule).toBe('relative-metric')
    expect(found.verdict.reason).toMatch(/^carts: 50 %, stable 1\.11 %; evidence /)
    expect(found.second).toBeGreaterThan(30)
  })

  test('stays taken back whatever comes later', () => {
    const { state, verdicts } = run([...seconds(1, 40), ...failingNowAndThen(41, 120)])
    const again = sequentialJudge.tick(state, { ...seconds(121, 121)[0]!, hasData: false })
    expect(again.verdict).toEqual(verdicts.at(-1))
  })
})

describe('warm-up', () => {
  test('forgives a cold canary what a warm one would go back for', () => {
    expect(firstUnhealthy([...failingNowAndThen(1, 15), ...seconds(16, 120)])).toBe(null)
  })

  test('does not forgive everything', () => {
    const found = firstUnhealthy(seconds(1, 30, { canary: { requests: 25, failures: 1 }, stable: { requests: 225 } }))!
    expect(found.second).toBeLessThan(15)
    expect(found.verdict.rule).toBe('cold-start')
    expect(found.verdict.reason).toMatch(
      /^more than warming up explains, 5× stable's error rate: \d+ of \d+ requests failed/,
    )
  })

  test('is left out of what it is promoted by', () => {
    const { state } = run(seconds(1, 30, { canary: { requests: 5, failures: 1 } }).slice(0, 4))
    expect(state.stage.errorsOf.canary).toEqual({ units: 0, bad: 0 })
    expect(run(seconds(1, 20)).last).toMatchObject({ kind: 'unknown', rule: 'warm-up' })
  })

  test('takes at most a fifth of a short stage', () => {
    expect(run([], { ...question, monitorMs: 20_000 }).state.limits.warmUpMs).toBe(4000)
  })
})

describe('limits', () => {
  test('an error rate far above the limit goes back within seconds, also of a cold canary', () => {
    const found = firstUnhealthy(
      seconds(1, 30, { canary: { requests: 20, failures: 7, replicas: 3 }, stable: { requests: 45 } }),
    )!
    expect(found.second).toBeLessThanOrEqual(4)
  })

  test('a P95 above the limit goes back as latency', () => {
    const found = firstUnhealthy(seconds(1, 30, { canary: { requests: 5, slow: 4 } }))!
    expect(found).toMatchObject({ verdict: { rule: 'latency' } })
    expect(found.second).toBeLessThan(10)
  })

  test('the dead-man’s switch goes back after twenty requests', () => {
    const found = firstUnhealthy(seconds(1, 30, { canary: { requests: 10, failures: 6 } }), {
      ...question,
      control: null,
    })!
    expect(found).toMatchObject({ second: 2, verdict: { rule: 'dead-man', weakerEvidence: true } })
  })

  test('a warning holds the promotion and says why', () => {
    const warm = seconds(1, 300, { canary: { requests: 50, failures: 1 } }).slice(0, 300)
    const { last } = run(warm, alone)
    expect(last).toMatchObject({ kind: 'unknown', rule: 'warning' })
    expect(last.reason).toContain('above the warning of 1 %')
  })

  test('a fault of both versions freezes the release, unless it shall go back', () => {
    const outage = seconds(1, 60, { canary: { requests: 5, failures: 4 }, stable: { requests: 45, failures: 36 } })
    const { last, verdicts } = run(outage)
    expect(verdicts.every(({ kind }) => kind === 'unknown')).toBe(true)
    expect(last.rule).toBe('shared-fault')
    expect(last.reason).toContain('going back would not cure')
    expect(firstUnhealthy(outage, rollback)).not.toBe(null)
  })

  test('100 % errors on both sides are a shared fault', () => {
    const dead = seconds(1, 60, { canary: { requests: 5, failures: 5 }, stable: { requests: 45, failures: 45 } })
    expect(run(dead).last).toMatchObject({ kind: 'unknown', rule: 'shared-fault' })
  })

  test('a freeze ends with the fault', () => {
    const outage = seconds(1, 30, { canary: { requests: 5, failures: 2 }, stable: { requests: 45, failures: 18 } })
    const { verdicts } = run([...outage, ...seconds(31, 1500)])
    expect(verdicts[29]?.rule).toBe('shared-fault')
    expect(verdicts.at(-1)?.rule).not.toBe('shared-fault')
    expect(verdicts.some(({ kind }) => kind === 'unhealthy')).toBe(false)
  })
})

describe('promotion', () => {
  test('is given when every metric is shown to be good, before that it says what is missing', () => {
    const { verdicts } = run(seconds(1, 300))
    expect(verdicts[0]).toMatchObject({ kind: 'unknown', rule: 'minimum-requests' })
    const early = verdicts[99]!
    expect(early).toMatchObject({ kind: 'unknown', rule: 'not-shown' })
    expect(early.needs).toMatch(/^\d+ more requests, about \d+(\.\d)? (s|min) at this traffic$/)
    const shown = verdicts.findIndex(({ kind }) => kind === 'healthy')
    expect(shown).toBeGreaterThan(180)
    expect(shown).toBeLessThan(230)
    expect(verdicts.at(-1)!.reason).toMatch(/^error rate 0 %, at most 0\.\d+ %; requests slower than 5 s 0 %, at most /)
  })

  test('is given after the monitor time to one that looks no worse', () => {
    const { verdicts } = run(seconds(1, 100), { ...question, monitorMs: 100_000 })
    expect(verdicts.at(-2)?.kind).toBe('unknown')
    expect(verdicts.at(-1)).toMatchObject({ kind: 'healthy' })
    expect(verdicts.at(-1)?.reason).toContain('looks no worse after its time, though not shown')
  })

  test('is not given to one that looks worse without proof', () => {
    const ticks = seconds(1, 100).map((tick, at) =>
      [50, 70, 90].includes(at) ? seconds(at + 1, at + 1, { canary: { requests: 5, failures: 1 } })[0]! : tick,
    )
    const { last } = run(ticks, { ...question, monitorMs: 100_000 })
    expect(last).toMatchObject({ kind: 'unknown', rule: 'inconclusive' })
  })

  test('is never given without traffic, whatever the time', () => {
    const quiet = seconds(1, 400).map((tick) => ({ ...tick, cells: tick.cells.filter(({ slot }) => slot === 'blue') }))
    const { last } = run(quiet)
    expect(last).toMatchObject({ kind: 'unknown', rule: 'minimum-requests', needs: 'no requests at all: no traffic' })
    expect(last.evidence).toMatchObject({ units: 0, bad: 0 })
  })

  test('is not given while the source of counts is silent', () => {
    const { state } = run(seconds(1, 300))
    const { verdict } = sequentialJudge.tick(state, {
      elapsedMs: 301_000,
      cells: [],
      candidate: emptySlot,
      hasData: false,
    })
    expect(verdict).toMatchObject({ kind: 'unknown', rule: 'no-data', evidence: null })
  })

  test('comes with a warning when the share of the traffic is not the configured one', () => {
    const { last } = run(seconds(1, 300, { canary: { requests: 8 } }))
    expect(last.warnings).toEqual([expect.stringMatching(/^the candidate gets 15\.1 % of the requests, not 10 %/)])
    expect(run(seconds(1, 300)).last.warnings).toBe(undefined)
  })
})

describe('without a control', () => {
  const before: Counts = { requests: 50_000, failures: 25, latency: new Array<number>(LATENCY_BUCKETS).fill(0) }

  test('the candidate is compared with what the version before it did', () => {
    const asked = { ...alone, before }
    const ticks = seconds(1, 300, { canary: { requests: 50, failures: 0, replicas: 10 } })
    const failing = ticks.map((tick, at) =>
      at % 2 ? tick : seconds(at + 1, at + 1, { canary: { requests: 50, failures: 1, replicas: 10 } })[0]!,
    )
    const found = firstUnhealthy(failing, asked)!
    expect(found.verdict).toMatchObject({ rule: 'before-after', weakerEvidence: true })
    expect(found.verdict.reason).toContain('nothing runs beside it')
    expect(firstUnhealthy(ticks, asked)).toBe(null)
    expect(firstUnhealthy(failing, alone)).toBe(null)
  })

  test('one that turns bad after hours is taken back within seconds', () => {
    const found = firstUnhealthy(
      [
        ...seconds(1, 3600, { canary: { requests: 50 } }),
        ...seconds(3601, 3630, { canary: { requests: 50, failures: 10 } }),
      ],
      alone,
    )!
    expect(found.second - 3600).toBe(7)
  })
})

describe('a roll', () => {
  const before: Counts = { requests: 50_000, failures: 25, latency: new Array<number>(LATENCY_BUCKETS).fill(0) }
  const rolling: Question = {
    ...question,
    before,
    control: { slot: 'green', revision: 'old' },
    stage: { index: 0, count: 1 },
  }
  const replicaOf = (revision: string, ending = false): ReplicaFacts => {
    const well = { running: true, ready: true, restarts: 0, crashLooping: false, failingHealth: false }
    return { id: revision, revision, ...well, ending, startedAgoMs: 60_000 }
  }

  /** Old replicas until a second, and then new ones alone, of which a request fails in every second. */
  function roll(goneAt: number, to: number): JudgeTick[] {
    return seconds(1, to).map((_, at) => {
      const second = at + 1
      const isGone = second > goneAt
      const failures = isGone ? 1 : 0
      const old = isGone ? [] : cellsOf('blue', second, { requests: 25, replicas: 1 })
      const cells = [...cellsOf('green', second, { requests: 25, failures }), ...old].map((each) => ({
        ...each,
        slot: 'green',
      }))
      const replicas = [replicaOf('new'), replicaOf('old', isGone)]
      const candidate = { desiredRevision: 'new', desiredReplicas: 2, replicas }
      return { elapsedMs: second * 1000, cells, candidate, hasData: true }
    })
  }

  test('is a comparison while an old replica serves, and a before and after once the last one is on its way out', () => {
    const { verdicts } = run(roll(60, 61), rolling)
    expect(verdicts[59]).toMatchObject({ weakerEvidence: false, evidence: { control: expect.anything() } })
    expect(verdicts[60]).toMatchObject({ weakerEvidence: true })
    expect(verdicts[60]?.evidence?.control).toBe(undefined)
    const found = firstUnhealthy(roll(60, 120), rolling)!
    expect(found.verdict).toMatchObject({ rule: 'before-after', weakerEvidence: true })
    expect(found.second).toBeLessThan(90)
  })

  test('gives to the second what the first has left of α', () => {
    const shared = roll(160, 160).map((tick, at) => (at % 4 ? tick : failing(tick, at % 8 ? 'old' : 'new')))
    const { state } = run(shared, rolling)
    expect(state.stage.boundary.spent).toBeGreaterThan(0.0005)
    expect(alphaAlone(state)).toBeCloseTo(0.9 * 0.005 - state.stage.boundary.spent - state.stage.coldBoundary.spent, 12)
    expect(alphaAlone(run([], alone).state)).toBe(alone.triggers.alphaPercent / 100 / 8)
  })

  const failing = (tick: JudgeTick, version: string): JudgeTick => ({
    ...tick,
    cells: tick.cells.map((each) => (each.revision === version ? { ...each, failures: 1 } : each)),
  })
})

describe('replicas', () => {
  test('in a crash loop take the candidate back without any request, also while counts are silent', () => {
    const looping = { id: 'a', revision: 'new', crashLooping: true, restarts: 4, ending: false } as ReplicaFacts
    const candidate = { desiredRevision: 'new', desiredReplicas: 1, replicas: [looping] }
    const { last } = run([{ elapsedMs: 1000, cells: [], candidate, hasData: false }])
    expect(last).toMatchObject({ kind: 'unhealthy', rule: 'crash-loop' })
  })
})

describe('from stage to stage', () => {
  const stage = (index: number): Question => ({ ...question, stage: { index, count: 3 } })

  test('α is halved and never refilled, with and without the state of the stage before', () => {
    const first = run(seconds(1, 50), stage(0)).state
    const second = run(seconds(51, 60), stage(1), first).state
    const third = run([], stage(2), second).state
    expect([first, second, third].map(({ alpha }) => alpha.stage.errorRate)).toEqual([0.0025, 0.00125, 0.00125])
    expect(third.alpha.left.errorRate).toBe(0)
    for (const index of [0, 1, 2]) {
      const fresh = run([], stage(index)).state
      expect(fresh.alpha.stage).toEqual([first, second, third][index]!.alpha.stage)
    }
    const beyond = run([], stage(3), third).state
    expect(beyond.alpha.stage).toEqual({ errorRate: 0, latency: 0, otherMetrics: 0 })
    // Cumulative evidence has α of its own; what was the stages' is used up.
    const { stage: after } = run(failingNowAndThen(61, 75), stage(4), beyond).state
    expect(after.boundary).toMatchObject({ canaryBad: 5, bad: 5, crossed: false, spent: 0 })
  })

  test('cumulative evidence, warm replicas and what is known of stable are handed on', () => {
    const first = run([...seconds(1, 50), ...failingNowAndThen(51, 53)], stage(0)).state
    const second = sequentialJudge.start(stage(1), first) as SequentialState
    expect(second.release.errors).toEqual(first.release.errors)
    expect(second.release.cut.ages).toEqual(first.release.cut.ages)
    expect(second.release.before.units).toBe(53 * 45)
    expect(second.stage.boundary.bad).toBe(0)
  })

  test('a state that was written to JSON and read again judges the same', () => {
    const ticks = [...seconds(1, 40), ...failingNowAndThen(41, 60)]
    const straight = run(ticks)
    let state: JudgeState = sequentialJudge.start(question)
    for (const tick of ticks) state = sequentialJudge.tick(JSON.parse(JSON.stringify(state)), tick).state
    expect(state).toEqual(straight.state)
  })

  test('a release that is shared by several candidates shares its α', () => {
    expect(run([], { ...question, candidates: 2 }).state.alpha.whole).toBe(0.005)
  })
})

describe('always', () => {
  test('no number is NaN or infinite and no sentence shows one, for any counts to a billion', () => {
    const size = fc.oneof(fc.nat(20), fc.nat(1_000_000_000), fc.constant(0))
    const arm = fc
      .record({ requests: size, failures: size, slow: size, replicas: fc.integer({ min: 1, max: 4 }) })
      .map((drawn) => ({
        ...drawn,
        failures: Math.min(drawn.failures, drawn.requests),
        slow: Math.min(drawn.slow, drawn.requests),
      }))
    const anyTick = fc.record({ canary: arm, stable: arm, step: fc.integer({ min: -5, max: 40 }) })
    fc.assert(
      fc.property(fc.array(anyTick, { maxLength: 12 }), fc.boolean(), (drawn, isAlone) => {
        let second = 10
        const ticks = drawn.map(({ step, ...arms }) => {
          second = Math.max(1, second + step)
          return seconds(second, second, arms)[0]!
        })
        const { verdicts, state } = run(ticks, isAlone ? alone : question)
        expect(JSON.stringify([verdicts, state])).not.toMatch(/NaN|Infinity|undefined/)
        expect(JSON.parse(JSON.stringify(state))).toEqual(state)
        for (const { reason, needs, evidence } of verdicts) {
          expect(`${reason} ${needs}`).not.toMatch(/null|-\d/)
          expect(evidence === null || Object.values(evidence).every((value) => value !== null)).toBe(true)
        }
      }),
      seeded(150),
    )
  })

  test('the state stays bounded however long it runs', () => {
    const { state } = run(
      seconds(1, 3000, { canary: { requests: 5, failures: 1 }, stable: { requests: 45, failures: 9 } }),
    )
    expect(JSON.stringify(state).length).toBeLessThan(60_000)
  })

  test('sums without cells are judged request by request', () => {
    const counts = (requests: number, failures: number): Counts => ({
      requests,
      failures,
      latency: Object.assign(new Array<number>(LATENCY_BUCKETS).fill(0), { 2: requests }),
    })
    const ticks = Array.from(
      { length: 40 },
      (_, at): JudgeTick => ({
        elapsedMs: (at + 1) * 5000,
        cells: [],
        sums: { candidate: counts(25, at < 10 ? 0 : 1), control: counts(225, 0) },
        candidate: emptySlot,
        hasData: true,
      }),
    )
    expect(firstUnhealthy(ticks)).toMatchObject({ second: 70, verdict: { rule: 'relative-error-rate' } })
  })
})

describe('the mode', () => {
  test('chooses the judge, and a plan without a mode keeps its thresholds', () => {
    const { mode, ...old } = question.triggers
    expect(judgeByMode.start(question).judge).toBe('sequential')
    expect(judgeByMode.start({ ...question, triggers: { ...old, mode: 'threshold' } }).judge).toBe('guardrails')
    expect(judgeByMode.start({ ...question, triggers: old as Question['triggers'] }).judge).toBe('guardrails')
    expect(mode).toBe('sequential')
  })

  test('of the state decides who goes on with it', () => {
    const state = guardrails.start(question)
    expect(judgeByMode.tick(state, seconds(1, 1)[0]!).state.judge).toBe('guardrails')
    expect(() => sequentialJudge.tick(state, seconds(1, 1)[0]!)).toThrow(/guardrails/)
  })
})
