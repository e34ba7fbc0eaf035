import { describe, expect, it } from 'vitest'
import { defaultSettings } from '../../src/config/normalise.ts'
import { analyze } from '../../src/verbs/analyze.ts'

const { triggers } = defaultSettings

interface Arm {
  units: number
  bad: number
}

function line(t: number, canary: Arm, stable?: Arm, more: object = {}): string {
  return JSON.stringify({ t, stage: { weight: 10, startedAt: 0 }, canary, ...(stable ? { stable } : {}), ...more })
}

function lines(count: number, canary: Arm, stable: Arm): string[] {
  return Array.from({ length: count }, (_, index) => line((index + 1) * 5, canary, stable))
}

function last(texts: readonly string[], change: Partial<typeof triggers> = {}) {
  return [...analyze(texts, { triggers: { ...triggers, ...change }, stageSeconds: 300 })].at(-1)
}

const few = { units: 50, bad: 0 }
function latencies(t: number, canary: readonly number[]): string {
  return line(t, few, few, { latency: { edges: [100], canary, stable: [50, 0] } })
}

describe('analyze', () => {
  it('finds a version that is ten times as bad', () => {
    const found = last(lines(60, { units: 50, bad: 2 }, { units: 450, bad: 1 }))
    expect(found?.verdict).toMatchObject({ kind: 'unhealthy', rule: 'relative-error-rate' })
    expect(found?.t).toBeLessThan(60)
  })

  it('lets a good version pass after its stage', () => {
    expect(last(lines(60, { units: 100, bad: 0 }, { units: 900, bad: 1 }))?.verdict.kind).toBe('healthy')
  })

  it('judges nothing after the first unhealthy verdict', () => {
    const texts = lines(60, { units: 50, bad: 25 }, { units: 450, bad: 0 })
    const found = [...analyze(texts, { triggers, stageSeconds: 300 })]
    expect(found.filter(({ verdict }) => verdict.kind === 'unhealthy')).toHaveLength(1)
    expect(found.at(-1)?.verdict.kind).toBe('unhealthy')
  })

  it('says unknown of a candidate without traffic, and of nothing at all says nothing', () => {
    expect(last(lines(60, { units: 0, bad: 0 }, { units: 450, bad: 0 }))?.verdict.kind).toBe('unknown')
    expect(last([])).toBe(undefined)
  })

  it('calls errors of both versions a shared fault and does not take the candidate back', () => {
    const found = last(lines(10, { units: 100, bad: 100 }, { units: 1000, bad: 1000 }))
    expect(found?.verdict).toMatchObject({ kind: 'unknown', rule: 'shared-fault' })
  })

  it('takes a candidate back for errors of both versions where sharedFault says so', () => {
    const texts = lines(10, { units: 100, bad: 100 }, { units: 1000, bad: 1000 })
    expect(last(texts, { sharedFault: 'rollback' })?.verdict.kind).toBe('unhealthy')
  })

  it('stays finite at a billion requests a tick', () => {
    const found = last(lines(20, { units: 1e9, bad: 1e6 }, { units: 1e9, bad: 1e6 }))
    expect(found?.verdict.kind).not.toBe('unhealthy')
    expect(JSON.stringify(found)).not.toMatch(/NaN|null,"kind"/)
  })

  it('takes limits of a window literally in threshold mode', () => {
    const found = last(lines(20, { units: 100, bad: 6 }, { units: 900, bad: 0 }), { mode: 'threshold' })
    expect(found?.verdict).toMatchObject({ kind: 'unhealthy', rule: 'error-rate' })
  })

  it('judges latency from a histogram with other edges', () => {
    const latency = { edges: [100, 6000], canary: [10, 0, 40], stable: [450, 0, 0] }
    const texts = Array.from({ length: 20 }, (_, index) =>
      line((index + 1) * 5, { units: 50, bad: 0 }, { units: 450, bad: 0 }, { latency }),
    )
    expect(last(texts)?.verdict.kind).toBe('unhealthy')
  })

  it.each([
    ['no JSON', 'hello', /line 2: it is not JSON/],
    ['no counts', '{"t": 10}', /line 2: stage: /],
    ['more bad than units', line(10, { units: 1, bad: 2 }), /line 2: canary: bad is more than units/],
    ['a negative count', line(10, { units: -1, bad: 0 }), /line 2: canary.units/],
    ['a counter that jumped back', line(10, { units: -900, bad: -3 }), /went back counts from 0 again[^:]*;/],
    [
      'more latencies than requests',
      latencies(10, [60, 0]),
      /line 2: the line: latency.canary is more than canary.units/,
    ],
    ['a slip of the pen', JSON.stringify({ ...JSON.parse(line(10, few)), stabel: few }), /stabel: did you mean stable/],
    ['half a request', line(10, { units: 1.5, bad: 0 }), /line 2: canary.units/],
    ['time that goes back', line(1, { units: 1, bad: 0 }), /line 2: time goes back/],
  ])('names the line with %s and judges nothing after it', (_, bad, message) => {
    const texts = [line(5, { units: 10, bad: 0 }, { units: 90, bad: 0 }), bad, line(15, { units: 1, bad: 1 })]
    const seen: number[] = []
    expect(() => {
      for (const { t } of analyze(texts, { triggers, stageSeconds: 300 })) seen.push(t)
    }).toThrow(message)
    expect(seen).toEqual([5])
  })
})
