import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { mutations } from '../../tools/mutations.ts'

const source = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')

it.each(mutations)('the fault "$name" can be made: its text stands once in the source', ({ file, find, replace }) => {
  expect(source(file).split(find).length - 1, `correct tools/mutations.ts: ${file}`).toBe(1)
  expect(replace).not.toBe(find)
})

it('no two faults have the same name', () => {
  expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length)
})
