// The ledger beside the runbook: what becomes of each of its commands.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Block, type Command, cutBlocks } from './cut.ts'

export const classes = ['as printed', 'as printed, with warning', 'corrected', 'not run here', 'not built yet'] as const
export type LedgerClass = (typeof classes)[number]

const running = {
  before: z.string().optional(),
  /** Seconds until Ctrl-C. */
  interrupt: z.number().positive().optional(),
  /** Seconds for which it is typed again while it fails. */
  patience: z.number().positive().optional(),
  /** A regular expression, in lines. */
  says: z.string().optional(),
  /** Exit code that is right here; 0 where it is left out. */
  exit: z.number().optional(),
  /** Why requests may be lost. */
  outage: z.string().optional(),
}

const entry = z.preprocess(
  (value) => (value === 'as printed' ? { class: value } : value),
  z.discriminatedUnion('class', [
    z.strictObject({ class: z.literal('as printed'), ...running }),
    z.strictObject({ class: z.literal('as printed, with warning'), warning: z.string(), ...running }),
    z.strictObject({
      class: z.literal('corrected'),
      why: z.string(),
      now: z.string(),
      warning: z.string().optional(),
      ...running,
    }),
    z.strictObject({ class: z.literal('not run here'), why: z.string(), standIn: z.string().optional() }),
    z.strictObject({ class: z.literal('not built yet'), part: z.string() }),
  ]),
)
export type Entry = z.infer<typeof entry>

export const fixtures = ['none', 'blue-green', 'istio', 'single', 'released'] as const
export type Fixture = (typeof fixtures)[number]

const byLine = <Value extends z.ZodType>(value: Value) => z.record(z.string().regex(/^\d+$/), value)
const section = z.strictObject({
  section: z.string(),
  /** What stands in the cluster when its first command is typed. */
  fixture: z.enum(fixtures),
  given: z.record(z.string(), z.string()).default({}),
  blocks: byLine(byLine(entry)),
})
const ledgerFile = z.array(section)

export interface Typed {
  readonly command: Command
  readonly entry: Entry
}

export interface Section {
  readonly name: string
  readonly fixture: Fixture
  readonly given: Readonly<Record<string, string>>
  readonly blocks: readonly { readonly block: Block; readonly typed: readonly Typed[] }[]
}

export const runbookText = readFileSync(join(import.meta.dirname, 'runbook.md'), 'utf8')

/** @throws Error that names each command without an entry, and each entry without a command */
export function readLedger(ledgerText: string, markdown: string): Section[] {
  const written = ledgerFile.parse(parse(ledgerText))
  const blocks = cutBlocks(markdown)
  const unused = new Set(
    written.flatMap((each) =>
      Object.entries(each.blocks).flatMap(([line, entries]) => Object.keys(entries).map((key) => `${line}:${key}`)),
    ),
  )
  const problems: string[] = []
  const take = (where: Section['name'], block: Block, entries: Record<string, Entry>): Typed[] =>
    block.commands.flatMap((command) => {
      const found = entries[command.line]
      if (!found) problems.push(`the command in line ${command.line} has no entry: ${command.text}`)
      if (!block.headings.includes(where)) problems.push(`the block in line ${block.line} is not below ${where}`)
      unused.delete(`${block.line}:${command.line}`)
      return found ? [{ command, entry: found }] : []
    })
  const sections = written.map(({ section: name, fixture, given, blocks: own }) => ({
    name,
    fixture,
    given,
    blocks: blocks
      .filter(({ line }) => own[line])
      .map((block) => ({ block, typed: take(name, block, own[block.line] ?? {}) })),
  }))
  const known = new Set(written.flatMap((each) => Object.keys(each.blocks)))
  for (const { line } of blocks) if (!known.has(String(line))) problems.push(`the block in line ${line} has no entry`)
  for (const each of unused) problems.push(`the entry ${each} is of no command`)
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return sections
}

export function loadLedger(): Section[] {
  return readLedger(readFileSync(join(import.meta.dirname, 'ledger.yaml'), 'utf8'), runbookText)
}

export function countClasses(sections: readonly Section[]): Record<LedgerClass, number> {
  const all = sections.flatMap(({ blocks }) => blocks.flatMap(({ typed }) => typed))
  const count = (each: LedgerClass) => all.filter(({ entry: { class: found } }) => found === each).length
  return Object.fromEntries(classes.map((each) => [each, count(each)])) as Record<LedgerClass, number>
}

/** What is typed for an entry: nothing for what does not exist yet. */
export function typedText({ command, entry: found }: Typed): string {
  if (found.class === 'corrected') return found.now
  return found.class === 'not built yet' ? '' : command.text
}
