import { describe, expect, it } from 'vitest'
import { createLiveView } from '../../src/views/cli/live-view.ts'
import { statusText } from '../../src/views/cli/status-text.ts'
import { createStyle } from '../../src/views/cli/style.ts'
import { canary, plain, release, settled } from './samples.ts'
import { fakeTerminal } from './screen.ts'

function open(columns: number, rows: number, style = plain) {
  const terminal = fakeTerminal(columns, rows)
  terminal.write('$ moodify status -w\n')
  return { terminal, view: createLiveView({ stream: terminal, style, timeZone: 'UTC' }) }
}

const later = canary({ at: '2026-01-06T10:01:54.000Z' })

describe('live view', () => {
  it('replaces the screen in place and leaves what was above it', () => {
    const { terminal, view } = open(100, 30, createStyle({ color: true }))
    view.update(canary())
    view.update(later)
    view.update(settled())
    const expected = statusText(settled(), plain, { width: 99, timeZone: 'UTC' })
    expect(terminal.text()).toBe(`$ moodify status -w\n${expected}`)
    view.close()
  })

  it('writes once per update, and nothing when nothing has changed', () => {
    const { terminal, view } = open(100, 30)
    const before = terminal.writes.length
    view.update(canary())
    view.update(later)
    expect(terminal.writes.length).toBe(before + 2)
    view.update(later)
    expect(terminal.writes.length).toBe(before + 2)
    view.close()
  })

  it.each([
    [100, 30],
    [60, 20],
    [40, 15],
    [40, 6],
  ])('on %i × %i never scrolls away: the first sentence and the next command stay in sight', (columns, rows) => {
    const { terminal, view } = open(columns, rows)
    for (const second of ['53', '54', '55']) view.update(canary({ at: `2026-01-06T10:01:${second}.000Z` }))
    expect(terminal.visible()).toContain('v1.0.0 serves 90 %')
    expect(terminal.text().match(/v1\.0\.0 serves 90 %/g)).toHaveLength(1)
    expect(terminal.visible()).toContain('next     moodify promote')
    view.close()
  })

  it('a smaller terminal gets a smaller screen, without remains of the old one in sight', () => {
    const { terminal, view } = open(100, 30)
    view.update(canary())
    terminal.resize(45, 20)
    expect(terminal.visible().match(/v1\.0\.0 serves 90 %/g)).toHaveLength(1)
    expect(terminal.visible()).not.toContain('P95')
    view.close()
  })

  it('a larger terminal gets a larger screen, in the place of the old one', () => {
    const { terminal, view } = open(45, 20)
    view.update(canary())
    terminal.resize(100, 30)
    expect(terminal.text().match(/v1\.0\.0 serves 90 %/g)).toHaveLength(1)
    expect(terminal.visible()).toContain('P95')
    view.close()
  })

  it('a note stays above the screen', () => {
    const { terminal, view } = open(100, 30)
    view.note('Ctrl-C leaves the view')
    view.update(canary())
    view.note('asked for a pause')
    view.update(later)
    expect(terminal.text().split('\n').slice(0, 4)).toEqual([
      '$ moodify status -w',
      'Ctrl-C leaves the view',
      'asked for a pause',
      'v1.0.0 serves 90 %, v1.1.0 serves 10 % as candidate',
    ])
    view.close()
  })

  it('hides the cursor, and gives it back when closed or when the process ends', () => {
    const { terminal, view } = open(100, 30)
    const exitListeners = process.listenerCount('exit')
    view.update(canary())
    expect(terminal.cursorIsVisible).toBe(false)
    const restore = process.listeners('exit').at(-1) as () => void
    restore()
    expect(terminal.cursorIsVisible).toBe(true)
    view.close()
    expect(process.listenerCount('exit')).toBe(exitListeners - 1)
    expect(terminal.listeners()).toBe(0)
    expect(terminal.cursorIsVisible).toBe(true)
  })

  it('closed, leaves the last screen and the final lines, and ignores what comes later', () => {
    const { terminal, view } = open(60, 12)
    view.update(canary())
    view.update(canary({ phase: 'keeping', release: { ...release, outcome: 'released' } }))
    view.close(['r-2 released'])
    view.update(settled())
    view.note('too late')
    view.close(['again'])
    expect(terminal.visible()).toContain('version before is kept warm')
    expect(terminal.text().split('\n').at(-1)).toBe('r-2 released')
  })

  it('closed before anything was drawn prints the final lines alone', () => {
    const { terminal, view } = open(60, 12)
    view.close(['nothing to watch'])
    expect(terminal.text()).toBe('$ moodify status -w\nnothing to watch')
    expect(terminal.cursorIsVisible).toBe(true)
  })
})
