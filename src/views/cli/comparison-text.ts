// How far a comparison has come, in words and in a line that grows.
import { evidenceInWords, ratioInWords } from '../../analysis/sequential-words.ts'
import type { ComparisonEvidence, EvidencePath } from '../../domain/verdict.ts'
import { duration } from './format.ts'

const LEVELS = '▁▂▃▄▅▆▇█'

/** Label and text of each line; the paths only when there is something in them. */
export function comparisonLines(comparison: ComparisonEvidence): (readonly [label: string, text: string])[] {
  const { path } = comparison
  const hasPath = path && [...path.boundary, ...path.evidence].some((part) => part > 0)
  return [['tests', testsInWords(comparison)], ...(hasPath ? pathsInWords(path) : [])]
}

function testsInWords({ boundary, logEvidence, logThreshold, ratio, alphaSpent, alpha }: ComparisonEvidence): string {
  const errors = ratioInWords(ratio)
  return [
    ...(boundary ? [cellsInWords(boundary)] : []),
    `evidence ${evidenceInWords(logEvidence)}${logThreshold === null ? '' : `, back at ${evidenceInWords(logThreshold)}`}`,
    ...(errors ? [`errors ${errors}`] : []),
    `${Number((alphaSpent * 100).toPrecision(2))} of ${Number((alpha * 100).toPrecision(3))} % α spent`,
  ].join('; ')
}

function cellsInWords({ bad, candidateBad, crossesAt }: NonNullable<ComparisonEvidence['boundary']>): string {
  const seen = bad === 0 ? 'no bad cell yet' : `${candidateBad} of ${bad} bad cells are its own`
  return `${seen}, back at ${crossesAt}`
}

function pathsInWords({ boundary, evidence, everyMs }: EvidencePath): (readonly [label: string, text: string])[] {
  return [
    ['path', `${bars(boundary)} exact test; a column is ${duration(everyMs)}, a full one takes it back`],
    ['', `${bars(evidence)} evidence`],
  ]
}

function bars(parts: readonly number[]): string {
  return parts.map((part) => LEVELS[part >= 1 ? LEVELS.length - 1 : Math.floor(part * (LEVELS.length - 1))]).join('')
}
