// The command line: flags to verbs, results to text. One action per verb; `session.ts` holds what they share.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { profileNames, triggerModes } from '../../config/config.ts'
import { durationFrom } from '../../domain/duration.ts'
import { rollbackTargets } from '../../engine/record.ts'
import { exitCodes } from '../../errors/catalogue.ts'
import { analyzeAction } from './actions/analyze.ts'
import { deployAction, planAction } from './actions/deploy.ts'
import { explainAction, historyAction, logsAction, statusAction } from './actions/look.ts'
import { doctorAction, downAction, initAction, upAction } from './actions/platform.ts'
import { diffAction, renderAction } from './actions/preview.ts'
import { replayAction } from './actions/replay.ts'
import { controlAction, lockAction, resumeAction, retryAction, rollbackAction, unlockAction } from './actions/steer.ts'
import { envAction, stepAction, stepNames } from './actions/step.ts'
import { type CompletionSpec, completionScript } from './completion.ts'
import { reportFailure } from './failure.ts'
import type { CommandLineOptions } from './options.ts'

/** @returns the exit code; see docs/reference/exit-codes.md */
export async function runCommandLine(argv: readonly string[], options: CommandLineOptions): Promise<number> {
  const exit = { code: 0 }
  process.stdout.on('error', endWithReader)
  const program = createProgram(options, exit)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exit.code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.badInput.code
    return reportFailure(error, { ...options, argv, json: argv.includes('--json') })
  }
}

/** A reader that has seen enough, such as `head`. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit(exitCodes.interrupted.code)
}

export function createProgram(options: CommandLineOptions, exit: { code: number }): Command {
  const program = new Command('moodify')
    .description(
      'Ships a version of a service, judges it, and puts the old one back before users notice if the new one is worse.',
    )
    .version(options.version, '-V, --version', 'print the version')
    .exitOverride()
    .showHelpAfterError('(moodify --help lists the commands)')
    .configureHelp({ showGlobalOptions: false, sortOptions: false })
    .addHelpText(
      'after',
      `\nExit codes: ${Object.values(exitCodes)
        .map(({ code, means }) => `\n  ${String(code).padStart(3)}  ${means}`)
        .join('')}`,
    )

  /** A command whose action gets its flags; what it returns is the exit code. */
  const verb = <Flags>(
    name: string,
    description: string,
    action: (flags: Flags, ...args: string[]) => Promise<number>,
  ) => {
    const command = program.command(name).description(description)
    return command.action(async (...all: unknown[]) => {
      const args = all.slice(0, -2) as string[]
      exit.code = await action(all.at(-2) as Flags, ...args)
    })
  }
  const inEnvironment = (command: Command) =>
    command.option('-e, --environment <name>', 'environment of moodify.yaml (default: production, else the first)')
  const withJson = (command: Command, what = 'print one JSON document and nothing else') =>
    command.option('--json', what)
  const { composeContext } = options

  verb('init', 'write a commented moodify.yaml from what is found in this folder', initAction).option(
    '--force',
    'overwrite an existing moodify.yaml',
  )
  withJson(
    verb('up', 'start the embedded platform of this folder; harmless when it runs', upAction(composeContext)),
  ).option('--systemd', 'print a unit file for systemd that starts it with the machine, and start nothing')
  withJson(
    verb(
      'down',
      'end the embedded platform of this folder: runners, replicas, then the way in',
      downAction(composeContext),
    ),
  ).option('-y, --yes', 'do not ask')

  planFlags(
    inEnvironment(
      withJson(
        verb('plan', 'print what a release would do, step by step; nothing is changed', planAction(composeContext)),
      ),
    ),
  )
  planFlags(
    inEnvironment(
      withJson(verb('deploy', 'ship a version', deployAction(composeContext)), 'print NDJSON events and nothing else'),
    ),
  )
    .option('--supersede', 'end the release that runs first')
    .option('--again', 'ship a version that was taken back before, or is live already')
    .option('--dry-run', 'print the plan and stop')
    .option('--in-cluster [image]', 'on a cluster: run the release in a Job there, so that this command may be left')
    .option('--detach', 'return as soon as the release has started')
    .option('-y, --yes', 'do not ask')

  inEnvironment(withJson(verb('status', 'what state the environment is in', statusAction(composeContext)))).option(
    '-w, --watch',
    'keep watching until the release has ended, or Ctrl-C',
  )
  for (const [name, description] of [
    ['promote', 'approve, or end the analysis of this stage now and go on'],
    ['pause', 'hold the traffic where it is; a failing verdict still takes the release back'],
    ['continue', 'go on after a pause'],
    ['abort', 'take the running release back to the stable version'],
  ] as const) {
    inEnvironment(withJson(verb(name, description, controlAction(composeContext, name)))).option(
      '-y, --yes',
      'do not ask',
    )
  }
  inEnvironment(
    withJson(
      verb('retry', 'try a failed step again now, or ship the failed release once more', retryAction(composeContext)),
    ),
  )
    .option('-y, --yes', 'do not ask')
    .option('--detach', 'return as soon as it has started')
  inEnvironment(withJson(verb('rollback', 'put the version before back', rollbackAction(composeContext))))
    .addOption(new Option('-t, --to <target>', 'what to go back to').choices([...rollbackTargets]).default('undo'))
    .option('-v, --version <version>', 'the version, for -t version')
    .option('-f, --force', 'do not ask')
    .option('-y, --yes', 'do not ask')
    .option('--detach', 'return as soon as it has started')
  inEnvironment(
    withJson(
      verb(
        'resume',
        'make sure that a runner watches the release, and answer for a hook',
        resumeAction(composeContext),
      ),
    ),
  )
    .option('--done <hook>', 'the hook whose result was lost is done')
    .option('--redo <hook>', 'run the hook whose result was lost once more')
  inEnvironment(
    withJson(
      verb(
        'lock',
        'let no release start; what runs goes on, and rollback is always possible',
        lockAction(composeContext),
      ),
    ),
  )
    .option('--reason <text>', 'why, for whoever is refused')
    .option('--for <time>', 'until when, such as 30m, 2h or 1d from now (default: until it is unlocked)', lockTime)
  inEnvironment(withJson(verb('unlock', 'let releases start again', unlockAction(composeContext))))
  inEnvironment(
    withJson(verb('explain', 'every decision of a release with its evidence', explainAction(composeContext))),
  ).argument('[release]', 'such as r-3 (default: the newest)')
  inEnvironment(withJson(verb('history', 'all releases of the environment', historyAction(composeContext))))
  inEnvironment(verb('render', 'print the objects that a version would be applied as', renderAction(composeContext)))
    .requiredOption('-v, --version <version>', 'tag of the images')
    .option('--slot <slot>', 'only this slot (default: all of them)')
    .option('-o, --output <folder>', 'write files there')
  inEnvironment(
    withJson(
      verb('diff', 'what applying a version would change, as the cluster says; nothing is', diffAction(composeContext)),
    ),
  )
    .requiredOption('-v, --version <version>', 'tag of the images')
    .option('--slot <slot>', 'this slot (default: the one that a release would use)')
  inEnvironment(
    verb('env', 'print the slot that is live, such as blue, and nothing else', envAction(composeContext)),
  ).option('--service <name>', 'service (default: the first one)')
  inEnvironment(
    withJson(
      verb('step', 'one step of a release by hand; what would drop requests is refused', stepAction(composeContext)),
    ),
  )
    .addArgument(program.createArgument('<step>', 'what to do').choices([...stepNames]))
    .argument('[value]', 'percent for weight, seconds for monitor, slot for switch and scale-down')
    .option('-v, --version <version>', 'the version, for apply and promote')
    .option('--slot <slot>', 'where: blue, green, canary, stable; for verify also live')
    .option('--replicas <number>', 'how many, for apply (default: as many as are live; one canary)', positive)
    .option('--service <name>', 'service (default: the first one)')
    .addOption(
      new Option('--url <url>', 'for verify: this address instead of the slots')
        .argParser(httpUrl)
        .conflicts(['slot', 'version']),
    )
    .addHelpText('after', stepHelp)
  inEnvironment(verb('logs', 'the output of the replicas', logsAction(composeContext)))
    .option('--slot <slot>', 'only this slot, or a role: stable, candidate')
    .option('-f, --follow', 'go on printing')
  inEnvironment(withJson(verb('doctor', 'look for what is wrong', doctorAction(composeContext))))
  judgeFlags(
    inEnvironment(
      withJson(
        verb('replay', 'what other settings would have decided on a past release', replayAction(composeContext)),
      ),
    ),
  ).argument('[release]', 'such as r-3 (default: the newest)')
  judgeFlags(verb('analyze', 'judge recorded data, a JSON document per line, without any platform', analyzeAction))
    .argument('<file>', 'NDJSON, one tick a line; - is standard input')
    .option('--each', 'a verdict for each line, not only the first that is not unknown and the last')
    .option('--config <moodify.yaml>', 'take the settings of its default environment, or of -e')
    .option('-e, --environment <name>', 'environment of that file')
    .addHelpText('after', analyzeHelp)
  verb('completion', 'print a completion script for a shell', async (_: unknown, shell: string) => {
    process.stdout.write(completionScript(shell as 'bash' | 'zsh' | 'fish', specOf(program)))
    return 0
  }).addArgument(program.createArgument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
  return program
}

function planFlags(command: Command): Command {
  return command
    .requiredOption('-v, --version <version>', 'git tag, commit, or name of a folder')
    .addOption(new Option('-s, --strategy <name>', 'how to ship it').choices(['blue-green', 'canary', 'rolling']))
    .option('-m, --monitor <seconds>', 'how long each stage is judged', positive)
    .addOption(
      new Option('--weights <percents>', 'stages of the canary, such as 10,25,50,100')
        .argParser(weights)
        .conflicts('profile'),
    )
    .addOption(new Option('--profile <name>', 'named stages of the canary').choices([...profileNames]))
    .option('--rps <number>', 'requests/s to assume when saying what the release can see', positive)
    .option('--see <percent>', 'propose first stages that find a version with this error rate', inRange(0.001, 100))
}

function judgeFlags(command: Command): Command {
  return command
    .option('--alpha <percent>', 'chance of taking a good version back', inRange(0.01, 20))
    .option('--margin <factor>', 'how many times as bad as stable is still good enough', inRange(1, 10))
    .option('--warmup <seconds>', 'time for which a new replica is left out of the comparison', notNegative)
    .addOption(new Option('--mode <mode>', 'how to judge').choices([...triggerModes]))
}

function inRange(least: number, most: number) {
  return (text: string) => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new InvalidArgumentError(`It is a number from ${least} to ${most}.`)
    return value
  }
}

function httpUrl(text: string): string {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? '')) return text
  throw new InvalidArgumentError('It starts with http:// or https://.')
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0 || text.trim() === '')
    throw new InvalidArgumentError('It is a number above 0.')
  return value
}

/** Longer than any freeze that is meant; a slip of the finger is told from one. */
const LONGEST_LOCK_MS = 366 * 86_400_000

function lockTime(text: string): number {
  const ms = durationFrom(text)
  if (ms === null || ms > LONGEST_LOCK_MS)
    throw new InvalidArgumentError('It is a number with s, m, h or d, such as 30m or 2h, and at most a year.')
  return ms
}

function notNegative(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0 || text.trim() === '') throw new InvalidArgumentError('It is 0 or more.')
  return value
}

const stepHelp = `
  apply -v VERSION       put a version into the slot that is not live, and wait until it is ready
  verify                 send the smoke tests to every slot that runs something, or to --url
  switch [slot]          all of the traffic to the slot that is not live
  weight PERCENT         so much of the traffic to the canary
  monitor [seconds]      judge what gets traffic now; ends with 0, 3 when unhealthy, 5 when unknown
  promote -v VERSION     what the canary runs becomes the version that stays
  scale-down SLOT        end what runs in a slot that gets no traffic`

const analyzeHelp = `
Each line, with the counts of that tick; latency (edges in ms), metrics and stable may be left out:
  {"t": 5, "stage": {"weight": 10, "startedAt": 0}, "canary": {"units": 50, "bad": 0, "replicas": 1},
   "stable": {"units": 450, "bad": 1, "replicas": 9}, "latency": {"edges": [100, 500], "canary": [48, 2, 0],
   "stable": [440, 10, 0]}, "metrics": {"logins": {"canary": {"units": 9, "bad": 0}, "stable": {"units": 80, "bad": 1}}}}

Exit code: 0 healthy at the end, 3 unhealthy, 5 still unknown, 2 a line that makes no sense.`

function weights(text: string): number[] {
  const values = text.split(',').map((part) => Number(part.trim()))
  const rising = values.every(
    (value, index) => Number.isInteger(value) && value > (values[index - 1] ?? 0) && value <= 100,
  )
  if (!rising || values.at(-1) !== 100)
    throw new InvalidArgumentError('They are whole percents that rise and end with 100, such as 10,50,100.')
  return values
}

function specOf(program: Command): CompletionSpec {
  return {
    commands: program.commands.map((command) => ({
      name: command.name(),
      description: command.description(),
      options: command.options.map(({ flags, description, argChoices }) => ({
        flags,
        description,
        ...(argChoices ? { values: argChoices } : {}),
      })),
    })),
  }
}
