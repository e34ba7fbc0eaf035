#!/usr/bin/env node
// The first file every npm script runs. It must work on any Node from 20 on, with nothing installed:
// it installs what is missing, then hands over to the pinned Node.
//
//   node tools/run.mjs demo/main.ts [args]     runs a TypeScript file
//   node tools/run.mjs --bin vitest run        runs the binary of a dependency
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const pinnedNode = join(root, 'node_modules/.bin/node')
const installedLock = join(root, 'node_modules/.package-lock.json')

installIfNeeded()
const [first, ...rest] = process.argv.slice(2)
const file = first === '--bin' ? binaryOf(rest.shift()) : join(root, first)
const child = spawn(nodeToUse(), [file, ...rest], { stdio: 'inherit', cwd: first === '--bin' ? root : process.cwd() })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))

function installIfNeeded() {
  const lock = join(root, 'package-lock.json')
  if (existsSync(installedLock) && statSync(installedLock).mtimeMs >= statSync(lock).mtimeMs) return
  process.stderr.write('Installing dependencies (npm ci) ...\n')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (npm.status !== 0) {
    process.stderr.write(
      'npm ci failed; nothing was started. Check the network to the package registry and run the command again.\n',
    )
    process.exit(npm.status ?? 1)
  }
}

function nodeToUse() {
  if (existsSync(pinnedNode)) return realpathSync(pinnedNode)
  if (Number(process.versions.node.split('.')[0]) >= 26) return process.execPath
  process.stderr.write(
    `No pinned Node for ${process.platform} ${process.arch}; install Node 26 or newer and run the command again.\n`,
  )
  process.exit(1)
}

function binaryOf(name) {
  const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8'))
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[name])
}
