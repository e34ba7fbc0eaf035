// What the supervisor of a test starts in place of the bundle: the real supervisor and the real front, and a runner
// that does what a file says.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { frontFromArguments, runFront } from '../../src/effects/local/front/main.ts'
import { runWorker } from '../../src/effects/local/front/worker.ts'
import { runSupervisor, supervisorFromArguments } from '../../src/effects/local/supervisor/main.ts'

const FIRST_BUILD = 'test'
const [, , , kind, ...argv] = process.argv
// The same file under another name is another build.
const version = /entry-(.+)\.ts$/.exec(process.argv[1]!)?.[1] ?? FIRST_BUILD

try {
  if (kind === 'supervisor') await supervisor()
  else if (kind === 'front' && argv.includes('--take-over')) await takeOver()
  else if (kind === 'front') await runFront(frontOptions())
  else if (kind === 'front-worker') await worker()
  else if (kind === 'runner') runner()
} catch (error) {
  console.error(String(error))
  process.exit(1)
}

async function supervisor(): Promise<void> {
  const tuning = JSON.parse(process.env['TEST_TUNING'] ?? '{}')
  const command = [process.execPath, process.argv[1]!]
  await runSupervisor({ ...supervisorFromArguments(argv), version, build: version, command, tuning })
}

function frontOptions() {
  const workerCommand = [process.execPath, process.argv[1]!, 'internal', 'front-worker']
  return { ...frontFromArguments(argv), version, workerCommand }
}

async function worker(): Promise<void> {
  await runWorker()
  process.exit()
}

/** Some builds fail to take over from the front before them, each in its own way. */
async function takeOver(): Promise<void> {
  if (version === 'dying') process.exit(9)
  if (version !== 'silent' && version !== 'fragile') return runFront(frontOptions())
  process.on('message', ({ kind }: { kind: string }) => {
    if (version === 'fragile' && kind === 'state') process.send!({ kind: 'prepared', controlSocket: '/nowhere' })
    if (kind === 'listen') process.exit(9)
  })
  process.send!({ kind: 'ready' })
}

/** Exits with the number in the file `runner-exit` of the project's folder, as soon as it is there. */
function runner(): void {
  const { values } = parseArgs({ args: argv, options: { root: { type: 'string' }, environment: { type: 'string' } } })
  console.log(`runner of ${values.environment}`)
  const file = join(values.root!, 'runner-exit')
  setInterval(() => {
    if (existsSync(file)) process.exit(Number(readFileSync(file, 'utf8')))
  }, 20)
}
