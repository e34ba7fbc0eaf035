// As much of a terminal as the live view needs: a grid with a cursor, and the few codes that every terminal has.
// Any other code is an error, so that the view cannot come to need a special terminal unnoticed.
import type { Terminal } from '../../src/views/cli/live-view.ts'

export interface FakeTerminal extends Terminal {
  columns: number
  rows: number
  readonly writes: readonly string[]
  readonly cursorIsVisible: boolean
  /** What stands on the screen and in the scroll-back above it, without trailing spaces and empty lines. */
  text(): string
  /** Only what can be seen without scrolling. */
  visible(): string
  resize(columns: number, rows: number): void
  listeners(): number
}

const code = new RegExp(`${String.fromCharCode(27)}\\[(\\?25[lh]|\\d*[AKJ]|[0-9;]*m)`, 'y')

export function fakeTerminal(columns: number, rows: number): FakeTerminal {
  const lines: string[] = ['']
  const writes: string[] = []
  const listeners = new Set<() => void>()
  let row = 0
  let column = 0
  let cursorIsVisible = true

  const top = () => Math.max(0, lines.length - terminal.rows)

  function obey(command: string): void {
    if (command === '?25l' || command === '?25h') cursorIsVisible = command.endsWith('h')
    else if (command.endsWith('A')) row = Math.max(top(), row - Number(command.slice(0, -1) || '1'))
    else if (command.endsWith('K')) lines[row] = lines[row]!.slice(0, column)
    else if (command.endsWith('J')) {
      lines[row] = lines[row]!.slice(0, column)
      lines.length = row + 1
    }
  }

  function put(character: string): void {
    if (character === '\r') column = 0
    else if (character === '\n') {
      row += 1
      column = 0
      lines[row] ??= ''
    } else {
      if (column >= terminal.columns) throw new Error(`a line is longer than ${terminal.columns}: ${lines[row]}`)
      lines[row] = lines[row]!.padEnd(column).slice(0, column) + character + lines[row]!.slice(column + 1)
      column += 1
    }
  }

  const terminal: FakeTerminal = {
    columns,
    rows,
    writes,
    get cursorIsVisible() {
      return cursorIsVisible
    },
    write(text) {
      writes.push(text)
      for (let index = 0; index < text.length; ) {
        code.lastIndex = index
        const found = code.exec(text)
        if (found) obey(found[1]!)
        else if (text.charCodeAt(index) === 27)
          throw new Error(`unknown code: ${JSON.stringify(text.slice(index, 10))}`)
        else put(text[index]!)
        index += found ? found[0].length : 1
      }
    },
    on: (_event, listener) => listeners.add(listener),
    off: (_event, listener) => listeners.delete(listener),
    text: () =>
      lines
        .map((line) => line.trimEnd())
        .join('\n')
        .trimEnd(),
    visible: () =>
      lines
        .slice(top())
        .map((line) => line.trimEnd())
        .join('\n')
        .trimEnd(),
    resize(nextColumns, nextRows) {
      terminal.columns = nextColumns
      terminal.rows = nextRows
      rewrap(nextColumns)
      for (const listener of listeners) listener()
    },
    listeners: () => listeners.size,
  }

  /** As most terminals do: lines that have become too long take several rows. */
  function rewrap(width: number): void {
    const wrapped = lines.flatMap((line) => line.match(new RegExp(`.{1,${width}}`, 'gu')) ?? [''])
    row += wrapped.length - lines.length
    lines.splice(0, lines.length, ...wrapped)
  }

  return terminal
}
