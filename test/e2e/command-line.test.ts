// The command line as a pipeline sees it, without a terminal: exit codes, what is printed where, and that what cannot
// be done changes nothing.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Embedded, embedded, type Ran, SERVICE } from '../support/embedded.ts'
import { startLoad } from '../support/load.ts'
import { processesOf } from '../support/processes.ts'
import { until } from '../support/until.ts'

/** Every line of standard output is a JSON document. */
function documents(stdout: string): unknown[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

function expectRefusal(ran: Ran, code: number, ...texts: RegExp[]): void {
  expect(ran.code, ran.stdout + ran.stderr).toBe(code)
  for (const text of texts) expect(ran.stderr).toMatch(text)
}

describe('where no platform runs', () => {
  let platform: Embedded
  let empty: string

  beforeAll(() => {
    platform = embedded()
    empty = join(platform.folder, 'empty')
    mkdirSync(empty)
  })
  afterAll(() => platform[Symbol.asyncDispose]())

  test('init writes a file once, and overwrites it only when forced', async () => {
    const cwd = join(platform.folder, 'new')
    mkdirSync(cwd)
    writeFileSync(join(cwd, 'package.json'), '{ "name": "shop", "scripts": { "start": "node server.mjs" } }')
    expect((await platform.run(['init'], { cwd })).code).toBe(0)
    const file = join(cwd, 'moodify.yaml')
    writeFileSync(file, '# mine\n')
    expectRefusal(await platform.run(['init'], { cwd }), 2, /CONFIG_EXISTS/, /moodify init --force/)
    expect(readFileSync(file, 'utf8')).toBe('# mine\n')
    expect((await platform.run(['init', '--force'], { cwd })).code).toBe(0)
    expect(readFileSync(file, 'utf8')).toContain('start: node server.mjs')
  })

  test.each(['status', 'up', 'deploy -v good', 'rollback', 'doctor', 'history'])(
    '%s without a moodify.yaml is bad input and says how to get one',
    async (command) => {
      expectRefusal(await platform.run(command.split(' '), { cwd: empty }), 2, /CONFIG_NOT_FOUND/, /moodify init/)
    },
  )

  test('a moodify.yaml with problems is bad input, and all of them are said', async () => {
    const cwd = join(platform.folder, 'broken')
    mkdirSync(cwd)
    const text = 'name: shop\nservices: { backend: { start: node server.mjs, replica: 2 } }\nenvironmens: {}\n'
    writeFileSync(join(cwd, 'moodify.yaml'), text)
    expectRefusal(await platform.run(['status'], { cwd }), 2, /CONFIG_INVALID/, /replicas/, /environments/)
  })

  test('status says that it is down, and deploy and resume need it up', async () => {
    const status = await platform.json<{ url: string | null; missing: string[] }>('status')
    expect(status.url).toBe(null)
    expect(status.missing.length).toBeGreaterThan(0)
    expectRefusal(await platform.run(['deploy', '-v', 'good', '--yes']), 6, /PLATFORM_DOWN/, /moodify up/)
    expect((await platform.run(['doctor'])).code).toBe(6)
    expect((await platform.run(['status'])).code).toBe(0)
    expect((await platform.records()).length).toBe(0)
  })

  test('down has nothing to end', async () => {
    expect(await platform.json('down')).toEqual({ ended: false })
  })

  test.each([
    [['deploy', '-v', 'god', '--yes'], /UNKNOWN_VERSION/, /good/],
    [['plan', '-v', '../good'], /UNKNOWN_VERSION/, /moodify|good/],
    [['status', '-e', 'staging'], /UNKNOWN_ENVIRONMENT/, /production/],
    [['deploy', '-v', 'good', '-s', 'big-bang'], /big-bang/, /blue-green, canary, rolling/],
    [['deploy', '-v', 'good', '--weights', '50,10'], /weights/, /10,50,100/],
    [['deploy', '-v', 'good', '--weights', '10,100', '--profile', 'staged'], /profile/, /weights/],
    [['deploy', '-v', 'good', '-s', 'rolling', '--weights', '10,100'], /BAD_FLAG/, /canary/],
    [['deploy', '-v', 'good', '-m', '-5'], /monitor/, /seconds/],
    [['deploy'], /--version/, /required/],
    [['rollback', '-t', 'version'], /BAD_FLAG/, /-v VERSION/],
    [['rollback', '-v', 'good'], /BAD_FLAG/, /-t version/],
    [['resume', '--done', 'before', '--redo', 'before'], /BAD_FLAG/, /exclude/],
    [['lock', '--for', 'tomorrow'], /--for/, /30m or 2h/],
    [['explain', 'r-99'], /UNKNOWN_RELEASE/, /moodify history/],
    [['depoly', '-v', 'good'], /depoly/, /deploy/],
    [['status', '--jsno'], /--jsno/, /--json/],
  ])('%j is bad input, and what was wrong is said', async (args, ...texts) => {
    expectRefusal(await platform.run(args), 2, ...texts)
  })

  test.each(['promote', 'abort', 'pause', 'continue', 'retry', 'rollback'])(
    '%s is refused where nothing has been released',
    async (verb) => {
      expectRefusal(await platform.run([verb]), 4, /REFUSED/, /next:/)
    },
  )
})

describe('on a platform that serves', () => {
  let platform: Embedded

  beforeAll(async () => {
    platform = embedded()
    await platform.serve()
  })
  afterAll(() => platform[Symbol.asyncDispose]())

  test('up again changes nothing', async () => {
    const before = { supervisor: platform.supervisorPid(), seen: await platform.snapshot() }
    await platform.moodify('up')
    const after = await platform.snapshot()
    expect(platform.supervisorPid()).toBe(before.supervisor)
    expect(after.front).toEqual(before.seen.front)
    expect(after.services[SERVICE]!.slots['blue']!.addresses).toEqual(
      before.seen.services[SERVICE]!.slots['blue']!.addresses,
    )
  })

  test('a version that is live already is nothing to do', async () => {
    const { stdout } = await platform.moodify('deploy', '-v', 'good', '--yes')
    expect(stdout).toContain('already live')
  })

  test.each(['promote', 'abort', 'pause', 'continue', 'retry'])('%s is refused when nothing runs', async (verb) => {
    // A runner that was asked for once more may take over at any moment, and end.
    const written = async () => (await platform.records()).filter(({ body }) => body.kind !== 'epochTaken').length
    const before = await written()
    expectRefusal(await platform.run([verb]), 4, /REFUSED/, /state: good serves everything/, /next: moodify/)
    expect(await written()).toBe(before)
  })

  test.each([
    'up',
    'plan -v good2',
    'deploy -v good2 --dry-run',
    'status',
    'history',
    'explain',
    'doctor',
    'resume',
    'deploy -v nothing',
    'promote',
    'status -e staging',
    'explain r-99',
  ])('%s --json prints exactly one JSON document', async (command) => {
    const { stdout } = await platform.run([...command.split(' '), '--json'])
    expect(documents(stdout)).toHaveLength(1)
  })

  test('deploy --json is NDJSON from the plan to the outcome, and a second deploy is refused meanwhile', async () => {
    await using _traffic = startLoad(await platform.url(), { requestsPerSecond: 40, sockets: 0 })
    const deploy = platform.start([
      'deploy',
      '-v',
      'good2',
      '-s',
      'canary',
      '--weights',
      '50,100',
      '-m',
      '300',
      '--json',
    ])
    await platform.atStep(`${SERVICE}.analyse-50`)
    expectRefusal(await platform.run(['deploy', '-v', 'good3', '--yes']), 4, /REFUSED/, /--supersede/)
    expectRefusal(await platform.run(['resume', '--done', 'before']), 4, /REFUSED/)
    await platform.moodify('promote')
    await platform.atStep(`${SERVICE}.analyse-100`)
    await platform.moodify('promote')
    const { code, stdout } = await deploy.ended
    expect(code).toBe(0)
    const events = documents(stdout) as { kind: string }[]
    expect(events[0]).toMatchObject({ kind: 'plan' })
    expect(events.slice(1).every((event) => 'seq' in event && 'kind' in event)).toBe(true)
    expect(events.at(-1)).toMatchObject({ kind: 'outcomeReached', data: { outcome: 'released' } })
    await platform.settled()
  })

  test('verbs that steer a release print one JSON document, when what they wait for has ended', async () => {
    const rollback = await platform.moodify('rollback', '--yes', '--json')
    expect(documents(rollback.stdout)).toMatchObject([{ outcome: 'released' }])
    await platform.settled()
    await platform.moodify('deploy', '-v', 'good3', '-s', 'canary', '-m', '300', '--detach')
    await platform.atStep(`${SERVICE}.analyse-10`)
    for (const verb of ['pause', 'continue', 'promote']) {
      const { stdout } = await platform.moodify(verb, '--json')
      expect(documents(stdout)).toMatchObject([{ verb }])
    }
    await platform.atStep(`${SERVICE}.analyse-50`)
    const watch = platform.start(['status', '-w', '--json'])
    const abort = await platform.moodify('abort', '--yes', '--json')
    expect(documents(abort.stdout)).toMatchObject([{ outcome: 'rolled-back' }])
    expect(documents((await watch.ended).stdout)).toHaveLength(1)
    await platform.settled()
    const retry = await platform.moodify('retry', '--yes', '--detach', '--json')
    expect(documents(retry.stdout)).toMatchObject([{ release: expect.stringMatching(/^r-\d+$/) }])
    await platform.moodify('abort', '--yes')
    await platform.settled()
  })

  test('a locked environment refuses a deploy, shows it, and can always be rolled back', async () => {
    await using _traffic = startLoad(await platform.url(), { requestsPerSecond: 40, sockets: 0 })
    await platform.moodify('lock', '--for', '2h', '--reason', 'the database moves')
    const status = await platform.moodify('status')
    expect(status.stdout).toMatch(/locked {3}by \S+ at .*, until .*: the database moves/)
    expect(await platform.json('status')).toMatchObject({ lock: { reason: 'the database moves' } })
    const version = (await platform.stableVersion()) === 'good2' ? 'good' : 'good2'
    for (const flags of [[], ['--supersede'], ['--again']]) {
      const ran = await platform.run(['deploy', '-v', version, '--yes', ...flags])
      expectRefusal(ran, 4, /REFUSED/, /locked by/, /the database moves/, /moodify unlock/)
    }
    await platform.moodify('rollback', '-t', 'version', '-v', version, '--yes')
    await platform.settled()
    expect(await platform.stableVersion()).toBe(version)
    await platform.moodify('unlock')
    expect(await platform.json('status')).toMatchObject({ lock: null })
    expectRefusal(await platform.run(['unlock']), 4, /it is not locked/)
    await platform.moodify('deploy', '-v', version === 'good' ? 'good2' : 'good', '--again', '--yes')
    await platform.settled()
  })

  test('Ctrl-C leaves the view and not the release, and status -w finds it again', async () => {
    await using _traffic = startLoad(await platform.url(), { requestsPerSecond: 40, sockets: 0 })
    const version = (await platform.stableVersion()) === 'good2' ? 'good' : 'good2'
    const deploy = platform.start(['deploy', '-v', version, '-m', '5', '--again', '--yes'])
    await until('the view is there', () => /^\d{4}-\S+Z {2}/m.test(deploy.printed()))
    deploy.child.kill('SIGINT')
    const { code, stdout } = await deploy.ended
    expect(code, stdout).toBe(130)
    expect(stdout).toContain('moodify status -w')
    expect((await platform.state()).release?.outcome).not.toBe('released')
    const watched = await platform.run(['status', '-w'])
    expect(watched.code, watched.stdout).toBe(0)
    expect(watched.stdout).toContain('released')
    expect(await platform.stableVersion()).toBe(version)
    await platform.settled()
  })

  test('down ends every process; down again has nothing to do; up serves the same version again', async () => {
    const { environment, url } = await platform.json<{ environment: string; url: string }>('status')
    const version = await platform.stableVersion()
    expect(await platform.json('down', '--yes')).toEqual({ ended: true })
    expect(processesOf(platform.folder)).toEqual([])
    expect(await platform.json('down', '--yes')).toEqual({ ended: false })
    const status = await platform.json<{ url: string | null }>('status')
    expect(status).toMatchObject({ environment, url: null })
    expectRefusal(await platform.run(['deploy', '-v', 'good3', '--yes']), 6, /PLATFORM_DOWN/)
    await platform.moodify('up')
    expect(await platform.url()).toBe(url)
    await until(`${version} answers`, async () => {
      const answer = await fetch(url).catch(() => null)
      return answer?.status === 200 && (await answer.text()) === version
    })
  })
})
