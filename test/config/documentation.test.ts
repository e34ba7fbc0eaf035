import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { defaults } from '../../src/config/defaults.ts'
import { jsonSchema } from '../../src/config/json-schema.ts'
import { configurationReference } from '../../src/config/reference.ts'
import { fileSchema } from '../../src/config/schema.ts'
import { full, minimal } from './examples.ts'

/** Every property of the schema and of its definitions, as `definition.key`. */
function properties(): { path: string; schema: Record<string, unknown> }[] {
  const schema = JSON.parse(jsonSchema())
  return Object.entries<{ properties: object }>({ ...schema.definitions, file: schema }).flatMap(([id, definition]) =>
    Object.entries(definition.properties).map(([key, property]) => ({ path: `${id}.${key}`, schema: property })),
  )
}

describe('JSON Schema', () => {
  const validator = z.fromJSONSchema(JSON.parse(jsonSchema()))
  const accepts = (text: string) => validator.safeParse(parse(text)).success

  test('config: editors accept the files that moodify accepts', () => {
    expect(accepts(minimal)).toBe(true)
    expect(accepts(full)).toBe(true)
  })

  test.each([
    'keepSeconds: 5m',
    'colour: red',
    'canary: { stageSecond: 3 }',
    'triggers: { p95Seconds: 4 }',
    'hooks: { before: { rum: x } }',
    'waits: { onUnknown: ask }',
  ])('config: editors mark %s as wrong', (line) => {
    expect(accepts(`${minimal}${line}\n`)).toBe(false)
  })

  test('config: every key has a description for hovers', () => {
    const without = properties().filter(({ schema }) => !schema['description'])
    expect(without.map(({ path }) => path)).toEqual([])
  })

  test('config: the defaults that editors show are those that are filled in', () => {
    const shown = Object.fromEntries(properties().map(({ path, schema }) => [path, schema['default']]))
    for (const section of [
      'artifacts',
      'service',
      'health',
      'environment',
      'triggers',
      'waits',
      'canary',
      'hook',
    ] as const) {
      for (const [key, value] of Object.entries(defaults[section])) {
        expect({ key, default: shown[`${section}.${key}`] }).toEqual({ key, default: value })
      }
    }
    expect(shown['file.keepSeconds']).toBe(defaults.keepSeconds)
  })
})

describe('reference', () => {
  const reference = configurationReference()

  test('config: the reference has a row for every key and a heading for every link', () => {
    for (const { path } of properties()) expect(reference).toContain(`| \`${path.split('.')[1]}\` |`)
    const headings = [...reference.matchAll(/^## (.+)$/gm)].map(([, title]) => title!.toLowerCase())
    for (const [, target] of reference.matchAll(/\]\(#([^)]+)\)/g)) expect(headings).toContain(target)
  })

  test('config: the reference says type, default and where a mapping may stand', () => {
    const { keepSeconds } = fileSchema.shape
    expect(reference).toContain(`| \`keepSeconds\` | number, 0 to 1728000 | \`600\` | ${keepSeconds.description} |`)
    expect(reference).toContain('| `request` | text | required |')
    expect(reference).toContain('At `canary`, `environments.NAME.canary`.')
  })
})
