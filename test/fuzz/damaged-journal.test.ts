import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { type Embedded, embedded } from '../support/embedded.ts'
import { expectNothingDropped, startLoad } from '../support/load.ts'
import { until } from '../support/until.ts'

function spoil(platform: Embedded, sql: string): void {
  const db = new DatabaseSync(platform.paths.journal('production'))
  db.exec(`pragma busy_timeout = 5000; ${sql}`)
  db.close()
}

const runnerOf = async (platform: Embedded) => (await platform.snapshot()).runner

test('a damaged journal: looking shows what is whole and what is not, acting is refused, users notice nothing', async () => {
  await using platform = embedded()
  await platform.serve()
  const url = await platform.url()
  const load = startLoad(url, { requestsPerSecond: 100, sockets: 0 })
  await platform.moodify('deploy', '-v', 'good2', '--yes')
  await platform.settled()
  await until('the runner has ended', async () => (await runnerOf(platform)).pid === null)
  const records = await platform.records()
  const second = records.find(({ body, release }) => body.kind === 'releaseStarted' && release === 'r-2')!
  const broken = second.seq + 3
  spoil(platform, `update records set body = '{"kind":' where seq = ${broken}`)

  const place = `record ${broken} is not what was written`
  const status = await platform.run(['status'])
  expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining('JOURNAL DAMAGED') })
  expect(status.stdout.replaceAll(/\s+/g, ' ')).toContain(place)
  expect(status.stdout).toContain('good2 serves everything')
  const report = JSON.parse((await platform.run(['status', '--json'])).stdout)
  expect(report).toMatchObject({ damage: expect.stringContaining(place), release: { id: 'r-2' } })
  for (const verb of ['explain', 'history']) {
    const ran = await platform.run([verb])
    expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining(place) })
    expect(ran.stdout).toContain('r-2')
  }
  expect((await platform.run(['doctor'])).stdout.replaceAll(/\s+/g, ' ')).toContain(place)

  for (const args of [
    ['deploy', '-v', 'good3', '--yes'],
    ['rollback', '--yes'],
    ['abort', '--yes'],
    ['retry', '--yes'],
  ]) {
    const ran = await platform.run(args)
    expect(ran, args.join(' ')).toMatchObject({ code: 6, stderr: expect.stringContaining('error JOURNAL_FAILED') })
    expect(ran.stderr).toContain(place)
    expect(ran.stderr + ran.stdout).not.toMatch(/\n\s+at /)
  }
  expect(await fetch(url).then((answer) => answer.text())).toBe('good2')

  const { restarts } = await runnerOf(platform)
  await platform.run(['resume'])
  await until('a runner that was asked for has given up', async () => (await runnerOf(platform)).pid === null)
  expect((await runnerOf(platform)).restarts, 'no loop of crashes').toBe(restarts)
  expect(await fetch(url).then((answer) => answer.text())).toBe('good2')
  expectNothingDropped(await load.stop())
})
