// The status screen, redrawn in place. What was on the terminal before stays above it; the last screen stays
// when the view is closed. Each change is one write, so nothing flickers.
import type { StatusReport } from '../projections/status-report.ts'
import { visibleWidth } from './layout.ts'
import { statusLines } from './status-text.ts'
import type { Style } from './style.ts'

/** The part of `tty.WriteStream` that is used. */
export interface Terminal {
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
  on(event: 'resize', listener: () => void): unknown
  off(event: 'resize', listener: () => void): unknown
}

export interface LiveView {
  update(report: StatusReport): void
  /** Prints a line that stays, above the screen. */
  note(line: string): void
  /** Leaves the last screen where it is, these lines below it, and gives the terminal back. Harmless when repeated. */
  close(finalLines?: readonly string[]): void
}

const ESCAPE = '\u001b['
const hideCursor = `${ESCAPE}?25l`
const showCursor = `${ESCAPE}?25h`
const clearToEndOfLine = `${ESCAPE}K`
const clearToEndOfScreen = `${ESCAPE}J`
const cursorUp = (lines: number) => (lines > 0 ? `${ESCAPE}${lines}A` : '')

/** The caller turns signals into a call of `close`; whatever else ends the process, the cursor comes back. */
export function createLiveView(options: {
  stream: Terminal
  style: Style
  /** IANA name; the machine's own when left out. */
  timeZone?: string
}): LiveView {
  const { stream, style, timeZone } = options
  let report: StatusReport | null = null
  let drawn: readonly string[] = []
  let isClosed = false

  // The last column stays free: a terminal that is about to wrap would erase or double what stands there.
  const width = () => Math.max(20, (stream.columns ?? 80) - 1)
  const height = () => Math.max(2, (stream.rows ?? 24) - 1)

  /** Rows that the drawn lines take now: a terminal that became narrower has wrapped them. */
  const rowsToTheTop = () => {
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(visibleWidth(line) / (width() + 1))), 0)
    return Math.min(rows, height())
  }

  const replaceWith = (staying: readonly string[], lines: readonly string[]) => {
    const text = [...staying, ...lines].map((line) => `${line}${clearToEndOfLine}\n`).join('')
    const opening = drawn.length === 0 ? hideCursor : `${cursorUp(rowsToTheTop())}\r`
    stream.write(opening + text + clearToEndOfScreen)
    drawn = lines
  }

  const screen = (room = height()) =>
    report === null ? [] : statusLines(report, style, { width: width(), height: room, timeZone })

  const redraw = () => replaceWith([], screen())
  const giveBackTerminal = () => stream.write(showCursor)

  stream.on('resize', redraw)
  process.once('exit', giveBackTerminal)

  return {
    update(next) {
      if (isClosed) return
      report = next
      const lines = screen()
      const isSame = lines.length === drawn.length && lines.every((line, index) => line === drawn[index])
      if (!isSame) replaceWith([], lines)
    },
    note(line) {
      if (!isClosed) replaceWith([line], screen())
    },
    close(finalLines = []) {
      if (isClosed) return
      isClosed = true
      stream.off('resize', redraw)
      process.off('exit', giveBackTerminal)
      replaceWith([], [...screen(Math.max(2, height() - finalLines.length)), ...finalLines])
      giveBackTerminal()
    },
  }
}
