// The program in several builds: one bundle, made different by a comment at its end.
import { execFile, execFileSync } from 'node:child_process'
import { appendFileSync, copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { buildOf } from '../../src/effects/local/supervisor/launch.ts'
import { VERSION } from '../../src/version.ts'
import type { Embedded } from '../support/embedded.ts'

const BUILD_SCRIPT = join(import.meta.dirname, '..', '..', 'tools', 'build.ts')

export interface Build {
  /** As processes name it. */
  readonly name: string
  readonly file: string
  /** Runs a command of this build in the project's folder; it must end with 0. @returns what it printed */
  moodify(...args: string[]): Promise<string>
}

/** @param files  paths below the project's folder, each to become a build of its own */
export function makeBuilds({ root, folder }: Embedded, files: readonly string[]): Build[] {
  const original = join(folder, 'moodify.mjs')
  execFileSync(process.execPath, [BUILD_SCRIPT, original])
  const env = { ...process.env, XDG_STATE_HOME: join(folder, 'state'), XDG_RUNTIME_DIR: folder, NO_COLOR: '1' }
  return files.map((path) => {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    copyFileSync(original, file)
    appendFileSync(file, `\n// ${path}\n`)
    return {
      name: buildOf(VERSION, file),
      file,
      moodify: async (...args) =>
        (await promisify(execFile)(process.execPath, [file, ...args], { cwd: root, env, timeout: 45_000 })).stdout,
    }
  })
}
