// The moodify.yaml that `moodify init` proposes: what was found in the project, and every setting with its
// default in a comment. Prose begins with `# `; all other comments are settings: without the `#` they change nothing.
import { defaults } from './defaults.ts'
import { NAME } from './schema.ts'

export interface ProjectFacts {
  readonly folderName: string
  /** Null outside a git repository. */
  readonly git: { readonly newestTag: string | null } | null
  /** The project's folder, `.`, and those one level below. */
  readonly folders: readonly FolderFacts[]
  readonly busyPorts: readonly number[]
}

export interface FolderFacts {
  /** Relative to the project, `.` for itself. */
  readonly folder: string
  readonly packageJson: {
    readonly scripts: Readonly<Record<string, string>>
    readonly hasDependencies: boolean
  } | null
  readonly lockFile: LockFile | null
  /** A file that looks like a server's, such as `server.mjs`. */
  readonly entry: string | null
  /** Paths in the source that look like health checks, such as `/health/ready`. */
  readonly healthPaths: readonly string[]
  readonly hasEnvFile: boolean
}

export const installCommands = {
  'package-lock.json': 'npm ci',
  'pnpm-lock.yaml': 'pnpm install --frozen-lockfile',
  'yarn.lock': 'yarn install --frozen-lockfile',
} as const
export type LockFile = keyof typeof installCommands

const FIRST_PORT = 8080
const FRONT = /^(frontend|front|web|website|client|ui|app|www|site)$/
const API = /^(api|backend|server)$/

interface ProposedService {
  readonly name: string
  readonly path: string
  readonly folder: FolderFacts
  readonly start: string
}

/** @returns the text of a valid moodify.yaml */
export function proposeConfig(facts: ProjectFacts): string {
  const services = proposeServices(facts)
  const [first = placeholderService, ...others] = services.map((service) => serviceText(service, facts))
  const proposed = [first, ...others.map(withoutProse)]
  const text = [
    '# How moodify ships this project. Lines such as #keepSeconds: 600 are settings with their default; take the #',
    '# away to change one.',
    '',
    `name: ${nameFrom(facts.folderName, 'app')}`,
    '',
    artifactsText(facts),
    '',
    '# In the order in which a release ships them.',
    'services:',
    proposed.join('\n\n'),
    '',
    environmentsText(freePort(facts.busyPorts)),
    '',
    settingsText,
  ]
  return `${text.join('\n')}\n`
}

/** A project that starts by itself is one service; otherwise each folder that does is one. */
function proposeServices(facts: ProjectFacts): ProposedService[] {
  const startable = facts.folders.flatMap((folder) => {
    const start = startCommand(folder)
    return start === null ? [] : [{ folder, start }]
  })
  const own = startable.filter(({ folder }) => folder.folder === '.')
  const chosen = own.length > 0 ? own : startable
  const names = distinctNames(
    chosen.map(({ folder }) => nameFrom(folder.folder === '.' ? facts.folderName : folder.folder, 'service')),
  )
  const front = Math.max(
    0,
    names.findIndex((name) => FRONT.test(name)),
  )
  const apis = names.filter((name) => API.test(name))
  return chosen.map((service, index) => {
    const name = names[index]!
    const ownPath = apis.length === 1 && name === apis[0] ? '/api' : `/${name}`
    return { ...service, name, path: index === front ? '/' : ownPath }
  })
}

/** The command itself where it is plain, because SIGTERM then reaches the service and not a shell of npm's. */
function startCommand({ packageJson, entry }: FolderFacts): string | null {
  const script = packageJson?.scripts['start']
  if (script !== undefined) return /^(node|python3?) [\w ./=-]+$/.test(script) ? script : 'npm start'
  if (entry === null) return null
  return entry.endsWith('.py') ? `python3 ${entry}` : `node ${entry}`
}

function buildCommand({ packageJson, lockFile }: FolderFacts): string | null {
  const install = lockFile ? installCommands[lockFile] : packageJson?.hasDependencies ? 'npm install' : null
  const build = packageJson?.scripts['build'] === undefined ? null : 'npm run build'
  return [install, build].filter((command) => command !== null).join(' && ') || null
}

function serviceText({ name, path, folder, start }: ProposedService, facts: ProjectFacts): string {
  const build = buildCommand(folder)
  const rootPaths = facts.folders.find((other) => other.folder === '.')?.healthPaths ?? []
  const health = healthFrom(folder.healthPaths.length > 0 ? folder.healthPaths : rootPaths)
  const envFile = folder.folder === '.' ? '.env' : `${folder.folder}/.env`
  return indent(2, [
    `${name}:`,
    ...indented([
      '# Folder in which both commands run.',
      `directory: ${scalar(folder.folder)}`,
      '# Makes a version ready to run, once per version.',
      build === null ? '# Nothing to build was found. Such as build: npm ci' : `build: ${scalar(build)}`,
      '# Runs one replica in the foreground; it listens on 127.0.0.1 at $PORT and ends itself on SIGTERM.',
      `start: ${scalar(start)}`,
      '# How many run in each slot.',
      `#replicas: ${defaults.service.replicas}`,
      '# Requests whose path starts with this go to the service; stripPath removes it on the way.',
      `path: ${path}`,
      `#stripPath: ${defaults.service.stripPath}`,
      '# Environment variables; secrets belong in a file of NAME=value lines.',
      '#env: {}',
      folder.hasEnvFile ? `envFile: ${scalar(envFile)}` : '# Such as envFile: .env',
      ...health.lines,
      '# Time between SIGTERM and SIGKILL, and longest time that requests in flight are waited for before it.',
      `#graceSeconds: ${defaults.service.graceSeconds}`,
      `#drainSeconds: ${defaults.service.drainSeconds}`,
      '# A replica above this resident size is restarted; no limit unless set. Such as memoryLimitMb: 512',
      '# Requests to the new version before users see it. Also: headers, body, contains, latencySeconds.',
      ...(health.smokePath === null ? ['#smoke: []'] : ['smoke:', `  - request: GET ${health.smokePath}`]),
    ]),
  ])
}

/** What was explained at the first service is not explained again. */
function withoutProse(text: string): string {
  return text.replaceAll(/^ *# \S.*\n/gm, '')
}

function healthFrom(paths: readonly string[]): { lines: string[]; smokePath: string | null } {
  const { startup, ready, live } = defaults.health
  const note = '# How a replica says that it is well: one path, or startup, ready and live each by itself.'
  const thresholds = (
    ['periodSeconds', 'timeoutSeconds', 'failureThreshold', 'successThreshold', 'startupSeconds'] as const
  ).map((key) => `#  ${key}: ${defaults.health[key]}`)
  if ([startup, ready, live].every((path) => paths.includes(path))) {
    const lines = [note, '#health:', `#  startup: ${startup}`, `#  ready: ${ready}`, `#  live: ${live}`, ...thresholds]
    return { lines, smokePath: ready }
  }
  const order = [ready, '/readyz', '/healthz', '/health', '/ready', live, '/livez', '/ping', '/status']
  const best = order.find((path) => paths.includes(path)) ?? null
  if (best !== null) return { lines: [note, `health: ${best}`], smokePath: best }
  return { lines: [note, '# None was found, so any answer 2xx or 3xx at / counts.', 'health: /'], smokePath: null }
}

function artifactsText({ git }: ProjectFacts): string {
  const { keep } = defaults.artifacts
  if (git === null) {
    return `# Where the files of a version come from: one folder per version, because this is no git repository.
artifacts:
  from: directory
  pattern: releases/{version}
  # How many prepared versions stay on disk.
  #keep: ${keep}`
  }
  const example =
    git.newestTag === null ? 'git tag v1.0.0, then moodify deploy v1.0.0' : `moodify deploy ${git.newestTag}`
  return `# Where the files of a version come from: tags and commits of this repository.
# Such as ${example}
artifacts:
  from: git
  # How many prepared versions stay on disk.
  #keep: ${keep}`
}

function environmentsText(port: number): string {
  return `# Each may have its own strategy and its own values of all settings below.
environments:
  production:
    # Where it runs: processes on this machine.
    #platform: ${defaults.environment.platform}
    # Port on 127.0.0.1 where users' requests arrive; 0 takes a free one and keeps it.
    listen: ${port}
    # blue-green, canary or rolling, unless the command says otherwise.
    #strategy: ${defaults.environment.strategy}`
}

const { canary, blueGreen, rolling, triggers, waits } = defaults

const settingsText = `# A share of the traffic that grows in stages. Profiles: progressive (10, 25, 50, 100), staged (10, 50, 100 with
# 900 s a stage), immediate (100); or weights: [5, 50, 100] in place of a profile.
#canary:
#  profile: ${canary.profile}
#  stageSeconds: ${canary.stageSeconds}
#  early: ${canary.early}

# All traffic at once, watched for this long; with approval the switch waits for moodify promote.
#blueGreen:
#  monitorSeconds: ${blueGreen.monitorSeconds}
#  approval: ${blueGreen.approval}
#  preSwitchPercent: ${blueGreen.preSwitchPercent}

# One replica after the other, each ready for this long before the next.
#rolling:
#  monitorSeconds: ${rolling.monitorSeconds}
#  minReadySeconds: ${rolling.minReadySeconds}

# When a release goes back by itself: worse than the old version beyond the margin, or beyond a limit.
#triggers:
#  mode: ${triggers.mode}
#  alphaPercent: ${triggers.alphaPercent}
#  margin: ${triggers.margin}
#  warmUpSeconds: ${triggers.warmUpSeconds}
#  sharedFault: ${triggers.sharedFault}
#  errorRatePercent: ${triggers.errorRatePercent}
#  p95Seconds: ${triggers.p95Seconds}
#  crashLoop: ${triggers.crashLoop}
#  failingHealthPercent: ${triggers.failingHealthPercent}
#  minRequests: ${triggers.minRequests}
#  minBad: ${triggers.minBad}
#  windowSeconds: ${triggers.windowSeconds}

# Longest times: to become ready, for the front to follow, for an approval, for a verdict. Then hold or rollback;
# without traffic hold or advance-on-health.
#waits:
#  readySeconds: ${waits.readySeconds}
#  proofSeconds: ${waits.proofSeconds}
#  approvalSeconds: ${waits.approvalSeconds}
#  unknownSeconds: ${waits.unknownSeconds}
#  onUnknown: ${waits.onUnknown}
#  onNoTraffic: ${waits.onNoTraffic}

# How long the old version stays warm for an instant rollback.
#keepSeconds: ${defaults.keepSeconds}

# A JSON message per event to a URL. Such as webhook: https://example.com/hook
#notify: {}

# Own commands at fixed moments: before, beforeTraffic, afterSwitch, afterRollback. Such as before: ./migrate.sh
#hooks: {}`

const placeholderService = indent(2, [
  'app:',
  ...indented([
    '# Nothing that starts a server was found: write the command that runs one replica in the foreground.',
    '# It listens on 127.0.0.1 at $PORT and ends itself on SIGTERM.',
    'start: node server.mjs',
    '# A path that answers 2xx or 3xx while the replica is well.',
    'health: /',
  ]),
])

function freePort(busy: readonly number[]): number {
  let port = FIRST_PORT
  while (busy.includes(port)) port++
  return port
}

/** The nearest allowed name. */
function nameFrom(text: string, otherwise: string): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 28)
    .replace(/-+$/, '')
  return NAME.test(name) && name !== 'constructor' ? name : otherwise
}

function distinctNames(names: readonly string[]): string[] {
  const taken = new Set<string>()
  return names.map((name) => {
    let free = name
    for (let number = 2; taken.has(free); number++) free = `${name}-${number}`
    taken.add(free)
    return free
  })
}

/** Text as a YAML value: plain where that cannot be misread, else in quotes. */
function scalar(text: string): string {
  const plain = text === '.' || (/^[a-z][\w ./&-]*[\w./]$/i.test(text) && !/^(true|false|null)$/i.test(text))
  return plain ? text : JSON.stringify(text)
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`)
}

function indent(spaces: number, lines: readonly string[]): string {
  return lines.map((line) => `${' '.repeat(spaces)}${line}`).join('\n')
}
