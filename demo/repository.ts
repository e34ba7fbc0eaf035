// Makes a git repository of examples/moodify with one commit and tag per version of `versions.ts`. Nothing of this
// machine's git is used: no configuration, no hooks, no signing, a committer of its own, fixed dates. So the commits
// have the same names on every machine.
import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { devNull } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { invariant, OperatingError } from '../src/errors/catalogue.ts'
import { type AppVersion, appVersions, type Change } from './versions.ts'

const source = fileURLToPath(new URL('../examples/moodify', import.meta.url))
const run = promisify(execFile)

/**
 * @param target  absolute folder, new or empty
 * @returns       the tags in the order of their commits, and what each is
 * @throws        OperatingError REFUSED if the folder has something in it, PLATFORM_FAILED if git does not work;
 *                InvariantError if the application no longer has a text that a version changes
 */
export async function makeRepository(target: string): Promise<{ versions: { name: string; what: string }[] }> {
  await mkdir(target, { recursive: true })
  if ((await readdir(target)).length > 0) {
    throw new OperatingError('REFUSED', `${target} is not empty`, 'Name a new folder for the repository.')
  }
  await cp(source, target, { recursive: true })
  await git(target, 0, 'init', '--quiet', '--initial-branch=main', '--template=')
  for (const [index, version] of appVersions.entries()) {
    await applyVersion(target, version)
    await git(target, index, 'add', '--all')
    await git(target, index, 'commit', '--quiet', '--no-verify', '--no-gpg-sign', '-m', messageOf(version))
    await git(target, index, 'tag', '--annotate', '--no-sign', '-m', `Moodify ${version.name}`, version.name)
  }
  return { versions: appVersions.map(({ name, what }) => ({ name, what })) }
}

async function applyVersion(target: string, { name, changelog, changes }: AppVersion): Promise<void> {
  for (const change of changes) await applyChange(target, change)
  await writeFile(join(target, 'version.json'), `{ "version": "${name}" }\n`)
  if (changelog.length === 0) return
  const entry = [`## ${name}`, '', ...changelog.map((line) => `- ${line}`), '', ''].join('\n')
  await applyChange(target, { file: 'CHANGELOG.md', find: '# Changes\n\n', text: `# Changes\n\n${entry}` })
}

async function applyChange(target: string, { file, find, text }: Change): Promise<void> {
  const path = join(target, file)
  if (find === undefined) {
    await mkdir(dirname(path), { recursive: true })
    return writeFile(path, text, { flag: 'wx' })
  }
  const parts = (await readFile(path, 'utf8')).split(find)
  invariant(
    parts.length === 2,
    `examples/moodify/${file} has ${parts.length - 1} times, not once, the text that demo/versions.ts changes:\n${find}`,
  )
  await writeFile(path, parts.join(text))
}

const messageOf = ({ name, changelog }: AppVersion) =>
  [`Moodify ${name}`, '', ...changelog.map((line) => `- ${line}`)].join('\n').trim()

async function git(folder: string, day: number, ...args: string[]): Promise<void> {
  try {
    await run('git', ['-c', `core.hooksPath=${devNull}`, '-c', 'core.autocrlf=false', ...args], {
      cwd: folder,
      env: gitEnvironment(day),
    })
  } catch (error) {
    throw new OperatingError(
      'PLATFORM_FAILED',
      `git ${args[0]} did not work: ${(error as Error).message}`,
      'Make sure that git 2.28 or newer is installed.',
    )
  }
}

/** Without GIT_DIR and its like: when a hook of another repository runs this, they point there. */
function gitEnvironment(day: number): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'))
  const who = { NAME: 'Moodify', EMAIL: 'team@moodify.example', DATE: `2026-03-${10 + day}T10:00:00Z` }
  return {
    ...Object.fromEntries(inherited),
    GIT_CONFIG_GLOBAL: devNull,
    GIT_CONFIG_SYSTEM: devNull,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    ...Object.fromEntries(
      Object.entries(who).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]),
    ),
  }
}
