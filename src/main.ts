// argv → exit code.
import { composeContext, composeRunner } from './compose.ts'
import { frontFromArguments, runFront } from './effects/local/front/main.ts'
import { runSupervisor, supervisorFromArguments } from './effects/local/supervisor/main.ts'
import { VERSION } from './version.ts'
import { runCommandLine } from './views/cli/program.ts'

/** Processes of the embedded platform start themselves through these; they are no part of the command line. */
const internals: Readonly<Record<string, (argv: readonly string[]) => Promise<number>>> = {
  async supervisor(argv) {
    await runSupervisor({
      ...supervisorFromArguments(argv),
      version: VERSION,
      command: [process.execPath, process.argv[1]!],
    })
    return 0
  },
  async front(argv) {
    await runFront({ ...frontFromArguments(argv), version: VERSION })
    return 0
  },
  async runner(argv) {
    const { parseArgs } = await import('node:util')
    const { values } = parseArgs({
      args: [...argv],
      options: { root: { type: 'string' }, environment: { type: 'string' } },
    })
    const stop = new AbortController()
    process.once('SIGTERM', () => stop.abort())
    const end = await composeRunner(values.root!, values.environment!, stop.signal)
    return end === 'stopped' ? 143 : 0
  },
}

const [first, second, ...rest] = process.argv.slice(2)
const internal = first === 'internal' ? internals[second ?? ''] : undefined
process.exitCode = internal
  ? await internal(rest)
  : await runCommandLine(process.argv.slice(2), { composeContext, version: VERSION })
if (internal) process.exit()
