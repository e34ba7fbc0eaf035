// Turns what a terminal shows into an SVG, for the README:
//
//   tmux capture-pane -ep | node tools/picture.ts > docs/images/live-view.svg
//
// Understands what the program prints: bold, dim and the eight colours.
const CELL = { width: 8.4, height: 18 }
const PADDING = 16
const colours: Readonly<Record<number, string>> = {
  31: '#ff7b72',
  32: '#7ee787',
  33: '#e3b341',
  34: '#79c0ff',
  35: '#d2a8ff',
  36: '#76e3ea',
}

interface Look {
  readonly bold: boolean
  readonly dim: boolean
  readonly colour: string
}

const plain: Look = { bold: false, dim: false, colour: '#e6edf3' }

function restyle(look: Look, codes: readonly number[]): Look {
  return codes.reduce(changed, look)
}

function changed(look: Look, code: number): Look {
  switch (code) {
    case 0:
      return plain
    case 1:
      return { ...look, bold: true }
    case 2:
      return { ...look, dim: true }
    case 22:
      return { ...look, bold: false, dim: false }
    default:
      return { ...look, colour: code === 39 ? plain.colour : (colours[code] ?? look.colour) }
  }
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** Each run of text is placed at its column, so that the columns hold whatever font is used. */
function lineToSvg(line: string, row: number): string {
  let look = plain
  let column = 0
  const runs: string[] = []
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
  for (const part of line.split(/(\x1b\[[0-9;]*m)/)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
    const codes = /^\x1b\[([0-9;]*)m$/.exec(part)
    if (codes) {
      look = restyle(look, (codes[1] || '0').split(';').map(Number))
      continue
    }
    for (const { 0: word, index } of part.matchAll(/\S+(?: \S+)*/g)) {
      const x = PADDING + (column + index) * CELL.width
      const style = `fill="${look.colour}"${look.bold ? ' font-weight="bold"' : ''}${look.dim ? ' opacity="0.65"' : ''}`
      runs.push(`<text x="${x.toFixed(1)}" y="${PADDING + row * CELL.height + 13}" ${style}>${escapeXml(word)}</text>`)
    }
    column += part.length
  }
  return runs.join('')
}

const lines = (await new Response(process.stdin as unknown as ReadableStream).text()).trimEnd().split('\n')
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const columns = Math.max(...lines.map((line) => line.replace(/\x1b\[[0-9;]*m/g, '').length))
const size = { width: Math.ceil(columns * CELL.width + 2 * PADDING), height: lines.length * CELL.height + 2 * PADDING }
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" viewBox="0 0 ${size.width} ${size.height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" xml:space="preserve">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${lines.map(lineToSvg).filter(Boolean).join('\n')}
</svg>
`)
