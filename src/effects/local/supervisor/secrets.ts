import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { OperatingError } from '../../../errors/catalogue.ts'
import { createDurably } from '../durable.ts'
import type { RunSpec } from '../protocol.ts'

// The values of an environment file are read once per revision, when it is first applied, and kept in a file
// that only the owner can read. So a restart weeks later starts what was released, whatever became of the file.

/** @throws OperatingError PLATFORM_FAILED when the file cannot be read */
export function keepSecrets(folder: string, run: RunSpec): void {
  if (run.envFile === null) return
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  createDurably(secretsFile(folder, run.revision), readEnvFile(run.envFile))
}

export function secretsOf(folder: string, run: RunSpec): NodeJS.ProcessEnv {
  return run.envFile === null ? {} : parseEnv(readFileSync(secretsFile(folder, run.revision), 'utf8'))
}

/** Forgets the values of revisions that are not in use, except the newest. */
export function pruneSecrets(folder: string, used: ReadonlySet<string>, keep: number): void {
  if (!existsSync(folder)) return
  const changed = (file: string) => statSync(join(folder, file)).mtimeMs
  const files = readdirSync(folder).filter((file) => file.endsWith('.env') && !used.has(file.slice(0, -4)))
  for (const file of files.toSorted((a, b) => changed(b) - changed(a)).slice(keep)) rmSync(join(folder, file))
}

function secretsFile(folder: string, revision: string): string {
  return join(folder, `${revision}.env`)
}

function readEnvFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new OperatingError(
      'PLATFORM_FAILED',
      `The environment file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}.`,
      'Put it there, or remove envFile from moodify.yaml.',
    )
  }
}
