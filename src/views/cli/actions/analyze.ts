import { readFileSync } from 'node:fs'
import type { Config, Triggers } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { defaultSettings } from '../../../config/normalise.ts'
import { exitCodes, OperatingError } from '../../../errors/catalogue.ts'
import { analyze } from '../../../verbs/analyze.ts'
import type { SeriesVerdict } from '../../../verbs/series.ts'
import { verdictDocument } from '../verdict-text.ts'
import { type JudgeFlags, judgedWith } from './replay.ts'

interface AnalyzeFlags extends JudgeFlags {
  readonly each?: boolean
  readonly config?: string
  readonly environment?: string
}

/** Prints the first verdict that is not unknown and the last one. Exit code: 0 healthy at the end, 3 unhealthy, 5 unknown. */
export async function analyzeAction(flags: AnalyzeFlags, file: string): Promise<number> {
  const { triggers, canary } = settingsOf(flags)
  const changed: Triggers = { ...triggers, ...judgedWith(flags) }
  let last: SeriesVerdict | null = null
  let printed: SeriesVerdict | null = null
  for (const found of analyze(await linesOf(file), { triggers: changed, stageSeconds: canary.stageMs / 1000 })) {
    last = found
    if (!flags.each && (printed || found.verdict.kind === 'unknown')) continue
    print(found)
    printed = found
  }
  if (last && last !== printed) print(last)
  if (last === null) {
    process.stderr.write('There was no line to judge.\n')
    return exitCodes.unknown.code
  }
  return { healthy: exitCodes.released, unhealthy: exitCodes.rolledBack, unknown: exitCodes.unknown }[last.verdict.kind]
    .code
}

function settingsOf({ config: file, environment }: AnalyzeFlags): Config['environments'][string]['settings'] {
  if (file === undefined) return defaultSettings
  const config = loadConfig(file)
  const name = environment ?? config.defaultEnvironment
  const found = config.environments[name]
  if (!found)
    throw new OperatingError('UNKNOWN_ENVIRONMENT', `${file} has no environment ${name}`, 'moodify analyze --help')
  return found.settings
}

async function linesOf(file: string): Promise<Iterable<string>> {
  if (file !== '-') {
    try {
      return readFileSync(file, 'utf8').split('\n')
    } catch (error) {
      throw new OperatingError('BAD_FLAG', `${file} cannot be read: ${(error as Error).message}`, 'moodify analyze -')
    }
  }
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString().split('\n')
}

function print(found: SeriesVerdict): void {
  process.stdout.write(`${JSON.stringify(verdictDocument(found))}\n`)
}
