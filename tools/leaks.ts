// What must not get into the repository: absolute paths of the machine somebody works on, and hosts of a private
// package registry. Both work for their author and for nobody else.
import { execFileSync } from 'node:child_process'
import { lstatSync, readFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

export const PUBLIC_REGISTRY = 'registry.npmjs.org'

/** Every line of a file that is or will be tracked and holds a leak, as `file:line: text`. */
export function findLeaks(root: string): string[] {
  const leak = new RegExp([...machinePaths(root), ...registryHosts(root)].join('|'))
  return repositoryFiles(root).flatMap((file) => leaksIn(root, file, leak))
}

function leaksIn(root: string, file: string, leak: RegExp): string[] {
  const path = join(root, file)
  // Deleted files are still listed, and so are links to folders.
  if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return []
  const text = readFileSync(path, 'utf8')
  if (text.includes('\0') || !leak.test(text)) return []
  return text
    .split('\n')
    .flatMap((line, index) => (leak.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 160)}`] : []))
}

function repositoryFiles(root: string): string[] {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  return list.toString().split('\0').filter(Boolean)
}

function machinePaths(root: string): string[] {
  const tooGeneral = new Set(['/', resolve(tmpdir())])
  return [homedir(), root, dirname(root)]
    .map((folder) => resolve(folder))
    .filter((folder) => !tooGeneral.has(folder))
    .map((folder) => `(?<![\\w.~/-])${RegExp.escape(folder)}(?![\\w.-])`)
}

/** Hosts that the package manager of this machine is set to, and any that a lock file names. */
function registryHosts(root: string): string[] {
  const npmrc = ['registry', 'npm_config_registry', 'NPM_CONFIG_REGISTRY'].map((name) => process.env[name] ?? '')
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { resolved?: string }>
  }
  const locked = Object.values(lock.packages).map(({ resolved }) => resolved ?? '')
  const hosts = [...npmrc, ...locked].filter((address) => URL.canParse(address)).map((address) => new URL(address).host)
  return [...new Set(hosts)]
    .filter((host) => host !== '' && host !== PUBLIC_REGISTRY)
    .map((host) => RegExp.escape(host))
}
