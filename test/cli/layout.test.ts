import { describe, expect, it } from 'vitest'
import { type Column, labelled, oneLine, table, truncate, visibleWidth, wrap } from '../../src/views/cli/layout.ts'
import { createStyle, shouldColor } from '../../src/views/cli/style.ts'

const { red } = createStyle({ color: true })

describe('layout', () => {
  it('colours have no width', () => {
    expect(visibleWidth(red('four'))).toBe(4)
  })

  it('truncates to the width, keeps colours and closes them', () => {
    expect(truncate('abcdef', 6)).toBe('abcdef')
    expect(truncate('abcdefg', 6)).toBe('abcde…')
    expect(truncate('a long tail', 3)).toBe('a…')
    expect(truncate(`${red('abc')}defg${red('hi')}`, 5)).toBe(`${red('abc')}d…${red('')}`)
  })

  it('wraps between words, never between a number and its unit, and cuts what is longer than a line', () => {
    expect(wrap('send 90 % blue, 10 % green', 10)).toEqual(['send 90 %', 'blue, 10 %', 'green'])
    expect(wrap('wait 5 min or 20 s', 7)).toEqual(['wait', '5 min', 'or 20 s'])
    expect(wrap('see http://127.0.0.1:8080/x', 10)).toEqual(['see', 'http://127', '.0.0.1:808', '0/x'])
    expect(wrap('', 10)).toEqual([''])
  })

  it('a label stands once, its text is indented', () => {
    expect(labelled('next', 'moodify promote', { width: 16, labelWidth: 6 })).toEqual([
      'next  moodify',
      '      promote',
    ])
  })

  it('oneLine leaves nothing that moves the cursor', () => {
    expect(oneLine(' a\u001b[31mb\u001b[0m\r\nc\u2028d\te\u0000 ')).toBe('ab c d e')
  })

  const columns: readonly Column[] = [
    { head: 'NAME' },
    { head: 'NOTE', dropOrder: 1 },
    { head: 'N', align: 'right', dropOrder: 2 },
  ]
  const rows = [
    ['one', red('red'), '1'],
    ['three', '', '100'],
  ]

  it('a table aligns by visible width', () => {
    expect(table(columns, rows)).toEqual(['NAME   NOTE    N', `one    ${red('red')}     1`, 'three        100'])
  })

  it('a table leaves out columns in their order, then truncates', () => {
    expect(table(columns, rows, { width: 12 })).toEqual(['NAME     N', 'one      1', 'three  100'])
    expect(table(columns, rows, { width: 6 })).toEqual(['NAME', 'one', 'three'])
    expect(table(columns, rows, { width: 4 })).toEqual(['NAME', 'one', 'thr…'])
  })

  it('a table leaves out a column without any cell', () => {
    expect(table(columns, [['one', '', '1']])).toEqual(['NAME  N', 'one   1'])
  })
})

describe('colour', () => {
  it.each([
    ['a terminal', { isTTY: true }, { TERM: 'xterm' }, true],
    ['a pipe', {}, { TERM: 'xterm' }, false],
    ['NO_COLOR', { isTTY: true }, { NO_COLOR: '1' }, false],
    ['an empty NO_COLOR', { isTTY: true }, { NO_COLOR: '' }, true],
    ['a dumb terminal', { isTTY: true }, { TERM: 'dumb' }, false],
    ['FORCE_COLOR in a pipe', {}, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
    ['FORCE_COLOR=0', { isTTY: true }, { FORCE_COLOR: '0' }, false],
  ])('%s', (_, stream, env, expected) => {
    expect(shouldColor(stream, env)).toBe(expected)
  })

  it('off leaves the text as it is', () => {
    const off = createStyle({ color: false })
    expect(off.red(off.bold('x'))).toBe('x')
  })
})
