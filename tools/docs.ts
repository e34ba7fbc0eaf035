// Writes docs/reference from the code; with --check it only says which files differ.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { jsonSchema } from '../src/config/json-schema.ts'
import { configurationReference } from '../src/config/reference.ts'
import { catalogue, exitCodes } from '../src/errors/catalogue.ts'
import { createProgram } from '../src/views/cli/program.ts'
import { verbTable } from './docs/verb-table.ts'

const folder = join(import.meta.dirname, '..', 'docs', 'reference')

const pages: Readonly<Record<string, () => string>> = {
  'verbs.md': verbTable,
  'exit-codes.md': exitCodesPage,
  'errors.md': errorsPage,
  'command-line.md': commandLinePage,
  'configuration.md': configurationReference,
  'moodify.schema.json': jsonSchema,
}

function exitCodesPage(): string {
  const rows = Object.values(exitCodes).map(({ code, means }) => `| ${code} | ${means} |`)
  return `# Exit codes\n\nGenerated from \`src/errors/catalogue.ts\`. They do not change.\n\n| Code | Means |\n| --- | --- |\n${rows.join('\n')}\n`
}

function errorsPage(): string {
  const rows = Object.entries(catalogue).map(
    ([code, { means, exit }]) => `| \`${code}\` | ${means} | ${exitCodes[exit].code} |`,
  )
  return `# Errors\n\nGenerated from \`src/errors/catalogue.ts\`. A code keeps its meaning forever.\n\n| Code | Means | Exit code |\n| --- | --- | --- |\n${rows.join('\n')}\n`
}

function commandLinePage(): string {
  const never = () => {
    throw new Error('documentation runs no command')
  }
  const program = createProgram({ composeContext: never, version: '' }, { code: 0 })
  const help = (command: Command) =>
    `## moodify ${command.name()}\n\n\`\`\`\n${command
      .configureOutput({ getOutHelpWidth: () => 100 })
      .helpInformation()
      .trim()}\n\`\`\`\n`
  return `# Command line\n\nGenerated from the program; the same as \`moodify COMMAND --help\`.\n\n${program.commands.map(help).join('\n')}`
}

mkdirSync(folder, { recursive: true })
const differing = Object.entries(pages).filter(([name, text]) => {
  const file = join(folder, name)
  if (process.argv.includes('--check')) return textOf(file) !== text()
  writeFileSync(file, text())
  return false
})
if (differing.length > 0) {
  console.error(
    `docs/reference differs from the code: ${differing.map(([name]) => name).join(', ')}; run: npm run docs`,
  )
  process.exitCode = 1
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
