import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { exitCodes, OperatingError } from '../../src/errors/catalogue.ts'
import { createProgram, runCommandLine } from '../../src/views/cli/program.ts'

const before = process.cwd()
let folder = ''
let text = ''

beforeEach(() => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'fuzz-flags-'))
  process.chdir(folder)
  vi.stubEnv('XDG_STATE_HOME', join(folder, 'state'))
  const keep = (chunk: unknown) => {
    text += chunk
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(keep)
  vi.spyOn(process.stderr, 'write').mockImplementation(keep)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

const options = {
  version: '0.0.0',
  composeContext: () => {
    throw new OperatingError('PLATFORM_DOWN', 'nothing runs here', 'moodify up')
  },
}

/** Names of verbs and flags as the program has them: a fuzzer that does not know them gets nowhere. */
const program = createProgram(options, { code: 0 })
const verbs = program.commands.map((command) => command.name())
const flags = [
  ...new Set(program.commands.flatMap((command) => command.options.flatMap(({ short, long }) => [short, long]))),
]

const value = fc.oneof(
  fc.constantFrom(
    '',
    '--',
    '-1',
    '0',
    '1e999',
    'NaN',
    '10,25,100',
    '100',
    ',',
    '../..',
    '\0',
    '🦊',
    'canary',
    'nothing',
  ),
  fc.string({ unit: 'grapheme' }),
  fc.float().map(String),
)
const word = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...flags.filter((flag) => flag !== undefined)) },
  { weight: 3, arbitrary: value },
  { weight: 1, arbitrary: fc.constantFrom(...verbs, 'help', '--help', '--version', 'internal') },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...flags), value).map(([flag, after]) => `${flag}=${after}`) },
)
const argv = fc
  .tuple(fc.oneof(fc.constantFrom(...verbs), fc.constantFrom(...verbs), word), fc.array(word, { maxLength: 6 }))
  .map(([first, rest]) => [first, ...rest])
  // Standard input is the test runner's.
  .filter((words) => !(words.includes('analyze') && words.includes('-')))

const codes = Object.values(exitCodes).map(({ code }) => code)

test('flags: whatever is typed, the answer is an exit code that is documented, never a bug or a stack trace', async () => {
  const seen = new Set<number>()
  await fc.assert(
    fc.asyncProperty(argv, async (words) => {
      text = ''
      const code = await runCommandLine(words, options)
      seen.add(code)
      expect(codes).toContain(code)
      expect(code, text).not.toBe(exitCodes.internalBug.code)
      expect(text).not.toMatch(/\n\s+at |node:internal/)
      if (code !== 0) expect(text.trim()).not.toBe('')
    }),
    { seed: 20260403, numRuns: 1500 },
  )
  expect([...seen].toSorted((a, b) => a - b)).toEqual([0, exitCodes.badInput.code, exitCodes.operating.code])
  // Of all that could be typed only `init` writes, and one file at that.
  expect(readdirSync(folder).filter((name) => name !== 'moodify.yaml')).toEqual([])
})
