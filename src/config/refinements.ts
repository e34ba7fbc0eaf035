// Rules about one value that take more than a range or a pattern.
import * as z from 'zod'
import { LATENCY_EDGES_MS } from '../domain/counts.ts'
import { inWords } from './fields.ts'

/** One of the histogram's edges, in seconds: between edges a percentile could only be guessed. */
export function latencyEdge() {
  const edges: readonly number[] = LATENCY_EDGES_MS.map((ms) => ms / 1000)
  return z.literal([...edges], {
    error: ({ input }) =>
      typeof input === 'number' && Number.isFinite(input)
        ? `expected an edge of the latency histogram, found ${input}; the nearest are ${nearest(edges, input).join(' and ')}`
        : `expected a number of seconds, found ${inWords(input)}`,
  })
}

/** The edges on both sides of a value, or the outermost one. */
function nearest(edges: readonly number[], value: number): number[] {
  const below = edges.findLast((edge) => edge < value)
  const above = edges.find((edge) => edge > value)
  return [below, above].filter((edge) => edge !== undefined)
}

export function risingWeights<Weights extends z.ZodType<number[]>>(weights: Weights) {
  return weights.superRefine((values, context) => {
    const rising = values.every((weight, index) => index === 0 || weight > values[index - 1]!)
    if (rising && values.at(-1) === 100) return
    const found = values.join(', ') || 'an empty list'
    context.addIssue({ code: 'custom', message: `expected rising percentages that end with 100, found ${found}` })
  })
}

export function webhookUrl() {
  const error = ({ input }: { readonly input?: unknown }) =>
    `expected a URL that starts with https:// or http://, found ${inWords(input)}`
  return z.url({ protocol: /^https?$/, error })
}

export function platform() {
  return z.enum(['local', 'kubernetes'], {
    error: ({ input }) =>
      `expected a platform that this version of moodify has, which are local and kubernetes, found ${inWords(input)}`,
  })
}
