// `npm run mutate [-- --only TEXT] [--runs N]`: makes each fault of tools/mutations.ts in a copy of the source, never
// in the working tree, runs the simulation (or the tests named) over it and prints a table: what noticed it, and how
// soon. A fault that nobody notices is a missing check: the command then ends with 1.
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { runMany } from '../test/simulation/pool.ts'
import { type Mutation, mutations } from './mutations.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, runs: { type: 'string', default: '1500' } },
})

interface Noticed {
  readonly by: string
  readonly seconds: number
}

const copy = mkdtempSync(join(tmpdir(), 'moodify-mutate-'))
try {
  for (const part of [
    'src',
    'test',
    'bench',
    'package.json',
    'vitest.config.ts',
    'tsconfig.json',
    'tsconfig.base.json',
  ])
    cpSync(join(root, part), join(copy, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const misplaced = mutations.filter(
    ({ file, find }) => readFileSync(join(copy, file), 'utf8').split(find).length !== 2,
  )
  if (misplaced.length > 0) {
    const list = misplaced.map(({ name, file }) => `  ${name} (${file})`).join('\n')
    throw new Error(`the text of these faults does not stand once in the source; correct tools/mutations.ts:\n${list}`)
  }
  const chosen = mutations.filter(({ name }) => name.includes(values.only))
  let survived = 0
  for (const mutation of chosen) {
    const noticed = await tryOut(mutation)
    if (!noticed) survived++
    console.log(rowOf(mutation, noticed))
  }
  console.log(`\n${chosen.length} faults, ${chosen.length - survived} noticed, ${survived} survived`)
  if (survived > 0) process.exitCode = 1
} finally {
  rmSync(copy, { recursive: true, force: true })
}

async function tryOut(mutation: Mutation): Promise<Noticed | null> {
  const file = join(copy, mutation.file)
  const before = readFileSync(file, 'utf8')
  const started = performance.now()
  writeFileSync(
    file,
    before.replace(mutation.find, () => mutation.replace),
  )
  try {
    const by = mutation.tests ? await failingTests(mutation.tests) : await failingSeed(mutation.seed ?? 1).catch(crash)
    return by ? { by, seconds: (performance.now() - started) / 1000 } : null
  } finally {
    writeFileSync(file, before)
  }
}

async function failingSeed(seed: number): Promise<string | null> {
  const worker = pathToFileURL(join(copy, 'test/simulation/worker.ts'))
  const { failed } = await runMany({ seed, runs: Number(values.runs), only: null, mostFailures: 1, worker })
  const [first] = failed
  return first ? `seed ${first.seed}: ${first.violations[0]}` : null
}

function crash(error: Error): string {
  return `it crashes: ${error.message}`
}

function failingTests(files: readonly string[]): Promise<string | null> {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [vitest, 'run', '--root', copy, ...files], { stdio: 'ignore' })
    child.on('error', reject)
    child.on('close', (code) => resolve(code === 0 ? null : `tests: ${files.join(', ')}`))
  })
}

function rowOf({ name }: Mutation, noticed: Noticed | null): string {
  const result = noticed ? `${noticed.by.slice(0, 110)} (${noticed.seconds.toFixed(1)} s)` : 'SURVIVED'
  return `${name.padEnd(72)} ${result}`
}
