// The unit that `moodify up --systemd` prints: what systemd makes of it, and that its commands work from an environment
// with nothing in it but what the unit says.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemdUnit } from '../../src/views/cli/systemd.ts'
import { embedded } from '../support/embedded.ts'
import { processesOf } from '../support/processes.ts'

const ANALYZE = '/usr/bin/systemd-analyze'

function valuesOf(unit: string, key: string): string[] {
  return [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value!.replace(/^"(.*)"$/, '$1'))
}

test('its commands start and end the platform of the folder, whatever else is set where they run', async () => {
  await using platform = embedded()
  const { stdout: unit } = await platform.moodify('up', '--systemd')
  expect(processesOf(platform.folder)).toEqual([])
  const env = Object.fromEntries(valuesOf(unit, 'Environment').map((pair) => pair.split(/=(.*)/s).slice(0, 2)))
  const run = (key: string) => {
    const [command] = valuesOf(unit, key)
    const ran = spawnSync('/bin/sh', ['-c', command!], { cwd: valuesOf(unit, 'WorkingDirectory')[0]!, env })
    expect(ran.status, String(ran.stderr)).toBe(0)
  }
  run('ExecStart')
  const supervisor = platform.supervisorPid()
  expect((await fetch(await platform.url())).status).toBe(503)
  run('ExecReload')
  expect(platform.supervisorPid()).toBe(supervisor)
  run('ExecStop')
  expect(processesOf(platform.folder)).toEqual([])
})

test.skipIf(!existsSync(ANALYZE))('systemd finds nothing wrong with it, whatever is in the paths', async () => {
  await using platform = embedded()
  const unit = systemdUnit({
    application: 'shop',
    root: platform.root,
    command: [process.execPath, '/tmp/a folder/50% "off" $HOME/moodify.mjs'],
    user: 'root',
    environment: { PATH: '/usr/bin:/bin', XDG_STATE_HOME: '/tmp/a folder' },
  })
  const file = join(platform.folder, 'moodify-shop.service')
  writeFileSync(file, unit)
  const said = execFileSync(ANALYZE, ['verify', '--man=no', file], { encoding: 'utf8', stdio: 'pipe' })
  expect(said).toBe('')
  expect(unit).toContain('"/tmp/a folder/50%% \\"off\\" $$HOME/moodify.mjs" up')
})
