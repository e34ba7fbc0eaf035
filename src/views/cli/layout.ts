// Text on a grid of character cells: width, truncation, wrapping, tables. Colours have no width; every other
// character has the width 1.
import { stripVTControlCharacters } from 'node:util'

export function visibleWidth(text: string): number {
  return [...stripVTControlCharacters(text)].length
}

/** One line without control characters, so that text from elsewhere can neither break nor forge a line. */
export function oneLine(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
}

const escapeCode = new RegExp(`(${String.fromCharCode(27)}\\[[0-9;]*m)`)

/** Cuts to `width` cells, the last of which is then `…`. Colours are kept, and closed. */
export function truncate(text: string, width: number): string {
  if (visibleWidth(text) <= width) return text
  let left = Math.max(0, width - 1)
  let isCut = false
  return text
    .split(escapeCode)
    .map((part, index) => {
      if (index % 2 === 1) return part
      const characters = [...part]
      const kept = characters.slice(0, left)
      left -= kept.length
      if (isCut || kept.length === characters.length) return kept.join('')
      isCut = true
      return `${kept.join('').trimEnd()}…`
    })
    .join('')
}

/** A break is never made between a number and its unit. */
const breaks = /(?<!\d) | (?!(?:%|×|d|h|min|s|ms)(?:\W|$))/

/** Lines of at most `width` cells, broken between words; a longer word is cut into pieces. No colours. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(breaks)) {
    const next = line === '' ? word : `${line} ${word}`
    if (visibleWidth(next) <= width) {
      line = next
      continue
    }
    if (line !== '') lines.push(line)
    let rest = [...word]
    while (rest.length > width) {
      lines.push(rest.slice(0, width).join(''))
      rest = rest.slice(width)
    }
    line = rest.join('')
  }
  return [...lines, line]
}

/** `label  text`, wrapped so that all lines of the text begin in the same column. */
export function labelled(label: string, text: string, { width, labelWidth }: { width: number; labelWidth: number }) {
  const textWidth = Math.max(10, width - labelWidth)
  return wrap(text, textWidth).map((line, index) => (index === 0 ? label : '').padEnd(labelWidth) + line)
}

export interface Column {
  readonly head: string
  readonly align?: 'left' | 'right'
  /** Columns that do not fit are left out, lowest number first; a column without a number always stays. */
  readonly dropOrder?: number
}

const GAP = '  '

/**
 * A table with aligned columns. Cells may be coloured; a column whose cells are all empty is left out.
 *
 * @param width most cells of a line; lines that are still longer when all that may go is gone are truncated
 * @param paintHead colours the line of headings
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width = Number.POSITIVE_INFINITY, paintHead = (text: string) => text } = {},
): string[] {
  const widths = columns.map((column, index) =>
    Math.max(visibleWidth(column.head), ...rows.map((row) => visibleWidth(row[index] ?? ''))),
  )
  const shown = columnsThatFit(columns, widths, rows, width)
  const lineOf = (cells: readonly string[]) =>
    shown
      .map((index) => pad(cells[index] ?? '', widths[index]!, columns[index]!.align ?? 'left'))
      .join(GAP)
      .trimEnd()
  const lines = [paintHead(lineOf(columns.map((column) => column.head))), ...rows.map(lineOf)]
  return lines.map((line) => truncate(line, width))
}

function columnsThatFit(
  columns: readonly Column[],
  widths: readonly number[],
  rows: readonly (readonly string[])[],
  width: number,
): number[] {
  let shown = columns.map((_, index) => index).filter((index) => rows.some((row) => (row[index] ?? '') !== ''))
  const dropOrder = (index: number) => columns[index]!.dropOrder ?? Number.POSITIVE_INFINITY
  const needed = () => shown.reduce((sum, index) => sum + widths[index]!, 0) + GAP.length * (shown.length - 1)
  for (const next of shown.toSorted((a, b) => dropOrder(a) - dropOrder(b))) {
    if (needed() <= width || dropOrder(next) === Number.POSITIVE_INFINITY) break
    shown = shown.filter((index) => index !== next)
  }
  return shown
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - visibleWidth(text)))
  return align === 'right' ? space + text : text + space
}
