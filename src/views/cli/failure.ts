// Three kinds of failure, never mixed: an outcome is no failure; an operating error says what happened, what
// state production is in and what to type next; a bug writes a report.
import { homedir } from 'node:os'
import { join } from 'node:path'
import { exitCodes, OperatingError } from '../../errors/catalogue.ts'
import { status } from '../../verbs/status.ts'
import { statusReport } from '../projections/status-report.ts'
import { errorText, writeBugReport } from './errors-text.ts'
import type { CommandLineOptions } from './options.ts'
import { stateSentence } from './status-text.ts'
import { createStyle, shouldColor } from './style.ts'

const LOOK_MS = 1500
/** Commands that have nothing to do with what serves. */
const withoutPlatform: ReadonlySet<string> = new Set(['analyze', 'completion'])

export async function reportFailure(
  error: unknown,
  options: CommandLineOptions & { argv: readonly string[]; json: boolean },
): Promise<number> {
  const style = createStyle({ color: shouldColor(process.stderr, process.env) })
  const production = await productionNow(options, error)
  if (error instanceof OperatingError) {
    process.stderr.write(`${errorText(error, { production, style })}\n`)
    if (options.json) {
      const { code, message, hint } = error
      process.stdout.write(`${JSON.stringify({ error: { code, message, next: hint, state: production } })}\n`)
    }
    return error.exitCode
  }
  const folder = join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local/state'), 'moodify', 'reports')
  const report = writeBugReport(error, folder, { version: options.version, argv: options.argv })
  process.stderr.write(`${errorText(error, { production, style, report })}\n`)
  return exitCodes.internalBug.code
}

/** What state the environment is in, as one sentence; null when that cannot be told quickly. */
async function productionNow(
  options: CommandLineOptions & { argv: readonly string[] },
  error: unknown,
): Promise<string | null> {
  if (error instanceof OperatingError && (error.code.startsWith('CONFIG') || error.code === 'UNKNOWN_ENVIRONMENT'))
    return null
  if (withoutPlatform.has(options.argv[0] ?? '')) return null
  const look = async () => {
    const context = options.composeContext(process.cwd(), environmentIn(options.argv))
    try {
      return stateSentence(statusReport(await status(context)))
    } finally {
      context.journal.close()
      // What watches a cluster would keep the command from ending.
      context.platform.close?.()
    }
  }
  const tooLong = new Promise<null>((resolve) => setTimeout(resolve, LOOK_MS, null).unref())
  return Promise.race([look().catch(() => null), tooLong])
}

function environmentIn(argv: readonly string[]): string | undefined {
  const index = argv.findIndex((word) => word === '-e' || word === '--environment')
  return index < 0 ? undefined : argv[index + 1]
}
