// How long a command takes that only looks: `moodify --version` and `moodify status`, beside a Node that does nothing.
//
//   node bench/start-up.ts [--runs 25]
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { embedded } from '../test/support/embedded.ts'
import { installProgram } from './support/installed.ts'
import { median } from './support/measure.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '25' } } })
const program = installProgram()

await using platform = embedded()
await platform.serve()
const inProject = { cwd: platform.root, env: { ...process.env, XDG_STATE_HOME: join(platform.folder, 'state') } }
const kinds = {
  'node -e 0': { args: ['-e', '0'], goal: null },
  'moodify --version': { args: [program, '--version'], goal: 2.5 },
  'moodify status': { args: [program, 'status'], goal: 5 },
} as const

const took: Record<string, number[]> = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]))
for (let run = 0; run <= Number(values.runs); run++) {
  for (const [name, { args }] of Object.entries(kinds)) {
    const startedAt = performance.now()
    const ran = spawnSync(process.execPath, args, { ...inProject, encoding: 'utf8' })
    if (ran.status !== 0) throw new Error(`${name} ended with ${ran.status}: ${ran.stderr}`)
    // The first run fills the compile cache, as the first command of a user does.
    if (run > 0) took[name]!.push(performance.now() - startedAt)
  }
}

const nothing = median(took['node -e 0']!)
console.log('| Command | median | fastest | ratio of medians | goal |\n| --- | ---: | ---: | ---: | ---: |')
for (const [name, { goal }] of Object.entries(kinds)) {
  const times = took[name]!
  const ratio = (median(times) / nothing).toFixed(1)
  console.log(
    `| ${name} | ${median(times).toFixed(0)} ms | ${Math.min(...times).toFixed(0)} ms | ${ratio} | ${goal ? `≤ ${goal}` : ''} |`,
  )
}
