import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { guardrails } from '../../src/analysis/guardrails.ts'
import type { JudgeState, JudgeTick, Question } from '../../src/analysis/judge.ts'
import { type Cell, LATENCY_BUCKETS, latencyBucket } from '../../src/domain/counts.ts'
import { emptySlot, type ReplicaFacts, type SlotFacts } from '../../src/domain/snapshot.ts'
import type { Verdict } from '../../src/domain/verdict.ts'

const question: Question = {
  triggers: {
    mode: 'threshold',
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
}

interface CellWish {
  slot?: string
  revision?: string
  second?: number
  requests: number
  failures?: number
  slow?: number
}

function cell({ slot = 'green', revision = 'new', second = 1, requests, failures = 0, slow = 0 }: CellWish): Cell {
  const latency = new Array<number>(LATENCY_BUCKETS).fill(0)
  latency[0] = requests - slow
  latency[latencyBucket(6000)] = slow
  return { slot, revision, replica: `${slot}-1`, second, requests, failures, latency }
}

const stable = (wish: CellWish) => cell({ slot: 'blue', revision: 'old', ...wish })

function tick(elapsedMs: number, cells: readonly Cell[] = [], more: Partial<JudgeTick> = {}): JudgeTick {
  return { elapsedMs, cells, candidate: emptySlot, hasData: true, ...more }
}

/** The verdicts of a whole run, one per tick. */
function judge(ticks: readonly JudgeTick[], asked: Question = question): Verdict[] {
  let state: JudgeState = guardrails.start(asked)
  return ticks.map((each) => {
    const answer = guardrails.tick(state, each)
    state = answer.state
    return answer.verdict
  })
}

const lastVerdict = (ticks: readonly JudgeTick[], asked?: Question) => judge(ticks, asked).at(-1)!

function slotOf(...replicas: Partial<ReplicaFacts>[]): SlotFacts {
  return {
    desiredRevision: 'new',
    desiredReplicas: replicas.length,
    replicas: replicas.map((facts, index) => ({
      id: `green-${index}`,
      revision: 'new',
      running: true,
      ready: true,
      restarts: 0,
      crashLooping: false,
      failingHealth: false,
      ending: false,
      startedAgoMs: 10_000,
      ...facts,
    })),
  }
}

describe('guardrails: rates', () => {
  test('an error rate above the limit is unhealthy, with the numbers of both versions in one sentence', () => {
    const cells = [
      cell({ second: 1, requests: 60, failures: 15 }),
      cell({ second: 8, requests: 60, failures: 16 }),
      stable({ second: 8, requests: 1080 }),
    ]
    expect(lastVerdict([tick(8000, cells)])).toEqual({
      kind: 'unhealthy',
      rule: 'error-rate',
      reason: '31 of 120 requests failed (25.8 %, limit 5 %) in the last 8 s; stable: 0 of 1,080',
      evidence: {
        units: 120,
        bad: 31,
        share: 31 / 120,
        limit: 0.05,
        windowMs: 8000,
        control: { units: 1080, bad: 0, share: 0 },
      },
      weakerEvidence: false,
    })
  })

  test('an error rate of exactly the limit is healthy', () => {
    expect(lastVerdict([tick(1000, [cell({ requests: 100, failures: 5 })])]).kind).toBe('healthy')
    expect(lastVerdict([tick(1000, [cell({ requests: 99, failures: 5 })])]).kind).toBe('unhealthy')
  })

  test('more than 5 % slower than the P95 limit is unhealthy', () => {
    const verdict = lastVerdict([tick(1000, [cell({ requests: 100, slow: 6 })])])
    expect(verdict).toMatchObject({ kind: 'unhealthy', rule: 'latency', evidence: { bad: 6, units: 100 } })
    expect(verdict.reason).toBe(
      '6 of 100 requests took longer than 5 s (6 %, limit 5 %) in the last 1 s; stable: 0 of 0',
    )
    expect(lastVerdict([tick(1000, [cell({ requests: 100, slow: 5 })])]).kind).toBe('healthy')
  })

  test('fewer bad requests than the minimum are healthy, whatever their share', () => {
    const lenient = { ...question, triggers: { ...question.triggers, minBad: 20 } }
    expect(lastVerdict([tick(1000, [cell({ requests: 100, failures: 19 })])], lenient).kind).toBe('healthy')
    expect(lastVerdict([tick(1000, [cell({ requests: 100, failures: 20 })])], lenient).kind).toBe('unhealthy')
  })

  test('failures of the stable version and of other revisions are not counted against the candidate', () => {
    const cells = [
      cell({ requests: 100 }),
      stable({ requests: 100, failures: 100 }),
      cell({ revision: 'older', requests: 100, failures: 100 }),
    ]
    const verdict = lastVerdict([tick(1000, cells)])
    expect(verdict.kind).toBe('healthy')
    expect(verdict.evidence?.control).toEqual({ units: 100, bad: 100, share: 1 })
  })

  test('a candidate that rolls in the slot of its control is told apart by its revision', () => {
    const inPlace = { ...question, candidate: { slot: 'blue', revision: 'new' } }
    const cells = [cell({ slot: 'blue', requests: 100, failures: 50 }), stable({ requests: 300 })]
    expect(lastVerdict([tick(1000, cells)], inPlace)).toMatchObject({
      kind: 'unhealthy',
      evidence: { units: 100, control: { units: 300 } },
    })
  })

  test('nothing beside the candidate makes the evidence weaker, and says so', () => {
    const alone = { ...question, control: null }
    const verdict = lastVerdict([tick(1000, [cell({ requests: 100, failures: 50 })])], alone)
    expect(verdict).toMatchObject({ kind: 'unhealthy', weakerEvidence: true })
    expect(verdict.reason).not.toContain('stable')
    expect(verdict.evidence).not.toHaveProperty('control')
  })
})

describe('guardrails: the window', () => {
  const failing = cell({ second: 10, requests: 100, failures: 50 })

  test('what is older than the window no longer counts', () => {
    const verdicts = judge([
      tick(1000, [failing]),
      tick(60_000, [cell({ second: 69, requests: 100 })]),
      tick(61_000, [cell({ second: 70, requests: 100 })]),
    ])
    expect(verdicts.map(({ kind }) => kind)).toEqual(['unhealthy', 'unhealthy', 'healthy'])
    expect(verdicts[2]?.evidence).toMatchObject({ units: 200, bad: 0, windowMs: 60_000 })
  })

  test('it moves on when nothing is served any more', () => {
    const verdicts = judge([tick(1000, [failing]), tick(60_000), tick(61_000)])
    expect(verdicts.map(({ kind }) => kind)).toEqual(['unhealthy', 'unhealthy', 'healthy'])
    expect(verdicts[2]?.reason).toBe('no request in the last 60 s, and no broken limit in 100 requests before')
  })

  test('it begins again when the seconds of the data plane do', () => {
    const verdicts = judge([tick(1000, [failing]), tick(2000, [cell({ second: 1, requests: 100 })])])
    expect(verdicts[1]).toMatchObject({ kind: 'healthy', evidence: { units: 100, bad: 0, windowMs: 1000 } })
  })

  test('the state stays bounded however long it runs', () => {
    let state = guardrails.start(question)
    const sizes = []
    for (let second = 1; second <= 2000; second++) {
      const cells = [cell({ second, requests: 10 }), stable({ second, requests: 90 })]
      state = guardrails.tick(state, tick(second * 1000, cells)).state
      sizes.push(JSON.stringify(state).length)
    }
    expect(Math.max(...sizes)).toBeLessThan(10_000)
  })
})

describe('guardrails: not knowing', () => {
  test('too few requests are unknown, and say how many more it takes and how long', () => {
    expect(lastVerdict([tick(4000, [cell({ second: 4, requests: 12 })])])).toMatchObject({
      kind: 'unknown',
      rule: 'minimum-requests',
      reason: '12 requests so far, a verdict needs 50',
      needs: '38 more requests, about 13 s at this traffic',
    })
  })

  test('no requests at all are told apart from too few', () => {
    expect(lastVerdict([tick(30_000)])).toMatchObject({
      kind: 'unknown',
      rule: 'minimum-requests',
      needs: 'no requests at all: no traffic',
    })
  })

  test('many failures among too few requests are unknown, never healthy', () => {
    expect(lastVerdict([tick(2000, [cell({ second: 2, requests: 20, failures: 20 })])])).toMatchObject({
      kind: 'unknown',
      rule: 'minimum-requests',
      evidence: { units: 20, bad: 20 },
    })
  })

  test('a window that this traffic can never fill says so', () => {
    const minutes = [1, 2, 3, 4, 5, 6].map((minute) =>
      tick(minute * 60_000, [cell({ second: minute * 60, requests: 10, failures: minute === 6 ? 8 : 0 })]),
    )
    const verdict = lastVerdict(minutes)
    expect(verdict).toMatchObject({ kind: 'unknown', rule: 'minimum-requests' })
    expect(verdict.needs).toBe('40 more requests within 60 s, where this traffic gives about 10 in all')
  })

  test('a silent source of counts is unknown, even after good and after bad data', () => {
    const silent = tick(2000, [], { hasData: false })
    for (const failures of [0, 100]) {
      const verdicts = judge([tick(1000, [cell({ requests: 100, failures })]), silent])
      expect(verdicts[0]?.kind).toBe(failures === 0 ? 'healthy' : 'unhealthy')
      expect(verdicts[1]).toMatchObject({ kind: 'unknown', rule: 'no-data', evidence: null, needs: 'request counts' })
    }
  })
})

describe('guardrails: replicas', () => {
  const good = [cell({ requests: 100 })]

  test('one crash loop among several replicas is unhealthy', () => {
    const candidate = slotOf({}, { crashLooping: true, restarts: 4 }, {})
    expect(lastVerdict([tick(1000, good, { candidate })])).toMatchObject({
      kind: 'unhealthy',
      rule: 'crash-loop',
      reason: '1 of 3 replicas in a crash loop (4 restarts)',
    })
  })

  test('a crash loop is let pass where the trigger is off', () => {
    const lenient = { ...question, triggers: { ...question.triggers, crashLoop: false } }
    const candidate = slotOf({ crashLooping: true })
    expect(lastVerdict([tick(1000, good, { candidate })], lenient).kind).toBe('healthy')
  })

  test('failing health checks of more than the limit are unhealthy, of exactly the limit not', () => {
    const sick = { failingHealth: true }
    expect(lastVerdict([tick(1000, good, { candidate: slotOf(sick, {}) })]).kind).toBe('healthy')
    expect(lastVerdict([tick(1000, good, { candidate: slotOf(sick, sick, {}) })])).toMatchObject({
      kind: 'unhealthy',
      rule: 'failing-health',
      reason: '2 of 3 replicas with failing health checks (66.7 %, limit 50 %)',
    })
  })

  test('they are seen without request counts', () => {
    const candidate = slotOf({ crashLooping: true })
    expect(lastVerdict([tick(1000, [], { candidate, hasData: false })]).rule).toBe('crash-loop')
  })

  test('replicas of another revision, or ended on purpose, do not count', () => {
    const candidate = slotOf({}, { revision: 'old', crashLooping: true }, { ending: true, failingHealth: true })
    expect(lastVerdict([tick(1000, good, { candidate })]).kind).toBe('healthy')
  })
})

test('guardrails: the state of another judge is a bug, not a verdict', () => {
  expect(() => guardrails.tick({ judge: 'sequential' }, tick(1000))).toThrow(/sequential/)
})

// --- properties ----------------------------------------------------------------------------------------------

// The seed is fixed, so that a failure is one of the code; another comes with MOODIFY_TEST_SEED.
fc.configureGlobal({ seed: Number(process.env.MOODIFY_TEST_SEED ?? 20), numRuns: 300 })

const anyCounts = fc
  .record({ requests: fc.nat(80), bad: fc.nat(80), slow: fc.nat(80), isStable: fc.boolean() })
  .map(({ requests, bad, slow, isStable }) => {
    const wish = { requests, failures: Math.min(bad, requests), slow: Math.min(slow, requests) }
    return (second: number) => (isStable ? stable({ ...wish, second }) : cell({ ...wish, second }))
  })

const anyReplicas = fc
  .array(fc.record({ crashLooping: fc.boolean(), failingHealth: fc.boolean(), ending: fc.boolean() }), { maxLength: 4 })
  .map((replicas) => slotOf(...replicas))

/** A run of ticks of one to forty seconds; now and then the data plane restarts or falls silent. */
const anyTicks = fc
  .array(
    fc.record({
      seconds: fc.integer({ min: 1, max: 40 }),
      counts: fc.array(anyCounts, { maxLength: 4 }),
      restarts: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
      hasData: fc.integer({ min: 0, max: 4 }).map((chance) => chance > 0),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((steps) => {
    let elapsed = 0
    let second = 100
    return steps.map(({ seconds, counts, restarts, hasData }) => {
      elapsed += seconds
      second = restarts ? 1 : second + seconds
      const cells = hasData ? counts.map((at) => at(second)) : []
      return tick(elapsed * 1000, cells, { hasData })
    })
  })

const anyTriggers = fc.record({
  mode: fc.constant('threshold' as const),
  alphaPercent: fc.constant(1),
  margin: fc.constant(1.25),
  warmUpMs: fc.constant(30_000),
  sharedFault: fc.constant('freeze' as const),
  errorRatePercent: fc.constantFrom(0, 1, 5, 50),
  p95Ms: fc.constantFrom(100, 5000),
  crashLoop: fc.boolean(),
  failingHealthPercent: fc.constantFrom(0, 50, 100),
  minRequests: fc.integer({ min: 1, max: 120 }),
  minBad: fc.integer({ min: 1, max: 20 }),
  windowMs: fc.constantFrom(1000, 10_000, 60_000),
})
const anyQuestion = fc
  .record({ triggers: anyTriggers, alone: fc.boolean() })
  .map(({ triggers, alone }): Question => ({ ...question, triggers, control: alone ? null : question.control }))

describe('guardrails: always', () => {
  test('no number is NaN or infinite, and no sentence shows one', () => {
    fc.assert(
      fc.property(anyQuestion, anyTicks, anyReplicas, (asked, ticks, candidate) => {
        for (const verdict of judge([...ticks, { ...ticks.at(-1)!, cells: [], candidate }], asked)) {
          const { control, ...own } = verdict.evidence ?? { control: undefined }
          for (const value of [...Object.values(own), ...Object.values(control ?? {})]) {
            expect(Number.isFinite(value)).toBe(true)
          }
          expect(`${verdict.reason} ${verdict.needs}`).not.toMatch(/NaN|Infinity|null|-\d/)
        }
      }),
    )
  })

  test('unhealthy by a rate only with the minimum of requests and of bad ones', () => {
    fc.assert(
      fc.property(anyQuestion, anyTicks, (asked, ticks) => {
        for (const { kind, evidence } of judge(ticks, asked)) {
          if (kind !== 'unhealthy') continue
          expect(evidence!.bad).toBeGreaterThanOrEqual(asked.triggers.minBad)
          expect(evidence!.units).toBeGreaterThanOrEqual(asked.triggers.minRequests)
          expect(evidence!.share).toBeGreaterThan(evidence!.limit)
        }
      }),
    )
  })

  test('more good requests never turn healthy into unhealthy', () => {
    fc.assert(
      fc.property(anyQuestion, anyTicks, fc.nat(300), (asked, ticks, more) => {
        const last = ticks.at(-1)!
        const second = Math.max(1, ...last.cells.map((each) => each.second))
        fc.pre(last.cells.length > 0)
        const better = { ...last, cells: [...last.cells, cell({ second, requests: more })] }
        const before = lastVerdict(ticks, asked)
        const after = lastVerdict([...ticks.slice(0, -1), better], asked)
        if (before.kind === 'healthy') expect(after.kind).toBe('healthy')
      }),
    )
  })

  test('without data, no rate makes it healthy or unhealthy', () => {
    fc.assert(
      fc.property(anyQuestion, anyTicks, anyReplicas, (asked, ticks, candidate) => {
        const verdict = lastVerdict([...ticks, { ...ticks.at(-1)!, cells: [], candidate, hasData: false }], asked)
        expect(verdict.kind).not.toBe('healthy')
        if (verdict.kind === 'unhealthy') expect(['crash-loop', 'failing-health']).toContain(verdict.rule)
      }),
    )
  })

  test('a state that was written to JSON and read again judges the same', () => {
    fc.assert(
      fc.property(anyQuestion, anyTicks, (asked, ticks) => {
        let kept = guardrails.start(asked)
        let restored = kept
        for (const each of ticks) {
          const answer = guardrails.tick(kept, each)
          kept = answer.state
          const again = guardrails.tick(JSON.parse(JSON.stringify(restored)), each)
          restored = again.state
          expect(again).toEqual(answer)
        }
      }),
    )
  })
})
