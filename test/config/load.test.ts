import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findConfig, loadConfig } from '../../src/config/load.ts'
import { OperatingError } from '../../src/errors/catalogue.ts'
import { minimal } from './examples.ts'

let root: string
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'moodify-config-')))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function failure(act: () => unknown): OperatingError {
  try {
    act()
  } catch (error) {
    if (error instanceof OperatingError) return error
    throw error
  }
  throw new Error('expected a failure')
}

test('config: the file is found from a folder below it', () => {
  writeFileSync(join(root, 'moodify.yaml'), minimal)
  mkdirSync(join(root, 'a/b'), { recursive: true })
  expect(findConfig(join(root, 'a/b'))).toBe(join(root, 'moodify.yaml'))
})

test('config: a folder of that name is passed over', () => {
  writeFileSync(join(root, 'moodify.yaml'), minimal)
  mkdirSync(join(root, 'a/moodify.yaml'), { recursive: true })
  expect(findConfig(join(root, 'a'))).toBe(join(root, 'moodify.yaml'))
})

test('config: without a file the error says where it looked and how to get one', () => {
  const error = failure(() => findConfig(root))
  expect(error).toMatchObject({ code: 'CONFIG_NOT_FOUND', hint: 'moodify init' })
  expect(error.message).toContain(root)
})

test('config: a file reached through a link has the folder it really is in', () => {
  mkdirSync(join(root, 'real'))
  writeFileSync(join(root, 'real/moodify.yaml'), minimal)
  symlinkSync(join(root, 'real'), join(root, 'link'))
  expect(loadConfig(join(root, 'link/moodify.yaml'))).toMatchObject({
    file: join(root, 'real/moodify.yaml'),
    root: join(root, 'real'),
  })
})

test('config: a file with problems is one error with a line for each', () => {
  const file = join(root, 'moodify.yaml')
  writeFileSync(file, `${minimal}keepSeconds: 5m\ncolour: red\n`)
  const error = failure(() => loadConfig(file))
  expect(error.code).toBe('CONFIG_INVALID')
  expect(error.message.split('\n')).toEqual([
    'moodify.yaml:7:1  keepSeconds: expected a number of seconds, found the text "5m"; did you mean 300?',
    'moodify.yaml:8:1  colour: unknown key "colour" at the top level',
  ])
})

test('config: of very many problems the first fifty are shown and the rest counted', () => {
  const file = join(root, 'moodify.yaml')
  writeFileSync(file, minimal + Array.from({ length: 60 }, (_, index) => `wrong${index}: 1`).join('\n'))
  const lines = failure(() => loadConfig(file)).message.split('\n')
  expect(lines).toHaveLength(51)
  expect(lines.at(-1)).toBe('and 10 more')
})

test('config: a file above 1 MiB is refused', () => {
  const file = join(root, 'moodify.yaml')
  writeFileSync(file, '#'.repeat(1024 * 1024 + 1))
  expect(failure(() => loadConfig(file))).toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'moodify.yaml:1:1  the file is larger than 1 MiB',
  })
})

test('config: a file that is not there is CONFIG_NOT_FOUND', () => {
  expect(failure(() => loadConfig(join(root, 'moodify.yaml'))).code).toBe('CONFIG_NOT_FOUND')
})
