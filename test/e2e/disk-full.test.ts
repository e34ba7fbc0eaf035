// The disk that holds journal, logs and state is full, and a bad version is out: users are sent back all the same.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Embedded, embedded, SERVICE } from '../support/embedded.ts'
import { expectNothingDropped, figures, startLoad, stretch } from '../support/load.ts'
import { until } from '../support/until.ts'

/** Room for a copy of Node and not much more. */
const DISK = 'size=420m'

/** A small disk of its own, for as long as it is used. */
function mountDisk(): AsyncDisposable & { readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'mdf-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', DISK, 'tmpfs', folder])
  return {
    folder,
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['-l', folder])
      rmdirSync(folder)
    },
  }
}

function mayMount(): boolean {
  const folder = join('/tmp', `mdf-mount-${process.pid}`)
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder])
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Writes until nothing more fits. */
function fill(folder: string): string {
  const file = join(folder, 'ballast')
  const { bavail, bsize } = statfsSync(folder)
  for (let bytes = bavail * bsize; ; bytes = 4096) {
    try {
      writeFileSync(file, Buffer.alloc(bytes, 1), { flag: 'a' })
    } catch {
      if (bytes === 4096) return file
    }
  }
}

const shareOf = async (platform: Embedded, slot: string) => {
  const { services } = await platform.json<{
    services: { slots: { slot: string; sharePercent: number }[] }[]
  }>('status')
  return services[0]!.slots.find((one) => one.slot === slot)?.sharePercent
}

// A file system of its own needs root; what is claimed here does not.
test.skipIf(!mayMount())(
  'a full disk: a failing version is taken back, users are served, and when there is space again all of it is written down',
  { timeout: 180_000 },
  async () => {
    await using disk = mountDisk()
    await using platform = embedded({ canary: { weights: [50, 100] } }, { XDG_STATE_HOME: disk.folder })
    await platform.serve('chatty')
    const stable = (await platform.state()).services[SERVICE]!.stable!.slot
    const candidate = stable === 'blue' ? 'green' : 'blue'
    await platform.moodify('deploy', '-v', 'failing', '-s', 'canary', '-m', '300', '--detach')
    await platform.atStep(`${SERVICE}.analyse-50`)
    const ballast = fill(disk.folder)
    const { seq } = await platform.state()

    await using traffic = startLoad(await platform.url(), { requestsPerSecond: 100, sockets: 0 })
    await until('users are sent back to the stable version', async () => (await shareOf(platform, candidate)) === 0)
    expect((await platform.state()).seq).toBe(seq)
    const spare = readFileSync(join(platform.journalFolder, 'spare.log'), 'utf8')
    expect(spare).toMatch(/the journal refuses records: .*full/)
    expect(spare).toMatch(new RegExp(`${SERVICE} was sent back to chatty in ${stable}`))
    const back = traffic.snapshot()
    await until('five hundred requests on a full disk', () => traffic.snapshot().requests > back.requests + 500)
    const onFull = stretch(back, traffic.snapshot())
    expect(onFull).toMatchObject({ dropped: 0, errors: 0 })

    rmSync(ballast)
    const state = await platform.settled()
    expect(state.last).toMatchObject({ outcome: 'rolled-back', cause: { kind: 'changed' } })
    const report = await traffic.stop()
    console.info(
      figures('disk full while a failing version had half of the traffic', report),
      `; errors of the version: ${report.errors}`,
    )
    expectNothingDropped(report)
  },
)
