// The little that a picture with two axes needs.

export interface Frame {
  readonly width: number
  readonly height: number
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

export type Point = readonly [x: number, y: number]
export type Scale = (value: number) => number
type Range = readonly [from: number, to: number]

export function scale([low, high]: Range, [from, to]: Range): Scale {
  return (value) => from + ((value - low) / (high - low)) * (to - from)
}

export function logScale([low, high]: Range, to: Range): Scale {
  const linear = scale([Math.log(low), Math.log(high)], to)
  return (value) => linear(Math.log(value))
}

export function svg({ width, height }: Frame, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="13">`
  return `${head}\n<rect width="100%" height="100%" fill="#ffffff"/>\n${parts.join('\n')}\n</svg>\n`
}

export function text(
  [x, y]: Point,
  words: string,
  { colour = '#1f2937', weight = 400, anchor = 'start' } = {},
): string {
  return `<text x="${digits(x)}" y="${digits(y)}" fill="${colour}" font-weight="${weight}" text-anchor="${anchor}">${words}</text>`
}

export function line(points: readonly Point[], colour: string, { dash = '' } = {}): string {
  const path = points.map(([x, y]) => `${digits(x)},${digits(y)}`).join(' ')
  return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash && ` stroke-dasharray="${dash}"`}/>`
}

export function mark([x, y]: Point, colour: string): string {
  return `<circle cx="${digits(x)}" cy="${digits(y)}" r="4" fill="${colour}"/>`
}

export interface Axes {
  readonly x: Scale
  readonly y: Scale
  readonly xTicks: readonly number[]
  readonly yTicks: readonly number[]
  readonly xName: string
  readonly yName: string
  readonly xLabel?: (value: number) => string
}

export function axes(frame: Frame, { x, y, xTicks, yTicks, xName, yName, xLabel = String }: Axes): string {
  const [bottom, right] = [frame.height - frame.bottom, frame.width - frame.right]
  const grey = { colour: '#475569' }
  return [
    ...yTicks.flatMap((value) => [
      `<line x1="${frame.left}" x2="${right}" y1="${digits(y(value))}" y2="${digits(y(value))}" stroke="#e2e8f0"/>`,
      text([frame.left - 8, y(value) + 4], String(value), { ...grey, anchor: 'end' }),
    ]),
    ...xTicks.map((value) => text([x(value), bottom + 18], xLabel(value), { ...grey, anchor: 'middle' })),
    `<line x1="${frame.left}" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="#475569"/>`,
    text([(frame.left + right) / 2, bottom + 38], xName, { ...grey, anchor: 'middle' }),
    `<g transform="rotate(-90 16 ${(frame.top + bottom) / 2})">${text([16, (frame.top + bottom) / 2], yName, { ...grey, anchor: 'middle' })}</g>`,
  ].join('\n')
}

function digits(value: number): string {
  return String(Math.round(value * 10) / 10)
}
