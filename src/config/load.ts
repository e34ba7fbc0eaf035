// moodify.yaml → Config, or all of its problems at once.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { OperatingError } from '../errors/catalogue.ts'
import type { Config } from './config.ts'
import { type Path, readDocument } from './document.ts'
import { normalise } from './normalise.ts'
import { type Finding, findingsOf, type Problem, pathText, problemLine, valueAt } from './problems.ts'
import { checkRules, type Remains } from './rules.ts'
import { fileSchema, type Written } from './schema.ts'

export const CONFIG_FILE = 'moodify.yaml'

const MAX_BYTES = 1024 * 1024
/** More would hide the first ones. */
const MAX_PROBLEMS_SHOWN = 50

const tooLarge: Problem = { line: 1, column: 1, path: '', message: 'the file is larger than 1 MiB' }

/**
 * The nearest moodify.yaml in a folder or above it.
 *
 * @param from  folder to start in
 * @returns     absolute path of the file
 * @throws      OperatingError CONFIG_NOT_FOUND
 */
export function findConfig(from: string): string {
  const start = resolve(from)
  for (let folder = start; ; folder = dirname(folder)) {
    const file = join(folder, CONFIG_FILE)
    if (statSync(file, { throwIfNoEntry: false })?.isFile()) return file
    if (folder === dirname(folder)) break
  }
  throw new OperatingError('CONFIG_NOT_FOUND', `No ${CONFIG_FILE} in ${start} or above it.`, 'moodify init')
}

/**
 * @throws OperatingError CONFIG_NOT_FOUND when it cannot be read, CONFIG_INVALID with one problem a line
 */
export function loadConfig(path: string): Config {
  const { file, root, text } = readConfig(path)
  const result = parseConfig(text, { file, root })
  if ('config' in result) return result.config
  throw invalid(file, result.problems)
}

function readConfig(path: string): { file: string; root: string; text: string } {
  try {
    // The folder names the project's state: reached through a link it must be the same one.
    const root = realpathSync(dirname(resolve(path)))
    const file = join(root, basename(path))
    if (statSync(file).size > MAX_BYTES) throw invalid(file, [tooLarge])
    return { file, root, text: readFileSync(file, 'utf8') }
  } catch (error) {
    if (error instanceof OperatingError) throw error
    throw new OperatingError('CONFIG_NOT_FOUND', `Cannot read ${path}: ${(error as Error).message}`, 'moodify init')
  }
}

function invalid(file: string, problems: readonly Problem[]): OperatingError {
  const lines = problems.slice(0, MAX_PROBLEMS_SHOWN).map((problem) => problemLine(basename(file), problem))
  const more = problems.length - lines.length
  if (more > 0) lines.push(`and ${more} more`)
  return new OperatingError(
    'CONFIG_INVALID',
    lines.join('\n'),
    `Correct ${file} and run the command again. docs/reference/configuration.md lists every key.`,
  )
}

/**
 * Reads nothing but its arguments.
 *
 * @param from.file  absolute path of the file that the text is from
 * @param from.root  absolute folder that relative paths in it start from
 * @returns          the configuration, or at least one problem, in the order of the file
 */
export function parseConfig(
  text: string,
  from: { readonly file: string; readonly root: string },
): { config: Config } | { problems: Problem[] } {
  if (text.length > MAX_BYTES) return { problems: [tooLarge] }
  const document = readDocument(text)
  const problems: Problem[] = document.problems.map((problem) => ({ ...problem, path: pathText(problem.path) }))
  if (document.sound) {
    const { written, findings } = check(document.value)
    if (written && problems.length === 0) return { config: normalise(written, from) }
    for (const finding of findings) {
      problems.push({ ...document.positionOf(finding.path), ...finding, path: pathText(finding.path) })
    }
  }
  return { problems: problems.toSorted((a, b) => a.line - b.line || a.column - b.column) }
}

function check(value: unknown): { written: Written | null; findings: Finding[] } {
  if (value === null || value === undefined) {
    return { written: null, findings: [{ path: [], message: 'the file is empty; moodify init writes one' }] }
  }
  const parsed = fileSchema.safeParse(value)
  if (parsed.success) {
    const findings = checkRules(parsed.data)
    return { written: findings.length === 0 ? parsed.data : null, findings }
  }
  const findings = findingsOf(fileSchema, value, parsed.error.issues)
  const remains = without(
    value,
    findings.map(({ path }) => path),
  )
  return { written: null, findings: [...findings, ...checkRules(remains as Remains<Written>)] }
}

/** A copy of the value with undefined at these paths; a list with a wrong item goes as a whole. */
function without(value: unknown, paths: readonly Path[]): unknown {
  const copy = structuredClone(value)
  for (const path of paths) {
    const list = path.findIndex((step) => typeof step === 'number')
    const target = list < 0 ? path : path.slice(0, list)
    if (target.length === 0) return {}
    const parent = valueAt(copy, target.slice(0, -1))
    if (typeof parent === 'object' && parent !== null) {
      ;(parent as Record<string, unknown>)[String(target.at(-1))] = undefined
    }
  }
  return copy
}
