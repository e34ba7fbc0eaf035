// What a release can see, in words.
import type { ProposedStage } from '../../analysis/sensitivity.ts'
import { numberInWords } from '../../analysis/words.ts'
import { durationInWords } from '../../domain/duration.ts'
import type { Sight } from '../../verbs/sight.ts'

/** One line per stage. */
export function sightText(sights: readonly Sight[]): string[] {
  return sights.map(({ service, weightPercent, requestsPerSecond, seconds, ...sight }) => {
    const share = sight.isAlone ? ' with nothing beside it (weaker evidence)' : ` and ${weightPercent} %`
    const where = `${service} at ${rate(requestsPerSecond)} requests/s${share}, in ${durationInWords(seconds * 1000)}`
    if (requestsPerSecond === 0) return `${where}: nothing, there is no traffic`
    if (sight.smallest === null) return `${where}: nothing; even a version that fails every request may pass`
    const from = `${percent(sight.baseline)}${sight.isMeasured ? '' : ' (assumed)'}`
    const { example } = sight
    const finds = example
      ? `finds a rise of the error rate from ${from} to ${percent(example.rate)} in about ${rounded(example.seconds)} s with about ${rounded(example.hurt)} hurt requests; `
      : ''
    return `${where}: ${finds}cannot see less than ${percent(sight.smallest)}`
  })
}

/** Proposed first stages for a wanted sensitivity, one line each. */
export function proposalText(wanted: number, proposals: Readonly<Record<string, readonly ProposedStage[]>>): string[] {
  return Object.entries(proposals).flatMap(([service, stages]) => {
    if (stages.length === 0)
      return [`${service}: ${percent(wanted)} cannot be told from what is normal at this traffic`]
    return stages.map(
      ({ weight, seconds, hurt }) =>
        `${service}: to find ${percent(wanted)}: -s canary --weights ${Math.round(weight * 100)},100 -m ${Math.ceil(seconds)} (about ${rounded(hurt)} hurt requests)`,
    )
  })
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`
}

function rate(perSecond: number): string {
  return numberInWords(Number(perSecond.toPrecision(2)))
}

function rounded(value: number): string {
  return numberInWords(value < 10 ? Math.ceil(value) : Number(value.toPrecision(2)))
}
