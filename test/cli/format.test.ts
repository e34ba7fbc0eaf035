import { describe, expect, it } from 'vitest'
import { count, duration, latency, localDateTime, localTime, percent, rate } from '../../src/views/cli/format.ts'
import { headerLine } from '../../src/views/cli/header.ts'

describe('format', () => {
  it.each([
    [0, '0 s'],
    [400, '0.4 s'],
    [9949, '9.9 s'],
    [9999, '10 s'],
    [59_700, '1 min'],
    [192_000, '3 min 12 s'],
    [3_599_700, '1 h'],
    [3_900_000, '1 h 5 min'],
    [86_399_000, '1 d'],
    [183_600_000, '2 d 3 h'],
    [-5, '0 s'],
    [Number.NaN, '–'],
    [null, '–'],
  ])('a duration of %s ms is %s', (ms, text) => {
    expect(duration(ms)).toBe(text)
  })

  it.each([
    [0, '0 %'],
    [0.04, '< 0.1 %'],
    [4.25, '4.3 %'],
    [99.96, '> 99.9 %'],
    [100, '100 %'],
    [Number.NaN, '–'],
    [null, '–'],
  ])('%s percent is %s', (value, text) => {
    expect(percent(value)).toBe(text)
  })

  it.each([
    [25, '≤ 25 ms'],
    [1500, '≤ 1.5 s'],
    [30_000, '≤ 30 s'],
    [Number.POSITIVE_INFINITY, '> 30 s'],
    [null, '–'],
  ])('a latency of %s is %s, because it is the upper edge of a bucket', (edgeMs, text) => {
    expect(latency(edgeMs)).toBe(text)
  })

  it('rates and counts', () => {
    expect([rate(0), rate(12.34), rate(1204.4), rate(null)]).toEqual(['0', '12.3', '1,204', '–'])
    expect([count(1, 'replica'), count(1080, 'request')]).toEqual(['1 replica', '1,080 requests'])
  })

  it('times are local, with the date when it is another day there', () => {
    const berlin = { timeZone: 'Europe/Berlin' }
    expect(localTime('2026-01-06T23:30:05.900Z', berlin)).toBe('00:30:05')
    expect(localTime('2026-01-06T22:30:05Z', { ...berlin, now: '2026-01-06T23:30:00Z' })).toBe('2026-01-06 23:30:05')
    expect(localTime('2026-01-06T23:10:05Z', { ...berlin, now: '2026-01-06T23:30:00Z' })).toBe('00:10:05')
    expect(localDateTime('2026-07-06T10:00:05Z', berlin)).toBe('2026-07-06 12:00:05')
  })

  it('the header names environment, platform, address and application', () => {
    const facts = { environment: 'production', platform: 'local', application: 'moodify', url: 'http://127.0.0.1:8080' }
    expect(headerLine(facts)).toBe('production · local (http://127.0.0.1:8080) · moodify')
    expect(headerLine({ ...facts, url: null })).toBe('production · local (down) · moodify')
  })
})
