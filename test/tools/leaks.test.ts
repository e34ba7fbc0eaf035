import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findLeaks, PUBLIC_REGISTRY } from '../../tools/leaks.ts'

let root = ''
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'moodify-leaks-')))
  execFileSync('git', ['init', '--quiet'], { cwd: root })
  write('package-lock.json', JSON.stringify({ packages: {} }))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function write(file: string, text: string): void {
  mkdirSync(join(root, file, '..'), { recursive: true })
  writeFileSync(join(root, file), text)
}

test('leaks: the checkout and the home folder are found with file and line', () => {
  write('docs/guide.md', `fine\nsee ${root}/src\n`)
  write('notes.txt', `cat ${join(homedir(), '.npmrc')}\n`)
  expect(findLeaks(root)).toEqual([`docs/guide.md:2: see ${root}/src`, `notes.txt:1: cat ${join(homedir(), '.npmrc')}`])
})

test('leaks: a lock file that names a private registry is one', () => {
  const resolved = 'https://packages.internal.example/npm/left-pad.tgz'
  write('package-lock.json', JSON.stringify({ packages: { 'node_modules/left-pad': { resolved } } }))
  expect(findLeaks(root)).toEqual([expect.stringMatching(/^package-lock\.json:1: /)])
})

test('leaks: the public registry, longer names and ignored files are none', () => {
  const resolved = `https://${PUBLIC_REGISTRY}/left-pad.tgz`
  write('package-lock.json', JSON.stringify({ packages: { 'node_modules/left-pad': { resolved } } }))
  write('a.txt', `${root}-other https://host.example${root}`)
  write('.gitignore', 'ignored/\n')
  write('ignored/b.txt', root)
  expect(findLeaks(root)).toEqual([])
})
