// `moodify up` of another build while users are served: supervisor, front and runner are replaced, and nothing is lost.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FrontStatus, SupervisorSnapshot } from '../../src/effects/local/protocol.ts'
import { socketClient } from '../../src/effects/local/socket-client.ts'
import { type Embedded, embedded, SERVICE } from '../support/embedded.ts'
import { expectNothingDropped, figures, type Load, startLoad } from '../support/load.ts'
import { until } from '../support/until.ts'
import { type Build, makeBuilds } from './builds.ts'

const SETTINGS = { canary: { weights: [50, 100], stageSeconds: 2 } }
const LOAD = { requestsPerSecond: 200, sockets: 8 }

async function serve(platform: Embedded, build: Build): Promise<string> {
  await build.moodify('up')
  await build.moodify('deploy', '-v', 'good', '--yes')
  await platform.settled()
  return platform.url()
}

function ask<T>(socket: string, path: string): Promise<T> {
  const client = socketClient(socket)
  return client.request<T>('GET', path).finally(() => client.close())
}

const frontOf = ({ paths }: Embedded) => ask<FrontStatus>(paths.frontSocket('production'), '/status')
const supervisorOf = ({ paths }: Embedded) => ask<SupervisorSnapshot>(paths.supervisorSocket, '/snapshot')

async function moreRequests(traffic: Load, count: number): Promise<void> {
  const { requests } = traffic.snapshot()
  await until(`${count} requests more`, () => traffic.snapshot().requests >= requests + count)
}

test('upgrade: three builds in a row under load drop no request and cut no WebSocket', async () => {
  await using platform = embedded(SETTINGS)
  const [first, ...next] = makeBuilds(platform, ['one.mjs', 'two.mjs', 'three.mjs', 'four.mjs'])
  const url = await serve(platform, first!)
  await using traffic = startLoad(url, LOAD)
  await moreRequests(traffic, 200)
  const pids = [(await frontOf(platform)).pid]
  for (const build of next) {
    expect(await build.moodify('up')).not.toContain('warning')
    const { pid, build: running } = await frontOf(platform)
    expect(running).toBe(build.name)
    expect((await supervisorOf(platform)).build).toBe(build.name)
    pids.push(pid)
    await moreRequests(traffic, 400)
  }
  expect(new Set(pids).size).toBe(4)
  expect((await frontOf(platform)).draining, 'the WebSockets are still with the first').toContain(pids[0])
  const report = await traffic.stop()
  console.info(figures('three upgrades in a row', report))
  expectNothingDropped(report)
  expect(report.sockets).toMatchObject({ opened: LOAD.sockets, streamsCut: 0 })
  await until('the old fronts have ended', async () => (await frontOf(platform)).draining!.length === 0)
})

test('upgrade: a release that runs goes on under the new build', async () => {
  await using platform = embedded(SETTINGS)
  const [first, second] = makeBuilds(platform, ['one.mjs', 'two.mjs'])
  const url = await serve(platform, first!)
  await using traffic = startLoad(url, LOAD)
  await first!.moodify('deploy', '-v', 'good2', '-s', 'canary', '-m', '300', '--detach')
  await platform.atStep(`${SERVICE}.analyse-50`)
  const before = await platform.snapshot()
  const { epoch } = await platform.state()
  await second!.moodify('up')
  await until('another runner has taken over', async () => (await platform.state()).epoch > epoch)
  const after = await until('it is seen', async () => {
    const seen = await platform.snapshot()
    return seen.runner.pid !== null && seen
  })
  expect(after.runner.pid).not.toBe(before.runner.pid)
  expect(after.front.pid).not.toBe(before.front.pid)
  expect((await platform.state()).release?.direction).toBe('forward')
  for (const weight of [50, 100]) {
    await platform.atStep(`${SERVICE}.analyse-${weight}`)
    await second!.moodify('promote')
  }
  await platform.settled()
  expect(await platform.stableVersion()).toBe('good2')
  const report = await traffic.stop()
  console.info(figures('an upgrade in the middle of a release', report))
  expectNothingDropped(report)
})

test('upgrade: a repository that is cleaned to the ground does not touch what serves from it', async () => {
  await using platform = embedded(SETTINGS)
  const git = (...args: string[]) => execFileSync('git', args, { cwd: platform.root, stdio: 'ignore' })
  writeFileSync(join(platform.root, '.gitignore'), 'node_modules\n')
  git('init')
  git('add', '.')
  git('-c', 'user.name=ana', '-c', 'user.email=ana@example.org', 'commit', '-m', 'all')
  const [build] = makeBuilds(platform, ['node_modules/moodify-deploy/dist/moodify.mjs'])
  const url = await serve(platform, build!)
  await using traffic = startLoad(url, LOAD)
  await moreRequests(traffic, 200)
  const before = { front: await frontOf(platform), supervisor: await supervisorOf(platform) }
  git('clean', '-fdx')
  expect(existsSync(build!.file)).toBe(false)
  await moreRequests(traffic, 400)
  expect((await frontOf(platform)).source).toBe(before.front.source)
  expect((await supervisorOf(platform)).pid).toBe(before.supervisor.pid)

  await platform.kill(before.supervisor.pid)
  const back = await until('the supervisor is back by itself', () => supervisorOf(platform).catch(() => null))
  expect(back).toMatchObject({ build: build!.name, pid: expect.not.toSatisfy((pid) => pid === before.supervisor.pid) })
  await moreRequests(traffic, 400)
  const report = await traffic.stop()
  console.info(figures('git clean -fdx, then the supervisor killed', report))
  expectNothingDropped(report)
})

test('upgrade: a build whose front cannot take over is a warning with the remedy, and users do not notice', async () => {
  await using platform = embedded(SETTINGS)
  const [first, broken] = makeBuilds(platform, ['one.mjs', 'broken.mjs'])
  const url = await serve(platform, first!)
  const text = readFileSync(broken!.file, 'utf8').replace(/^#!.*\n/, '')
  writeFileSync(broken!.file, `if (process.argv.includes('--take-over')) process.exit(9)\n${text}`)
  await using traffic = startLoad(url, LOAD)
  await moreRequests(traffic, 200)
  const printed = await broken!.moodify('up')
  expect(printed).toMatch(/warning: the front of production is still .*, and serves: .* with status 9\./)
  expect(printed).toContain('next: moodify up, which tries again')
  await moreRequests(traffic, 200)
  expect((await frontOf(platform)).build).toBe(first!.name)
  const report = await traffic.stop()
  expectNothingDropped(report)
  expect(report.sockets).toMatchObject({ opened: LOAD.sockets, streamsCut: 0 })
})

test('upgrade: bundles that nothing runs from any more are removed, those in use are kept', async () => {
  await using platform = embedded(SETTINGS)
  const [first, second] = makeBuilds(platform, ['one.mjs', 'two.mjs'])
  const url = await serve(platform, first!)
  const folder = join(platform.paths.state, 'runtime')
  const bundleOf = ({ name }: Build) => `moodify-${name.split('+')[1]}.mjs`
  const bundles = () => readdirSync(folder).filter((name) => name.endsWith('.mjs'))
  const age = () => {
    for (const name of bundles()) utimesSync(join(folder, name), 0, 0)
  }
  const kept = startLoad(url, { requestsPerSecond: 10, sockets: 1 })
  await until('a WebSocket is open', () => kept.snapshot().sockets.roundTrips > 0)
  age()
  await second!.moodify('up')
  expect(bundles().toSorted()).toEqual([bundleOf(first!), bundleOf(second!)].toSorted())
  expectNothingDropped(await kept.stop())
  await until('the old front has ended', async () => (await frontOf(platform)).draining!.length === 0)
  await until('its process too', async () => {
    age()
    await second!.moodify('up')
    return bundles().length === 1
  })
  expect(bundles()).toEqual([bundleOf(second!)])
})
