// The text format in which programs offer their metrics (Prometheus 0.0.4, and what of OpenMetrics looks the same).
// Other people's pages are read, so a line that is not understood is left out.

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+\S+)?\s*$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*,?\s*/gy

/**
 * @param wanted  names of metrics to keep; a page of a gateway has thousands of others
 */
export function parsePrometheusText(text: string, wanted?: (name: string) => boolean): Sample[] {
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    if (wanted && !wanted(line.slice(0, nameEnd(line)))) continue
    const sample = parseLine(line)
    if (sample) samples.push(sample)
  }
  return samples
}

function nameEnd(line: string): number {
  const end = line.search(/[{\s]/)
  return end < 0 ? line.length : end
}

function parseLine(line: string): Sample | null {
  // An exemplar stands behind ` # `; its braces would be taken for labels.
  const [, name, labels, number] = LINE.exec(line.replace(/ # \{.*$/, '')) ?? []
  if (name === undefined) return null
  const value = parseNumber(number!)
  return Number.isNaN(value) ? null : { name, labels: parseLabels(labels ?? ''), value }
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [, name, value] of text.matchAll(LABEL)) labels[name!] = unescaped(value!)
  return labels
}

function unescaped(value: string): string {
  return value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character))
}

/** `+Inf`, `-Inf` and `NaN` are spelled in their own way. */
export function parseNumber(text: string): number {
  if (/^[+-]?Inf$/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return Number(text)
}
