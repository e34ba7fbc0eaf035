import { expect, test } from 'vitest'
import { LATENCY_BUCKETS, latencyBucket } from '../../../src/domain/counts.ts'
import { asLatencyCounts } from '../../../src/effects/kubernetes/metrics/histogram.ts'
import { parsePrometheusText } from '../../../src/effects/kubernetes/metrics/prometheus-text.ts'

test('lines with and without labels, with times, exemplars and odd numbers', () => {
  const text = [
    '# HELP up It is up.',
    '# TYPE up gauge',
    'up 1',
    'http_requests_total{code="200",path="/a,b{c}"} 12 1395066363000',
    'le_bucket{le="+Inf"} +Inf',
    'seen_bucket{le="5"} 7 # {trace_id="a"} 0.67 1520879607.789',
    'escaped{text="say \\"hi\\"\\\\ \\n",} 3.5e2',
    'not_a_number NaN',
    'this is no sample at all {',
    '',
  ].join('\n')
  expect(parsePrometheusText(text)).toEqual([
    { name: 'up', labels: {}, value: 1 },
    { name: 'http_requests_total', labels: { code: '200', path: '/a,b{c}' }, value: 12 },
    { name: 'le_bucket', labels: { le: '+Inf' }, value: Number.POSITIVE_INFINITY },
    { name: 'seen_bucket', labels: { le: '5' }, value: 7 },
    { name: 'escaped', labels: { text: 'say "hi"\\ \n' }, value: 350 },
  ])
})

test('only the metrics that are asked for are parsed', () => {
  expect(parsePrometheusText('a 1\nb{c="d"} 2\nab 3', (name) => name === 'a')).toEqual([
    { name: 'a', labels: {}, value: 1 },
  ])
})

test('a histogram of other edges never looks faster than it was', () => {
  const counts = asLatencyCounts([
    { le: 0.5, count: 1 },
    { le: 250, count: 11 },
    { le: 5000, count: 12 },
    { le: Number.POSITIVE_INFINITY, count: 15 },
  ])
  expect(counts).toHaveLength(LATENCY_BUCKETS)
  expect(counts[latencyBucket(5)]).toBe(1)
  expect(counts[latencyBucket(300)]).toBe(10)
  expect(counts[latencyBucket(5000)]).toBe(1)
  expect(counts.at(-1)).toBe(3)
})
