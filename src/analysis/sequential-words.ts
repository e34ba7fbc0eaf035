// Sentences of the sequential judge, with the numbers in them.
import { durationInWords } from '../domain/duration.ts'
import type { Tally } from './comparison.ts'
import type { RatioBounds } from './ratio-bounds.ts'
import { countInWords, numberInWords, percentInWords } from './words.ts'

const LOG_MOST = Math.log(1e9)

/** `340 : 1`; evidence for the other side is `1 : 340`. */
export function evidenceInWords(logEvidence: number): string {
  const size = Math.abs(logEvidence)
  const odds = size >= LOG_MOST ? 'over 1,000,000,000' : numberInWords(Number(Math.exp(size).toPrecision(2)))
  return logEvidence >= 0 ? `${odds} : 1` : `1 : ${odds}`
}

/** `4× to 9× stable's`, `at least 4× stable's`; null where nothing is known. */
export function ratioInWords({ low, high }: RatioBounds): string | null {
  const times = (ratio: number) => `${Number(ratio.toPrecision(2))}×`
  if (low !== null && high !== null) return `${times(low)} to ${times(high)} stable's`
  if (low !== null) return `at least ${times(low)} stable's`
  return high === null ? null : `at most ${times(high)} stable's`
}

/** `12 of 520 requests failed (2.31 %)` */
export function tallyInWords({ units, bad }: Tally, did: string): string {
  return `${numberInWords(bad)} of ${countInWords(units, 'request')} ${did} (${percentInWords(bad, units)})`
}

/** `640 more requests, about 90 s at this traffic` */
export function missingInWords(missing: number | null, requests: number, elapsedMs: number): string {
  if (missing === null) return 'a better error rate: at the one that was seen it can never be shown'
  const more = countInWords(missing, 'more request')
  if (requests === 0 || elapsedMs === 0) return more
  const ms = (missing / requests) * elapsedMs
  if (ms > LONGEST_MS) return `${more}, which ${perSecondInWords(requests, elapsedMs)} will not bring in a day`
  return `${more}, about ${durationInWords(Math.ceil(ms / 1000) * 1000)} at this traffic`
}

const LONGEST_MS = 86_400_000

function perSecondInWords(requests: number, elapsedMs: number): string {
  return `${Number(((requests / elapsedMs) * 1000).toPrecision(2))} requests/s`
}
