// What stands around the shell: a fresh clone of this repository, the test cluster in a known state, and stand-ins for
// what is not there. The machine is never asked for anything outside of it.
import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fillManifest, manifestFiles } from '../../../src/effects/kubernetes/manifests.ts'
import { REGISTRY } from '../../cluster/images/pack.ts'
import type { Fixture } from '../ledger.ts'
import { type Hosts, startHosts } from './hosts.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')
/** Releases watch for this long in place of minutes. */
const MONITOR_SECONDS = 12

export const PRODUCTION = 'moodify-production'
export const STAGING = 'moodify-staging'
const namespaces = [PRODUCTION, STAGING, 'moodify-development']

export interface World extends AsyncDisposable {
  readonly scratch: string
  readonly clone: string
  readonly hosts: Hosts
  /** The whole environment of a shell in it. */
  readonly variables: NodeJS.ProcessEnv
}

export async function createWorld(): Promise<World> {
  const scratch = await mkdtemp(join(tmpdir(), 'moodify-runbook-'))
  const clone = join(scratch, 'clone')
  await cloneRepository(scratch, clone)
  const hosts = await startHosts(scratch)
  await makePrograms(scratch, clone)
  const variables = {
    PATH: `${scratch}/bin:${process.env['PATH']}`,
    HOME: scratch,
    KUBECONFIG: process.env['KUBECONFIG'],
    CURL_HOME: scratch,
    TERM: 'xterm',
    LANG: 'C.UTF-8',
    STAND_IN_LOG: join(scratch, 'stand-ins.log'),
  }
  return {
    scratch,
    clone,
    hosts,
    variables,
    async [Symbol.asyncDispose]() {
      await hosts.close()
      await removeNamespaces()
      await rm(scratch, { recursive: true, force: true })
    },
  }
}

/** As after `git clone` and `npm ci`, with an origin to push to and a tag for the version before. */
async function cloneRepository(scratch: string, clone: string): Promise<void> {
  const git = (folder: string, ...args: string[]) => run('git', ['-C', folder, ...args])
  const origin = join(scratch, 'origin.git')
  await run('git', ['clone', '--quiet', '--bare', '--no-hardlinks', root, origin])
  await run('git', ['clone', '--quiet', origin, clone])
  await git(clone, 'config', 'user.name', 'On call')
  await git(clone, 'config', 'user.email', 'on-call@moodify.example')
  await git(clone, 'checkout', '--quiet', '-B', 'main')
  await git(clone, 'tag', 'v1.2.2', 'HEAD^')
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'))
  // Older than what is installed, or the first command would install it again.
  await utimes(join(clone, 'package-lock.json'), 0, 0)
}

/** `moodify` as `npm link` would put it on the PATH, and programs of clouds that only note what they were asked. */
async function makePrograms(scratch: string, clone: string): Promise<void> {
  const bin = join(scratch, 'bin')
  await mkdir(bin)
  await symlink(join(clone, 'bin/moodify.mjs'), join(bin, 'moodify'))
  for (const name of ['aws', 'gcloud']) {
    await cp(join(import.meta.dirname, `stand-ins/${name}.sh`), join(bin, name))
    await chmod(join(bin, name), 0o755)
  }
  // The minutes that commands name would make this test take hours.
  const node = `#!/usr/bin/env bash
arguments=()
while (($#)); do
  arguments+=("$1")
  [[ $1 != -m ]] || { shift; arguments+=(${MONITOR_SECONDS}); }
  shift
done
exec ${process.execPath} "\${arguments[@]}"
`
  await writeFile(join(bin, 'node'), node)
  await chmod(join(bin, 'node'), 0o755)
}

/** Puts the cluster, the configuration of the clone, and the way in to what a section starts from. */
export async function setUp(world: World, fixture: Fixture): Promise<void> {
  await removeNamespaces()
  if (fixture === 'none') return
  const isSingle = fixture === 'single' || fixture === 'released'
  await configure(world, isSingle ? 'single' : 'blue-green')
  await apply(['common/namespaces.yaml'], PRODUCTION, 'v1.2.2')
  const common = ['common/configmap.yaml', 'common/secrets.yaml', 'common/rbac.yaml', 'common/network-policies.yaml']
  for (const namespace of [PRODUCTION, STAGING]) await apply(common, namespace, 'v1.2.2')
  if (isSingle) {
    for (const tag of fixture === 'single' ? ['v1.2.2'] : ['v1.2.2', 'v1.2.3']) {
      await apply(['single', 'frontend'], PRODUCTION, tag)
      await rolledOut(PRODUCTION, 'backend-deployment', 'frontend-deployment')
    }
  } else {
    await apply(['blue-green/backend-service.yaml', 'blue-green/backend-blue.yaml'], PRODUCTION, 'v1.2.2')
    if (fixture === 'istio')
      await apply(['canary/istio-traffic-split.yaml', 'canary/nginx-ingress-canary.yaml'], PRODUCTION, 'v1.2.2')
    await rolledOut(PRODUCTION, 'backend-blue')
  }
  world.hosts.setGateway(fixture === 'istio')
}

/** moodify.yaml of the clone with the layout of the section, and with watching that does not take minutes. */
async function configure({ clone }: World, layout: 'single' | 'blue-green'): Promise<void> {
  const text = await readFile(join(root, 'moodify.yaml'), 'utf8')
  const watching = ['blueGreen: { monitorSeconds: N }', 'rolling: { monitorSeconds: N }', 'canary: { stageSeconds: N }']
  const changed = [
    text
      .replaceAll(/monitorSeconds: \d+/g, `monitorSeconds: ${MONITOR_SECONDS}`)
      .replaceAll('    kubernetes:\n', `    kubernetes:\n      layout: ${layout}\n`),
    ...watching.map((line) => line.replace('N', String(MONITOR_SECONDS))),
  ].join('\n')
  await writeFile(join(clone, 'moodify.yaml'), changed)
}

async function apply(paths: readonly string[], namespace: string, tag: string): Promise<void> {
  const variables = { IMAGE_REGISTRY: REGISTRY, IMAGE_TAG: tag, NAMESPACE: namespace }
  const files = manifestFiles(paths.map((path) => join(root, 'kubernetes', path)))
  const texts = await Promise.all(
    files.map(async (file) => fillManifest(await readFile(file, 'utf8'), file, variables)),
  )
  const child = run('kubectl', ['apply', '-f', '-'])
  child.child.stdin?.end(texts.join('\n---\n'))
  await child
}

export async function rolledOut(namespace: string, ...deployments: readonly string[]): Promise<void> {
  for (const name of deployments)
    await run('kubectl', ['rollout', 'status', `deployment/${name}`, '-n', namespace, '--timeout=180s'])
}

async function removeNamespaces(): Promise<void> {
  await run('kubectl', ['delete', 'namespace', ...namespaces, '--ignore-not-found', '--timeout=180s'])
}
