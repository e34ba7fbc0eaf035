import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeRepository } from '../../demo/repository.ts'
import { moodifyMix, seededRandom } from '../../demo/traffic-mix.ts'
import { loadConfig } from '../../src/config/load.ts'
import { appFolder, type Service, startService } from '../examples/app.ts'

const folder = mkdtempSync(join(tmpdir(), 'moodify-demo-'))
const repository = join(folder, 'repository')
const git = (...args: string[]) => execFileSync('git', ['-C', repository, ...args], { encoding: 'utf8' }).trim()

beforeAll(async () => {
  await makeRepository(repository)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('repository', () => {
  test('it has one commit and one tag per version on main, and nothing uncommitted', () => {
    const tags = git('log', '--reverse', '--format=%D').match(/tag: [^,\n]+/g)
    expect(tags).toEqual(['tag: v0.9.0', 'tag: v1.0.0', 'tag: v1.1.0', 'tag: v1.2.0', 'tag: v1.3.0'])
    expect(git('branch', '--show-current')).toBe('main')
    expect(git('status', '--porcelain')).toBe('')
  })

  test('each version says its own name and writes it into its change log', () => {
    for (const tag of ['v0.9.0', 'v1.0.0', 'v1.1.0', 'v1.2.0', 'v1.3.0']) {
      expect(JSON.parse(git('show', `${tag}:version.json`))).toEqual({ version: tag })
      expect(git('show', `${tag}:CHANGELOG.md`)).toMatch(
        new RegExp(`^# Changes\\n\\n## ${tag.replaceAll('.', '\\.')}\\n`),
      )
    }
  })

  test('v1.0.0 is the application as it stands in examples/', () => {
    for (const file of ['moodify.yaml', 'backend/server.mjs', 'version.json']) {
      expect(execFileSync('git', ['-C', repository, 'show', `v1.0.0:${file}`], { encoding: 'utf8' })).toBe(
        readFileSync(join(appFolder, file), 'utf8'),
      )
    }
  })

  test('nothing of this machine is in it, and it is the same each time', async () => {
    expect(git('log', '--format=%an <%ae> %cn <%ce>').split('\n')).toEqual(
      new Array(5).fill('Moodify <team@moodify.example> Moodify <team@moodify.example>'),
    )
    expect(readdirSync(join(repository, '.git'))).not.toContain('hooks')
    const again = join(folder, 'again')
    await makeRepository(again)
    expect(execFileSync('git', ['-C', again, 'rev-parse', 'v1.3.0'], { encoding: 'utf8' }).trim()).toBe(
      git('rev-parse', 'v1.3.0'),
    )
  })

  test('a folder with something in it is left alone', async () => {
    const full = mkdtempSync(join(folder, 'full-'))
    writeFileSync(join(full, 'mine.txt'), 'mine')
    await expect(makeRepository(full)).rejects.toMatchObject({ code: 'REFUSED' })
    expect(readdirSync(full)).toEqual(['mine.txt'])
  })
})

describe('versions', () => {
  // Each is really run: what is claimed of it has to be seen from outside.
  const REQUESTS = 200

  interface Seen {
    readonly status: number
    readonly ms: number
  }

  async function tryVersion(
    tag: string,
  ): Promise<{ answers: Seen[]; health: number[]; smoke: string[]; errorRate: number }> {
    const root = join(folder, tag)
    git('worktree', 'add', '--detach', '--quiet', root, tag)
    const service = await startService('backend', { root })
    try {
      const smoke = await runSmokeTests(service)
      const before = await healthOf(service)
      const answers = await askForRecommendations(service)
      const health = [...before, ...(await healthOf(service))]
      const { error_rate } = (await (await fetch(`${service.url}/metrics/error-rate`)).json()) as { error_rate: number }
      return { answers, health, smoke, errorRate: error_rate }
    } finally {
      service.kill()
    }
  }

  const healthOf = (service: Service) =>
    Promise.all(
      ['startup', 'ready', 'live'].map(async (probe) => (await fetch(`${service.url}/health/${probe}`)).status),
    )

  /** @returns what failed; times are not looked at, since this machine may be busy */
  async function runSmokeTests(service: Service): Promise<string[]> {
    const backend = loadConfig(join(repository, 'moodify.yaml')).services.find(({ name }) => name === 'backend')!
    const results = backend.smoke.map(async ({ name, method, path, headers, body, expect: expected }) => {
      const answer = await fetch(service.url + path, { method, headers: { ...headers }, body })
      const text = await answer.text()
      const isGood = answer.status === expected.status && text.includes(expected.body ?? '')
      return isGood ? [] : [`${name}: ${answer.status} ${text}`]
    })
    return (await Promise.all(results)).flat()
  }

  async function askForRecommendations(service: Service): Promise<Seen[]> {
    const random = seededRandom(3)
    const kind = moodifyMix.find(({ name }) => name === 'recommendations')!
    const paths = Array.from({ length: REQUESTS }, () => kind.make(random).path)
    const answers: Seen[] = []
    const worker = async () => {
      for (let path = paths.pop(); path; path = paths.pop()) {
        const startedAt = performance.now()
        const answer = await fetch(service.url + path)
        await answer.text()
        answers.push({ status: answer.status, ms: performance.now() - startedAt })
      }
    }
    await Promise.all(Array.from({ length: 40 }, worker))
    return answers
  }

  const share = (answers: Seen[], is: (seen: Seen) => boolean) => answers.filter(is).length / answers.length
  const isFailed = ({ status }: Seen) => status === 500
  const isGood = ({ status }: Seen) => status === 200
  const allGreen = { health: new Array(6).fill(200), smoke: [] }

  test.each(['v0.9.0', 'v1.0.0', 'v1.1.0'])('%s answers everything', async (tag) => {
    const { answers, errorRate, ...checks } = await tryVersion(tag)
    expect(share(answers, isGood)).toBe(1)
    expect(errorRate).toBe(0)
    expect(checks).toEqual(allGreen)
  })

  test('v1.2.0 fails some recommendations while health and smoke tests are green', async () => {
    const { answers, errorRate, ...checks } = await tryVersion('v1.2.0')
    expect(share(answers, isFailed)).toBeGreaterThan(0.1)
    expect(share(answers, isFailed)).toBeLessThan(0.4)
    expect(share(answers, isFailed) + share(answers, isGood)).toBe(1)
    expect(errorRate).toBeGreaterThan(0.1)
    expect(checks).toEqual(allGreen)
  })

  test('v1.3.0 is slow while health and smoke tests are green', async () => {
    const { answers, errorRate, ...checks } = await tryVersion('v1.3.0')
    expect(share(answers, isGood)).toBe(1)
    expect(share(answers, ({ ms }) => ms > 600)).toBeGreaterThan(0.5)
    expect(errorRate).toBe(0)
    expect(checks).toEqual(allGreen)
  })
})
