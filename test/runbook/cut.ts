// Cuts the shell blocks of a runbook into the commands that a person would type one after the other.

export interface Block {
  /** Headings from the second level down, such as `['Quick Start', 'Deploy to Staging']`. */
  readonly headings: readonly string[]
  /** Line of the opening fence, from 1. */
  readonly line: number
  readonly commands: readonly Command[]
}

export interface Command {
  /** Its first line in the runbook, from 1. */
  readonly line: number
  /** As printed, over as many lines as it has. */
  readonly text: string
}

export function cutBlocks(markdown: string): Block[] {
  const blocks: Block[] = []
  const headings: string[] = []
  let open: { line: number; language: string; lines: string[] } | null = null
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = line.match(/^```(\w*)/)
    if (fence && open === null) open = { line: index + 1, language: fence[1] ?? '', lines: [] }
    else if (fence && open) {
      if (open.language === 'bash')
        blocks.push({ headings: [...headings], line: open.line, commands: cutCommands(open.lines, open.line + 1) })
      open = null
    } else if (open) open.lines.push(line)
    else remember(headings, line)
  }
  return blocks
}

/** Keeps the headings above the current line; the title of the document is none of them. */
function remember(headings: string[], line: string): void {
  const found = line.match(/^(#{2,6}) (.+)$/)
  if (!found) return
  headings.length = Math.min(headings.length, found[1]!.length - 2)
  headings.push(found[2]!.trim())
}

/** @param firstLine  number of the first of these lines */
export function cutCommands(lines: readonly string[], firstLine: number): Command[] {
  const commands: Command[] = []
  let begun: { line: number; lines: string[] } | null = null
  for (const [index, line] of lines.entries()) {
    if (begun === null && /^\s*(#|$)/.test(line)) continue
    begun ??= { line: firstLine + index, lines: [] }
    begun.lines.push(line)
    if (goesOn(begun.lines.join('\n'))) continue
    commands.push({ line: begun.line, text: begun.lines.join('\n') })
    begun = null
  }
  if (begun) throw new Error(`the command in line ${begun.line} has no end`)
  return commands
}

/** Whether a shell would ask for another line. Knows what runbooks use: quotes, `\`, pipes, `&&`, `if`. */
function goesOn(text: string): boolean {
  const bare = withoutQuoted(text)
  if (bare === null || /(\\|\||&&)\s*$/.test(bare)) return true
  const words = bare.split(/[\s;]+/)
  const count = (word: string) => words.filter((each) => each === word).length
  return count('if') > count('fi')
}

/** The text without what is quoted and without comments; null when a quote is still open. */
function withoutQuoted(text: string): string | null {
  let quote: string | null = null
  let bare = ''
  for (let index = 0; index < text.length; index += 1) {
    const letter = text[index]!
    if (letter === '\\' && quote !== "'") {
      bare += quote ? '' : letter + (text[index + 1] === '\n' ? '\n' : '')
      index += 1
    } else if (quote) {
      if (letter === quote) quote = null
    } else if (letter === '"' || letter === "'") quote = letter
    else if (letter === '#' && /(^|\s)$/.test(bare)) index = endOfLine(text, index)
    else bare += letter
  }
  return quote ? null : bare
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end - 1
}
