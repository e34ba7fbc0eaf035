// One file for start-up time and for the embedded platform, which copies it out of the repository. An argument is
// where it goes instead of dist/.
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { VERSION } from '../src/version.ts'

const root = join(import.meta.dirname, '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
if (version !== VERSION)
  throw new Error(`src/version.ts says ${VERSION}, package.json says ${version}: make them the same`)

const outfile = process.argv[2] ?? join(root, 'dist', 'moodify.mjs')
await build({
  entryPoints: [join(root, 'src', 'main.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'esm',
  legalComments: 'inline',
  // Only commands to a cluster need it, and it is larger than the rest; those run from the package.
  external: ['@kubernetes/client-node'],
  // Dependencies written for CommonJS ask for `require`.
  banner: {
    js: "import { createRequire as makeRequire } from 'node:module'\nconst require = makeRequire(import.meta.url)",
  },
})
chmodSync(outfile, 0o755)
