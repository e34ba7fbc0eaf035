import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FolderFacts, type ProjectFacts, proposeConfig } from '../../src/config/init.ts'
import { inspectProject } from '../../src/config/inspect.ts'
import { configOf } from './examples.ts'

// The same cases on every run; another seed looks at new ones.
fc.configureGlobal({ seed: 1 })

const folder = (name: string, facts: Partial<FolderFacts> = {}): FolderFacts => ({
  folder: name,
  packageJson: null,
  lockFile: null,
  entry: null,
  healthPaths: [],
  hasEnvFile: false,
  ...facts,
})
const packageJson = (scripts: Record<string, string>) => ({ scripts, hasDependencies: true })

const shop: ProjectFacts = {
  folderName: 'Web Shop',
  git: { newestTag: 'v1.2.0' },
  folders: [
    folder('.'),
    folder('backend', {
      packageJson: packageJson({ start: 'node server.mjs', build: 'tsc' }),
      lockFile: 'package-lock.json',
      healthPaths: ['/health/live', '/health/ready', '/health/startup'],
      hasEnvFile: true,
    }),
    folder('frontend', { packageJson: packageJson({ start: 'vite preview --port $PORT' }), healthPaths: ['/healthz'] }),
  ],
  busyPorts: [8080],
}

/** Takes the `#` off the settings and leaves the prose. */
function withSettingsOn(text: string): string {
  return text.replaceAll(/^( *)#(?! \S)/gm, '$1')
}

describe('proposal', () => {
  test('init: two folders that start become two services, the front end at /', () => {
    const { name, services, environments } = configOf(proposeConfig(shop))
    expect(name).toBe('web-shop')
    expect(
      services.map(({ name, directory, build, start, path, envFile }) => ({
        name,
        directory,
        build,
        start,
        path,
        envFile,
      })),
    ).toEqual([
      {
        name: 'backend',
        directory: 'backend',
        build: 'npm ci && npm run build',
        start: 'node server.mjs',
        path: '/api',
        envFile: '/project/backend/.env',
      },
      { name: 'frontend', directory: 'frontend', build: 'npm install', start: 'npm start', path: '/', envFile: null },
    ])
    expect(services.map(({ probes }) => probes.ready.path)).toEqual(['/health/ready', '/healthz'])
    expect(services.map(({ smoke }) => smoke.map((each) => each.name))).toEqual([
      ['GET /health/ready'],
      ['GET /healthz'],
    ])
    expect(environments['production']!.listen).toBe(8081)
  })

  test('init: the settings in comments are the defaults, so taking the # away changes nothing', () => {
    const text = proposeConfig(shop)
    const on = withSettingsOn(text)
    expect(on).not.toBe(text)
    expect(configOf(on)).toEqual(configOf(text))
  })

  test('init: every key of the settings is in the text', () => {
    const text = withSettingsOn(proposeConfig(shop))
    for (const key of [
      'stageSeconds',
      'approval',
      'minReadySeconds',
      'p95Seconds',
      'onNoTraffic',
      'keepSeconds',
      'notify',
      'hooks',
    ]) {
      expect(text).toMatch(new RegExp(`^ *${key}:`, 'm'))
    }
  })

  test('init: a project that starts by itself is one service', () => {
    const own = folder('.', { packageJson: packageJson({ start: 'node .' }) })
    const { services } = configOf(proposeConfig({ ...shop, folders: [own, ...shop.folders.slice(1)] }))
    expect(services.map(({ name, directory, start, path }) => [name, directory, start, path])).toEqual([
      ['web-shop', '.', 'node .', '/'],
    ])
  })

  test('init: outside git a version is a folder', () => {
    expect(configOf(proposeConfig({ ...shop, git: null })).artifacts).toMatchObject({ from: 'directory' })
  })

  test('init: an empty folder gets one service to fill in', () => {
    const text = proposeConfig({ folderName: '1', git: null, folders: [folder('.')], busyPorts: [] })
    expect(configOf(text).services).toHaveLength(1)
    expect(text).toContain('Nothing that starts a server was found')
  })

  test('init: whatever is found, the proposal is valid and its comments change nothing', () => {
    const anyFolder = fc.record<FolderFacts>({
      folder: fc.string({ minLength: 1, maxLength: 40 }).filter((name) => !/[/\p{Cc}]/u.test(name) && name !== '..'),
      packageJson: fc.option(
        fc.record({
          scripts: fc.record({ start: fc.string(), build: fc.string() }, { requiredKeys: [] }),
          hasDependencies: fc.boolean(),
        }),
      ),
      lockFile: fc.constantFrom('package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', null),
      entry: fc.constantFrom('server.mjs', 'app.py', null),
      healthPaths: fc.subarray(['/health/startup', '/health/ready', '/health/live', '/healthz', '/ping']),
      hasEnvFile: fc.boolean(),
    })
    const facts = fc.record<ProjectFacts>({
      folderName: fc.string(),
      git: fc.option(fc.record({ newestTag: fc.constantFrom('v1', null) })),
      folders: fc.array(anyFolder, { maxLength: 5 }),
      busyPorts: fc.subarray([8080, 8081]),
    })
    fc.assert(
      fc.property(facts, (each) => {
        const text = proposeConfig(each)
        expect(configOf(withSettingsOn(text))).toEqual(configOf(text))
      }),
      { numRuns: 500 },
    )
  })
})

describe('inspection', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'moodify-init-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const git = (...command: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...command], { cwd: root, stdio: 'ignore' })

  test('init: scripts, lock files, env files and health paths of each folder are found', async () => {
    write('backend/package.json', JSON.stringify({ scripts: { start: 'node server.mjs' }, dependencies: { a: '1' } }))
    write('backend/package-lock.json', '{}')
    write('backend/.env', 'SECRET=1')
    write('backend/src/health.mjs', "if (path === '/healthz') answer()")
    write('frontend/server.mjs', "route('/health/ready'); route(`/health/live`)")
    write('broken/package.json', '{')
    write('node_modules/other/server.mjs', "'/ping'")
    const { folders } = await inspectProject(root)
    expect(folders).toEqual([
      folder('.', { healthPaths: ['/health/live', '/health/ready', '/healthz'] }),
      folder('backend', {
        packageJson: { scripts: { start: 'node server.mjs' }, hasDependencies: true },
        lockFile: 'package-lock.json',
        healthPaths: ['/healthz'],
        hasEnvFile: true,
      }),
      folder('broken'),
      folder('frontend', { entry: 'server.mjs', healthPaths: ['/health/live', '/health/ready'] }),
    ])
  })

  test('init: a repository is found from a folder inside it, with its newest tag', async () => {
    write('app/server.mjs', '')
    git('init')
    expect((await inspectProject(root)).git).toEqual({ newestTag: null })
    git('add', '.')
    git('commit', '-m', 'first')
    git('tag', 'v1.0.0')
    expect((await inspectProject(join(root, 'app'))).git).toEqual({ newestTag: 'v1.0.0' })
  })

  test('init: a folder outside git is said to be outside', async () => {
    expect((await inspectProject(root)).git).toBeNull()
  })

  test('init: a port that another program listens on is busy', async () => {
    const server = createServer()
    try {
      // Busy already is just as good.
      await new Promise<void>((done) => {
        server.once('error', () => done()).listen(8083, '127.0.0.1', () => done())
      })
      expect((await inspectProject(root)).busyPorts).toContain(8083)
    } finally {
      server.close()
    }
  })
})
