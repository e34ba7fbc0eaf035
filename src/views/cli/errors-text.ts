// The last words of a command that failed. An operating error says what happened, what state production is in and
// what to type next; a bug also leaves a report that can be sent to whoever can mend it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, platform, release } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { OperatingError } from '../../errors/catalogue.ts'
import { maskSecrets, maskWords } from './secrets.ts'
import type { Style } from './style.ts'

export interface ErrorTextOptions {
  /** What state production is in now, as a sentence; null when that cannot be told. */
  readonly production?: string | null
  readonly style: Style
  /** File that `writeBugReport` wrote; null when it could not. */
  readonly report?: string | null
}

export function errorText(error: unknown, { production = null, style, report = null }: ErrorTextOptions): string {
  if (error instanceof OperatingError) {
    return [
      `${style.red(`error ${error.code}:`)} ${error.message}`,
      ...(production === null ? [] : [`state: ${production}`]),
      ...(error.hint === null ? [] : [`next: ${style.bold(error.hint)}`]),
    ].join('\n')
  }
  return [
    `${style.red('internal error:')} ${maskSecrets(messageOf(error))}`,
    report === null
      ? `report: none could be written, so it stands here\n${maskSecrets(inspect(error))}`
      : `a report was written to ${report}`,
    `production: ${production ?? 'not known; moodify status shows it'}`,
  ].join('\n')
}

export interface BugFacts {
  /** Of moodify. */
  readonly version: string
  readonly argv: readonly string[]
  /** Its secrets are masked wherever they occur; the variables themselves are not written. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/**
 * Writes what is needed to find a bug, without secrets, readable by its owner only. Never throws: it is called when
 * something has gone wrong already.
 *
 * @returns the file, or null when it could not be written
 */
export function writeBugReport(error: unknown, folder: string, facts: BugFacts): string | null {
  try {
    const { version, argv, env = process.env } = facts
    const at = new Date().toISOString()
    const text = [
      `moodify ${version} on Node ${process.version}, ${platform()} ${release()} ${arch()}`,
      `at ${at}`,
      `typed: moodify ${maskWords(argv).join(' ')}`,
      '',
      inspect(error, { depth: 4 }),
      '',
    ].join('\n')
    const file = join(folder, `bug-${at.replaceAll(':', '-')}-${process.pid}.txt`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, maskSecrets(text, env), { mode: 0o600 })
    return file
  } catch {
    return null
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
