// What the runbook's scripts make of their flags and variables. A stand-in for `node` prints what it was called with.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const scripts = join(root, 'scripts/deployment')

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'moodify-scripts-'))
  const node = join(folder, 'node')
  writeFileSync(node, '#!/bin/sh\necho "IMAGE_REGISTRY=$IMAGE_REGISTRY"\nfor each; do echo "$each"; done\n')
  chmodSync(node, 0o755)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Run {
  readonly status: number | null
  readonly registry: string
  /** What moodify was called with, joined by blanks. */
  readonly moodify: string
  readonly stderr: string
}

function run(script: string, args: readonly string[], variables: Record<string, string> = {}): Run {
  const { status, stdout, stderr } = spawnSync(script, args, {
    cwd: tmpdir(),
    env: { PATH: `${folder}:/usr/bin:/bin`, ...variables },
    encoding: 'utf8',
  })
  const [registry = '', runner = '', program = '', ...rest] = stdout.trim().split('\n')
  if (status === 0) expect([runner, program]).toEqual(['tools/run.mjs', 'bin/moodify.mjs'])
  return { status, registry: registry.replace('IMAGE_REGISTRY=', ''), moodify: rest.join(' '), stderr }
}

const script = (name: string) => join(scripts, name)

describe('the printed commands', () => {
  test.each([
    [
      'blue-green-deploy.sh',
      '-e staging -v v1.2.3 -r your-registry.azurecr.io',
      'deploy -e staging -v v1.2.3 -s blue-green',
    ],
    [
      'canary-deploy.sh',
      '-v v1.2.3 -r your-registry.azurecr.io -s progressive -m 300',
      'deploy -e production -v v1.2.3 -s canary --profile progressive -m 300',
    ],
    ['canary-deploy.sh', '-v v1.2.3 -s immediate', 'deploy -e production -v v1.2.3 -s canary --profile immediate'],
    ['rollback.sh', '-t blue-green -f', 'rollback -e production -t blue-green -f'],
    ['rollback.sh', '-t version -v v1.2.2 -f', 'rollback -e production -t version -v v1.2.2 -f'],
    ['smoke-tests.sh', 'production', 'step verify -e production'],
    ['smoke-tests.sh', 'canary', 'step verify -e production --slot canary'],
    [
      'smoke-tests.sh',
      '--url https://api.example --json',
      'step verify -e production --url https://api.example --json',
    ],
    ['blue-green-deploy.sh', '-v v1 -s rolling', 'deploy -e production -v v1 -s rolling'],
  ])('%s %s', (name, args, expected) => {
    const ran = run(script(name), args.split(' '))
    expect(ran).toMatchObject({ status: 0, moodify: expected, stderr: '' })
    if (args.includes('-r ')) expect(ran.registry).toBe('your-registry.azurecr.io')
  })

  test('scripts/smoke-tests.sh is the same program', () =>
    expect(run(join(root, 'scripts/smoke-tests.sh'), ['staging']).moodify).toBe('step verify -e staging'))
})

describe('the environment', () => {
  test.each(['blue-green-deploy.sh', 'canary-deploy.sh', 'rollback.sh', 'smoke-tests.sh'])(
    '%s takes it from -e, else from NAMESPACE, else it is production',
    (name) => {
      const variables = { IMAGE_TAG: 'v1.2.3' }
      expect(run(script(name), [], variables).moodify).toContain('-e production')
      expect(run(script(name), [], { ...variables, NAMESPACE: 'moodify-staging' }).moodify).toContain('-e staging')
      const both = run(script(name), ['-e', 'production'], { ...variables, NAMESPACE: 'moodify-staging' })
      expect(both.moodify).toContain('-e production')
      expect(both.stderr).toMatch(/^warning: -e production is what counts; NAMESPACE=moodify-staging/)
    },
  )

  test('nothing is said when both name the same', () =>
    expect(run(script('rollback.sh'), ['-e', 'staging'], { NAMESPACE: 'moodify-staging' }).stderr).toBe(''))
})

test('version and registry come from the variables of the manual procedure too', () => {
  const variables = { IMAGE_TAG: 'v1.2.3', IMAGE_REGISTRY: 'registry.example/team' }
  const ran = run(script('blue-green-deploy.sh'), ['-e', 'staging'], variables)
  expect(ran).toMatchObject({ moodify: 'deploy -e staging -v v1.2.3 -s blue-green', registry: 'registry.example/team' })
})

test('other options are handed on, with their values whole', () =>
  expect(run(script('blue-green-deploy.sh'), ['-v', 'v1', '--dry-run', '--rps', '10']).moodify).toBe(
    'deploy -e production -v v1 -s blue-green --dry-run --rps 10',
  ))

test.each(['blue-green-deploy.sh', 'canary-deploy.sh'])('%s without a version asks for one', (name) =>
  expect(run(script(name), [])).toMatchObject({ status: 2, stderr: expect.stringContaining('-v') }),
)

test.each(['blue-green-deploy.sh', 'canary-deploy.sh', 'rollback.sh', 'smoke-tests.sh'])(
  '%s --help names every option and does nothing',
  (name) => {
    const help = execFileSync(script(name), ['--help'], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } })
    expect(help).toMatch(new RegExp(`^Usage: ${name} `))
    expect(help).toContain('--help')
  },
)
