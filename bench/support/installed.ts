import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The program as npm installs it: without sources, so that no time goes into comparing the bundle with them. */
export function installProgram(): string {
  const root = join(import.meta.dirname, '../..')
  const installed = mkdtempSync(join(tmpdir(), 'bench-installed-'))
  process.on('exit', () => rmSync(installed, { recursive: true, force: true }))
  for (const name of ['bin', 'package.json']) cpSync(join(root, name), join(installed, name), { recursive: true })
  execFileSync(process.execPath, [join(root, 'tools/build.ts'), join(installed, 'dist/moodify.mjs')])
  return join(installed, 'bin/moodify.mjs')
}
