// Runs tests on a cluster that is there, or on one that is brought up for them and taken away again.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const cluster = join(import.meta.dirname, '..')
const root = join(cluster, '../..')

/**
 * Sets the exit code: that of the tests, or 2 where no cluster can be had.
 *
 * @param command      what is typed, for messages
 * @param options      arguments of `vitest run`
 * @param environment  variables for the tests
 */
export function runOnCluster(command: string, options: readonly string[], environment: NodeJS.ProcessEnv = {}): void {
  const isExisting = process.env['MOODIFY_TEST_CLUSTER'] === 'existing'
  const lack = isExisting ? lackOfExisting() : lackOfOwn()
  if (lack) {
    console.error(`${command}: ${lack}`)
    process.exit(2)
  }
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...environment,
    MOODIFY_TEST_CLUSTER: isExisting ? 'existing' : 'own',
  }
  try {
    if (!isExisting) {
      const up = spawnSync(join(cluster, 'up'), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
      if (up.status !== 0) {
        console.error(`${command}: the test cluster could not be started`)
        process.exitCode = 2
        return
      }
      env['KUBECONFIG'] = up.stdout.trim()
      execFileSync(process.execPath, [join(cluster, 'images/pack.ts')], { stdio: 'inherit', env })
    }
    const vitest = join(root, 'node_modules/vitest/vitest.mjs')
    // Gateways and Services of the cluster can only be reached from inside its network.
    const enter = isExisting ? process.env['MOODIFY_TEST_ENTER'] : join(cluster, 'enter')
    const [program, ...words] = [...(enter ? [enter] : []), process.execPath, vitest, 'run', ...options]
    process.exitCode = spawnSync(program!, words, { cwd: root, env, stdio: 'inherit' }).status ?? 1
  } finally {
    if (!isExisting) for (const part of ['planes/down', 'down']) spawnSync(join(cluster, part), { stdio: 'inherit' })
  }
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
