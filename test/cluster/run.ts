// `npm run test:cluster`: the tests of this folder on a cluster that is there, or on one that is brought up for them.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const root = join(here, '../..')

const isExisting = process.env['MOODIFY_TEST_CLUSTER'] === 'existing'
const lack = isExisting ? lackOfExisting() : lackOfOwn()
if (lack) {
  console.error(`test:cluster: ${lack}`)
  process.exit(2)
}
const environment: NodeJS.ProcessEnv = { ...process.env, MOODIFY_TEST_CLUSTER: isExisting ? 'existing' : 'own' }
try {
  if (!isExisting) {
    environment['KUBECONFIG'] = execFileSync(join(here, 'up'), {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    }).trim()
    execFileSync(process.execPath, [join(here, 'images/pack.ts')], { stdio: 'inherit', env: environment })
  }
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const options = ['run', '--config', join(root, 'vitest.cluster.config.ts'), ...process.argv.slice(2)]
  // Gateways and Services of the cluster can only be reached from inside its network.
  const enter = isExisting ? process.env['MOODIFY_TEST_ENTER'] : join(here, 'enter')
  const [program, ...words] = [...(enter ? [enter] : []), process.execPath, vitest, ...options]
  const { status } = spawnSync(program!, words, {
    cwd: root,
    env: environment,
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
} finally {
  if (!isExisting) spawnSync(join(here, 'down'), { stdio: 'inherit' })
}

function lackOfExisting(): string | null {
  return process.env['KUBECONFIG'] ? null : 'MOODIFY_TEST_CLUSTER=existing needs KUBECONFIG, the path of a kubeconfig'
}

/** What the cluster of this folder needs, in words; null when all is there. */
function lackOfOwn(): string | null {
  const remedy = 'set MOODIFY_TEST_CLUSTER=existing and KUBECONFIG to use a cluster of yours'
  if (process.platform !== 'linux') return `the test cluster runs on Linux; ${remedy}`
  if (process.getuid?.() !== 0) return `the test cluster must be started by root; ${remedy}`
  if (!isProgram('go')) return `Go is needed to build the test cluster, and is not on the PATH; ${remedy}`
  if (!isProgram('containerd') && !existsSync('/usr/bin/apt-get'))
    return `containerd is needed, and there is no apt-get to install it; ${remedy}`
  return null
}

function isProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
}
