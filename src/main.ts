// argv → exit code.
import { composeContext, composeRunner } from './compose.ts'
import { NOT_AGAIN } from './effects/local/protocol.ts'
import { buildOf } from './effects/local/supervisor/launch.ts'
import { OperatingError } from './errors/catalogue.ts'
import { JournalDamaged } from './journal/journal.ts'
import { VERSION } from './version.ts'
import { runCommandLine } from './views/cli/program.ts'

/**
 * Processes of the embedded platform start themselves through these; they are no part of the command line, which
 * starts sooner without them.
 */
const internals: Readonly<Record<string, (argv: readonly string[]) => Promise<number>>> = {
  async supervisor(argv) {
    const { runSupervisor, supervisorFromArguments } = await import('./effects/local/supervisor/main.ts')
    await runSupervisor({
      ...supervisorFromArguments(argv),
      version: VERSION,
      build: thisBuild(),
      command: [process.execPath, process.argv[1]!],
    })
    return 0
  },
  async front(argv) {
    const { frontFromArguments, runFront } = await import('./effects/local/front/main.ts')
    const workerCommand = [process.execPath, process.argv[1]!, 'internal', 'front-worker']
    await runFront({ ...frontFromArguments(argv), version: VERSION, build: thisBuild(), workerCommand })
    return 0
  },
  async 'front-worker'() {
    const { runWorker } = await import('./effects/local/front/worker.ts')
    await runWorker()
    return 0
  },
  async runner(argv) {
    const { parseArgs } = await import('node:util')
    const { values } = parseArgs({
      args: [...argv],
      options: {
        root: { type: 'string' },
        environment: { type: 'string' },
        'in-cluster': { type: 'boolean', default: false },
      },
    })
    const stop = new AbortController()
    process.once('SIGTERM', () => stop.abort())
    try {
      const end = await composeRunner(values.root!, values.environment!, {
        signal: stop.signal,
        isInCluster: values['in-cluster'],
      })
      return end === 'stopped' ? 143 : 0
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      console.error(`error ${error.code}: ${error.message}`)
      return error instanceof JournalDamaged ? NOT_AGAIN : error.exitCode
    }
  },
}

const thisBuild = (): string => buildOf(VERSION, process.argv[1]!)

const [first, second, ...rest] = process.argv.slice(2)
const internal = first === 'internal' ? internals[second ?? ''] : undefined
process.exitCode = internal
  ? await internal(rest)
  : await runCommandLine(process.argv.slice(2), { composeContext, version: VERSION })
if (internal) process.exit()
