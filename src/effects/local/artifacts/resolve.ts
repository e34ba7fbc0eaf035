import { createHash } from 'node:crypto'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { distance } from 'fastest-levenshtein'
import type { Config } from '../../../config/config.ts'
import type { ArtifactSource } from '../../../domain/revision.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import { git } from './git.ts'

// From what the user typed to what exactly is meant, pinned: a full commit, or a digest of a folder's content.

export interface ResolvedVersion {
  /** As typed. */
  readonly version: string
  readonly source: ArtifactSource
}

/** Starts with no dash, and holds nothing that git or a path gives a meaning to. */
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._+/-]*$/

/** @throws OperatingError UNKNOWN_VERSION with the nearest names there are */
export async function resolveVersion(config: Config, version: string): Promise<ResolvedVersion> {
  const plausible = VERSION.test(version) && !version.split('/').some((part) => part === '' || part.startsWith('.'))
  const { artifacts, root } = config
  const source = !plausible
    ? null
    : artifacts.from === 'git'
      ? await commitOf(root, version)
      : await folderOf(root, artifacts.pattern, version)
  if (source) return { version, source }
  throw unknownVersion(version, await knownVersions(config))
}

/** @returns null when there is no such tag, branch or commit in the repository on this machine */
async function commitOf(root: string, version: string): Promise<ArtifactSource | null> {
  const repository = await repositoryOf(root)
  const commit = await git(repository, [
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${version}^{commit}`,
  ]).catch(() => null)
  return commit ? { kind: 'git', repository, commit } : null
}

async function folderOf(root: string, pattern: string, version: string): Promise<ArtifactSource | null> {
  const path = resolve(root, pattern.replace('{version}', version))
  if (!existsSync(path) || !statSync(path).isDirectory()) return null
  return { kind: 'directory', path: realpathSync(path), digest: await treeDigest(path) }
}

async function repositoryOf(root: string): Promise<string> {
  try {
    return await git(root, ['rev-parse', '--show-toplevel'])
  } catch {
    throw new OperatingError(
      'CONFIG_INVALID',
      `Versions come from git, but ${root} is in no git repository.`,
      'Run git init there, or set artifacts.from to directory in moodify.yaml.',
    )
  }
}

/** Names of all versions there are, in no particular order. */
export async function knownVersions({ artifacts, root }: Config): Promise<string[]> {
  if (artifacts.from === 'git') {
    const repository = await repositoryOf(root)
    const names = await git(repository, ['for-each-ref', '--format=%(refname:short)', 'refs/tags', 'refs/heads'])
    return names.split('\n').filter((name) => name !== '')
  }
  const [before = '', after = ''] = artifacts.pattern.split('{version}')
  const [, parent = '.', prefix = ''] = /^(?:(.*)\/)?([^/]*)$/.exec(before) ?? []
  const [, suffix = '', rest = ''] = /^([^/]*)(.*)$/.exec(after) ?? []
  const folder = resolve(root, parent)
  const names = existsSync(folder) ? await readdir(folder) : []
  return names
    .filter((name) => name.startsWith(prefix) && name.endsWith(suffix) && existsSync(join(folder, name + rest)))
    .map((name) => name.slice(prefix.length, name.length - suffix.length))
}

function unknownVersion(version: string, known: readonly string[]): OperatingError {
  const nearest = known.toSorted((a, b) => distance(a, version) - distance(b, version)).slice(0, 3)
  const hint = nearest.length === 0 ? 'There is no version yet.' : `Did you mean ${nearest.join(', ')}?`
  return new OperatingError('UNKNOWN_VERSION', `There is no version ${JSON.stringify(version)}.`, hint)
}

/** SHA-256 over names, kinds, executable bits and contents of everything below a folder. */
export async function treeDigest(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }))
  const hash = createHash('sha256')
  for (const { entry, path } of paths.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    const name = relative(folder, path)
    if (entry.isSymbolicLink()) hash.update(`link ${name}\0${await readlink(path)}\0`)
    if (!entry.isFile()) continue
    const content = await readFile(path)
    const executable = (statSync(path).mode & 0o100) !== 0
    hash.update(`${executable ? 'program' : 'file'} ${name}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}
