import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { correctedRunbook } from './corrected.ts'
import { cutBlocks, cutCommands } from './cut.ts'
import { classes, countClasses, loadLedger, readLedger, runbookText, typedText } from './ledger.ts'

const commandsOf = (...lines: string[]) => cutCommands(lines, 1).map(({ text }) => text)

describe('cutting', () => {
  test('comments and empty lines are no commands', () =>
    expect(commandsOf('# one', '', 'a', '  # b', 'c')).toEqual(['a', 'c']))

  test.each([
    ['a backslash', ['a \\', '  b'], 1],
    ['a pipe', ['a |', '  b'], 1],
    ['an open quote', ["a '[", '  {"b": 1}', "]'", 'c'], 2],
    ['if', ['if a; then', '  b', 'else', '  c', 'fi', 'd'], 2],
    ['a comment behind a command, with a quote in it', ['a \\', "  b # don't", 'c'], 2],
    ['a quoted #', ['a "#', '"', 'b'], 2],
    ['escaped quotes', ['a "{\\"b\\":\\"$C\\"}"', 'd'], 2],
  ])('%s makes a command go on', (_, lines, count) => expect(commandsOf(...lines)).toHaveLength(count))

  test('a command without an end is an error', () => expect(() => commandsOf("a 'b")).toThrow(/line 1 has no end/))

  test('only shell blocks count, each with the headings above it', () => {
    const text = '# T\n## A\n### B\n```mermaid\nx\n```\n```bash\na\n```\n## C\n```bash\nb\n```\n'
    expect(cutBlocks(text).map(({ headings, line }) => ({ headings, line }))).toEqual([
      { headings: ['A', 'B'], line: 7 },
      { headings: ['C'], line: 11 },
    ])
  })

  test('the runbook has 33 shell blocks', () => {
    const blocks = cutBlocks(runbookText)
    expect(blocks).toHaveLength(33)
    expect(blocks.flatMap(({ commands }) => commands)).toHaveLength(138)
  })
})

describe('the ledger', () => {
  const sections = loadLedger()

  test('has an entry for every command of every block, and none besides', () => {
    const counts = countClasses(sections)
    expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(138)
  })

  const ledger = '- section: A\n  fixture: none\n  blocks: { 2: { 3: as printed } }\n'
  test.each([
    ['a command without an entry', ledger, '## A\n```bash\na\nb\n```', /line 4 has no entry: b/],
    ['a block without an entry', ledger, '## A\n```bash\na\n```\n```bash\nb\n```', /block in line 5 has no entry/],
    ['an entry without a command', ledger, '## A\n```bash\n# a\n```', /2:3 is of no command/],
    ['a block of another section', ledger, '## B\n```bash\na\n```', /not below A/],
  ])('%s fails', (_, text, markdown, message) => expect(() => readLedger(text, markdown)).toThrow(message))

  test('no deployment or rollback block needs what is not built, but for backups, status page, notices, database', () => {
    const parts = sections
      .filter(({ blocks }) => blocks.every(({ block }) => /^(Quick|Deployment|Rollback)/.test(block.headings[0] ?? '')))
      .flatMap(({ blocks }) => blocks.flatMap(({ typed }) => typed))
      .flatMap(({ entry }) => (entry.class === 'not built yet' ? [entry.part] : []))
    expect([...new Set(parts)].sort()).toEqual([
      'backups',
      'database',
      'notices to the team',
      'post-mortems',
      'status page',
      'tests after a deployment',
    ])
  })
})

test('docs/runbook.md is the runbook with the corrections of the ledger', async () => {
  await expect(correctedRunbook(runbookText, loadLedger())).toMatchFileSnapshot('../../docs/runbook.md')
})

test('what docs/runbook.md prints is what is typed', () => {
  const corrected = cutBlocks(readFileSync(join(import.meta.dirname, '../../docs/runbook.md'), 'utf8'))
  const typed = loadLedger().flatMap(({ blocks }) =>
    blocks.map((each) =>
      each.typed.flatMap((one) =>
        cutCommands((one.entry.class === 'not built yet' ? one.command.text : typedText(one)).split('\n'), 1),
      ),
    ),
  )
  expect(corrected.map(({ commands }) => commands.map(({ text }) => text))).toEqual(
    typed.map((commands) => commands.map(({ text }) => text)),
  )
})

test('docs/proofs.md has the counts of the ledger', () => {
  const proofs = readFileSync(join(import.meta.dirname, '../../docs/proofs.md'), 'utf8')
  const counts = countClasses(loadLedger())
  for (const each of classes) expect(proofs).toContain(`| ${each} | ${counts[each]} |`)
})
