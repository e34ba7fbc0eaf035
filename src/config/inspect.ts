// What `moodify init` looks at in a project before it proposes a configuration. Reads; runs nothing of the project.
import { execFileSync } from 'node:child_process'
import { type Dirent, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, join, resolve } from 'node:path'
import { type FolderFacts, installCommands, type LockFile, type ProjectFacts } from './init.ts'

const CANDIDATE_PORTS = Array.from({ length: 10 }, (_, index) => 8080 + index)
const ENTRIES = ['server.mjs', 'server.js', 'server.cjs', 'server.py', 'app.py', 'main.py']
const SOURCES = /\.(mjs|cjs|js|mts|ts|py|go|rb)$/
const NOT_SERVICES = /^(\..*|node_modules|dist|build|coverage|vendor|test|tests|e2e|docs|scripts|tools|bench)$/
const HEALTH_PATH = /['"`](\/(?:health\/(?:startup|ready|live)|healthz|readyz|livez|health|ready|ping|status))['"`]/g

/** Enough to find a health path; a large repository must not make `init` slow. */
const LIMITS = { depth: 3, files: 300, bytes: 256 * 1024 }

/** @param root folder of the project */
export async function inspectProject(root: string): Promise<ProjectFacts> {
  const folder = resolve(root)
  const below = entriesOf(folder)
    .filter((entry) => entry.isDirectory() && !NOT_SERVICES.test(entry.name))
    .map((entry) => entry.name)
    .toSorted()
  const busy = await Promise.all(CANDIDATE_PORTS.map(isBusy))
  return {
    folderName: basename(folder),
    git: inspectGit(folder),
    folders: ['.', ...below].map((name) => inspectFolder(folder, name)),
    busyPorts: CANDIDATE_PORTS.filter((_, index) => busy[index]),
  }
}

function inspectFolder(root: string, name: string): FolderFacts {
  const folder = join(root, name)
  const has = (file: string) => existsSync(join(folder, file))
  return {
    folder: name,
    packageJson: has('package.json') ? readPackage(join(folder, 'package.json')) : null,
    lockFile: (Object.keys(installCommands) as LockFile[]).find(has) ?? null,
    entry: ENTRIES.find(has) ?? null,
    healthPaths: findHealthPaths(folder),
    hasEnvFile: has('.env'),
  }
}

/** Of a file that is no package.json at all, nothing: `init` is no place to complain about it. */
function readPackage(file: string): FolderFacts['packageJson'] {
  try {
    const { scripts, dependencies, devDependencies } = JSON.parse(readFileSync(file, 'utf8'))
    const texts = Object.entries(scripts ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    )
    return {
      scripts: Object.fromEntries(texts),
      hasDependencies: Object.keys({ ...dependencies, ...devDependencies }).length > 0,
    }
  } catch {
    return null
  }
}

function findHealthPaths(folder: string): string[] {
  const found = new Set<string>()
  let filesLeft = LIMITS.files
  search(folder, 0)
  return [...found].toSorted()

  function search(at: string, depth: number): void {
    for (const entry of entriesOf(at)) {
      const path = join(at, entry.name)
      if (entry.isDirectory() && depth < LIMITS.depth && !NOT_SERVICES.test(entry.name)) search(path, depth + 1)
      if (!entry.isFile() || !SOURCES.test(entry.name) || filesLeft-- <= 0) continue
      for (const [, healthPath] of sourceOf(path).matchAll(HEALTH_PATH)) found.add(healthPath!)
    }
  }
}

/** Empty for a folder that may not be read. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

/** Empty for a file that is too large or may not be read. */
function sourceOf(file: string): string {
  try {
    return statSync(file).size > LIMITS.bytes ? '' : readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function inspectGit(folder: string): ProjectFacts['git'] {
  if (git(folder, 'rev-parse', '--show-toplevel') === null) return null
  const tags = git(folder, 'tag', '--sort=-creatordate', '--merged', 'HEAD')
  return { newestTag: tags?.split('\n')[0] || null }
}

/** The answer of git, or null when it is missing or refuses. */
function git(folder: string, ...command: readonly string[]): string | null {
  try {
    const answer = execFileSync('git', command, {
      cwd: folder,
      encoding: 'utf8',
      timeout: 5_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return answer.trim()
  } catch {
    return null
  }
}

function isBusy(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', () => done(true))
    server.listen(port, '127.0.0.1', () => server.close(() => done(false)))
  })
}
