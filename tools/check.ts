// `npm run check`: everything about the code that can be said without running it. One line per check; a check
// that fails shows what it found and what to do about it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findLeaks } from './leaks.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

interface Check {
  readonly name: string
  readonly remedy: string
  run(): Promise<Outcome>
}

interface Outcome {
  readonly passed: boolean
  /** What the tool printed, or why the check was skipped. */
  readonly output: string
  readonly skipped?: boolean
}

const checks: readonly Check[] = [
  {
    name: 'types',
    remedy: 'correct the types named above',
    run: () => tool('typescript/bin/tsc', '-p', 'tsconfig.json', '--pretty', 'false'),
  },
  {
    name: 'types of the pure folders',
    remedy: 'they compile without the types of Node: decide there, act in src/effects, hand the result in',
    run: () => tool('typescript/bin/tsc', '-p', 'tsconfig.pure.json', '--pretty', 'false'),
  },
  {
    name: 'lint and format',
    remedy: 'node_modules/.bin/biome check --write corrects most of it; change the rest by hand',
    run: () =>
      tool('@biomejs/biome/bin/biome', 'ci', '--colors=off', '--diagnostic-level=warn', '--error-on-warnings', '.'),
  },
  {
    name: 'import rules',
    remedy: 'each rule and its remedy are in .dependency-cruiser.mjs',
    run: importRules,
  },
  {
    name: 'dead code',
    remedy: 'delete it, or stop exporting it; an entry point that knip cannot find goes to knip.json',
    run: () => tool('knip/bin/knip.js', '--no-progress'),
  },
  { name: 'generated documentation', remedy: 'run `npm run docs` and commit the result', run: documentation },
  {
    name: 'rendered manifests',
    remedy: 'run `npm run manifests` and commit the result',
    run: () => run([join(root, 'tools/rendered-manifests.ts'), '--check']),
  },
  {
    name: 'no paths or hosts of one machine',
    remedy: 'write a relative path, or the public name',
    run: async () => {
      const leaks = findLeaks(root)
      return { passed: leaks.length === 0, output: leaks.join('\n') }
    },
  },
]

function importRules(): Promise<Outcome> {
  const folders = ['src', 'demo', 'tools'].filter((folder) => existsSync(join(root, folder)))
  const options = ['--config', '.dependency-cruiser.mjs', '--output-type', 'err-long']
  return tool('dependency-cruiser/bin/dependency-cruiser.mjs', ...options, ...folders)
}

async function documentation(): Promise<Outcome> {
  const generator = join(root, 'tools/docs.ts')
  if (!existsSync(generator)) return { passed: true, skipped: true, output: 'there is no tools/docs.ts yet' }
  return run([generator, '--check'])
}

function tool(path: string, ...options: readonly string[]): Promise<Outcome> {
  return run([join(root, 'node_modules', path), ...options])
}

/** Runs a script with the Node that runs this. */
function run(command: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.on('error', reject)
    child.on('close', (code) => resolve({ passed: code === 0, output: output.trim() }))
  })
}

interface Finished extends Outcome {
  readonly seconds: string
}

async function timed(check: Check): Promise<Finished> {
  const started = performance.now()
  const outcome = await check.run()
  return { ...outcome, seconds: ((performance.now() - started) / 1000).toFixed(1) }
}

function lineOf(check: Check, { passed, skipped, output, seconds }: Finished): string {
  if (skipped) return `skip  ${check.name}: ${output}`
  if (passed) return `ok    ${check.name} (${seconds} s)`
  return `FAIL  ${check.name} (${seconds} s)\n${indent(output)}\n      Remedy: ${check.remedy}`
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '      ')
}

// All run at the same time; the lines keep the order of the list.
for (const [check, running] of checks.map((check) => [check, timed(check)] as const)) {
  const finished = await running
  console.log(lineOf(check, finished))
  if (!finished.passed) process.exitCode = 1
}
