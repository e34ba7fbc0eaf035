import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { statePaths } from '../../src/effects/local/paths.ts'
import { ensureSupervisor, prepareRuntime, pruneNodes } from '../../src/effects/local/supervisor/launch.ts'

function project() {
  const folder = mkdtempSync(join(tmpdir(), 'moodify-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const bundle = join(folder, 'moodify.mjs')
  const env = { XDG_STATE_HOME: join(folder, 'state'), XDG_RUNTIME_DIR: folder }
  return { folder, bundle, paths: statePaths(folder, env) }
}

test('runtime: Node and the bundle run from the state folder when the originals are gone', () => {
  const { bundle, paths } = project()
  writeFileSync(bundle, 'console.log("from the bundle")')
  const command = prepareRuntime(paths, bundle)
  expect(prepareRuntime(paths, bundle)).toEqual(command)
  rmSync(bundle)
  const [program, ...args] = command
  expect(execFileSync(program!, args, { encoding: 'utf8' })).toBe('from the bundle\n')
  expect(program!.startsWith(join(paths.state, '..'))).toBe(true)
  expect(statSync(paths.state).mode & 0o777).toBe(0o700)
})

test('runtime: another bundle gets another name, so that what runs keeps its own', () => {
  const { bundle, paths } = project()
  writeFileSync(bundle, '1')
  const first = prepareRuntime(paths, bundle)
  writeFileSync(bundle, '2')
  const second = prepareRuntime(paths, bundle)
  expect(second[1]).not.toBe(first[1])
  expect(existsSync(first[1]!)).toBe(true)
  expect(readdirSync(join(paths.state, 'runtime')).filter((name) => name.endsWith('.mjs'))).toHaveLength(2)
})

test('runtime: copies of Node that no project runs from are removed, as soon as every project says what it has', () => {
  const { folder, bundle, paths } = project()
  writeFileSync(bundle, '1')
  const [node] = prepareRuntime(paths, bundle)
  const nodes = join(paths.state, '..', 'runtime')
  const longAgo = new Date(0)
  for (const name of ['node-v1.0.0', 'node-v2.0.0']) {
    writeFileSync(join(nodes, name), '')
    utimesSync(join(nodes, name), longAgo, longAgo)
  }
  utimesSync(node!, longAgo, longAgo)
  const other = statePaths(join(folder, 'other'), { XDG_STATE_HOME: join(folder, 'state'), XDG_RUNTIME_DIR: folder })
  mkdirSync(join(other.state, 'runtime'), { recursive: true })
  pruneNodes(paths)
  expect(readdirSync(nodes)).toHaveLength(3)
  writeFileSync(join(other.state, 'runtime', 'node'), 'node-v2.0.0')
  pruneNodes(paths)
  expect(readdirSync(nodes).toSorted()).toEqual([`node-${process.version}`, 'node-v2.0.0'].toSorted())
})

test('launch: a supervisor that does not start is reported with the last lines of its log', async () => {
  const { folder, bundle, paths } = project()
  writeFileSync(bundle, 'console.error("no room on the disk"); process.exit(4)')
  const command = [process.execPath, bundle]
  await expect(ensureSupervisor({ paths, root: folder, build: 'test', command })).rejects.toMatchObject({
    code: 'PLATFORM_FAILED',
    message: 'The embedded platform did not start: it ended with status 4.\nno room on the disk',
    hint: expect.stringContaining('supervisor.log'),
  })
})
