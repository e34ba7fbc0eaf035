import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { profileNames, profiles } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/load.ts'
import { fileSchema, NAME, type Written } from '../../src/config/schema.ts'
import { LATENCY_EDGES_MS } from '../../src/domain/counts.ts'
import { configOf, from, full, minimal } from './examples.ts'

// The same cases on every run; another seed looks at new ones.
fc.configureGlobal({ seed: 1 })

const seconds = fc.integer({ min: 1, max: 1_000_000 }).map((ms) => ms / 1000)
const name = fc.stringMatching(NAME).filter((text) => text !== 'constructor')
const command = fc.string({ minLength: 1 }).filter((text) => /\S/.test(text) && !text.includes('\0'))
const weights = fc
  .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 6 })
  .map((low) => [...low.toSorted((a, b) => a - b), 100])
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const settings = {
  canary: optional(
    fc.oneof(
      fc.record({ weights, stageSeconds: seconds }, { requiredKeys: ['weights'] }),
      fc.record({ profile: fc.constantFrom(...profileNames), stageSeconds: seconds }, { requiredKeys: [] }),
    ),
  ),
  blueGreen: optional(fc.record({ monitorSeconds: seconds, approval: fc.boolean() }, { requiredKeys: [] })),
  triggers: optional(
    fc.record(
      {
        p95Seconds: fc.constantFrom(...LATENCY_EDGES_MS).map((ms) => ms / 1000),
        errorRatePercent: fc.integer({ min: 0, max: 100 }),
      },
      { requiredKeys: [] },
    ),
  ),
  keepSeconds: optional(seconds),
  hooks: optional(
    fc.record(
      { before: fc.oneof(command, fc.record({ run: command, timeoutSeconds: seconds }), fc.constant(null)) },
      { requiredKeys: [] },
    ),
  ),
}

const environment = fc.record({
  listen: fc.constant(0),
  strategy: optional(fc.constantFrom('blue-green' as const, 'canary' as const, 'rolling' as const)),
  ...settings,
})

const service = fc.record({
  start: command,
  build: optional(command),
  replicas: optional(fc.integer({ min: 1, max: 100 })),
  env: optional(
    fc.dictionary(
      fc.stringMatching(/^[A-Z_]{1,8}$/).filter((key) => key !== 'PORT'),
      fc.string().filter((text) => !text.includes('\0')),
    ),
  ),
  health: optional(fc.constantFrom('/health', '/', '/a/b?c=d')),
  drainSeconds: optional(seconds),
})

const written = fc
  .record({
    name,
    services: fc.dictionary(name, service, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
    environments: fc.dictionary(name, environment, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
    ...settings,
  })
  .map((file): Written => {
    const services = Object.entries(file.services).map(([key, value]) => [key, { ...value, path: `/${key}` }])
    return JSON.parse(JSON.stringify({ ...file, services: Object.fromEntries(services) }))
  })

describe('any valid file', () => {
  test('config: is read without problems, with every service, environment and time as written', () => {
    fc.assert(
      fc.property(written, (file) => {
        const config = configOf(stringify(file))
        expect(config.services.map((each) => each.name)).toEqual(Object.keys(file.services))
        for (const { name, start, env, drainMs } of config.services) {
          const source = file.services[name]!
          expect({ start, env }).toEqual({ start: source.start, env: source.env ?? {} })
          expect(drainMs).toBe(Math.round((source.drainSeconds ?? 30) * 1000))
        }
        expect(Object.keys(config.environments)).toEqual(Object.keys(file.environments))
        for (const [name, own] of Object.entries(file.environments)) {
          const { keepMs, triggers } = config.environments[name]!.settings
          expect(keepMs).toBe(Math.round((own.keepSeconds ?? file.keepSeconds ?? 600) * 1000))
          expect(LATENCY_EDGES_MS).toContain(triggers.p95Ms)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('config: gives every environment rising weights that end with 100 and belong to its profile', () => {
    fc.assert(
      fc.property(written, (file) => {
        for (const { settings } of Object.values(configOf(stringify(file)).environments)) {
          const { profile, weights } = settings.canary
          expect(weights).toEqual([...new Set(weights)].toSorted((a, b) => a - b))
          expect(weights.at(-1)).toBe(100)
          if (profile !== 'custom') expect(weights).toEqual(profiles[profile].weights)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('config: is read the same as JSON and as YAML', () => {
    fc.assert(
      fc.property(written, (file) => {
        expect(configOf(JSON.stringify(file))).toEqual(configOf(stringify(file)))
      }),
      { numRuns: 100 },
    )
  })
})

describe('any text', () => {
  const answers = (text: string) => {
    const result = parseConfig(text, from)
    return (
      'config' in result ||
      (result.problems.length > 0 && result.problems.every(({ line, column }) => line >= 1 && column >= 1))
    )
  }

  test('config: characters at random are answered with problems, never with a crash', () => {
    const yamlish = fc.string({
      unit: fc.constantFrom(
        ...'ab:-[]{}&*<!?|>%@#,"\'\\ \n\t~0.'.split(''),
        '<<: ',
        '&a ',
        '*a',
        '\n  ',
        '---\n',
        '%YAML 1.1\n',
      ),
      maxLength: 60,
    })
    fc.assert(fc.property(fc.oneof(yamlish, fc.string({ unit: 'binary' })), answers), { numRuns: 3000 })
  })

  test('config: any value anywhere is answered with problems, never with a crash', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => answers(JSON.stringify(value))),
      { numRuns: 500 },
    )
    const keys = Object.keys(fileSchema.shape)
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.jsonValue(), (key, value) => answers(JSON.stringify({ [key]: value }))),
      { numRuns: 2000 },
    )
  })

  test('config: a valid file with a piece cut out or doubled is answered with problems, never with a crash', () => {
    const place = fc.integer({ min: 0, max: full.length })
    fc.assert(
      fc.property(place, place, fc.boolean(), (a, b, double) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)]
        const middle = full.slice(start, end)
        return answers(full.slice(0, start) + (double ? middle + middle : '') + full.slice(end))
      }),
      { numRuns: 1000 },
    )
  })
})

test('config: an unknown key is reported wherever it stands, whatever else is wrong', () => {
  const places = [
    '',
    'canary',
    'triggers',
    'waits',
    'services.web',
    'environments.production',
    'environments.production.canary',
  ] as const
  const unknown = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,15}$/).filter((key) => !fullKeys.has(key))
  fc.assert(
    fc.property(fc.constantFrom(...places), unknown, fc.boolean(), (place, key, alsoWrong) => {
      const file = structuredClone(parsedMinimal)
      let at: Record<string, unknown> = file
      for (const step of place.split('.').filter(Boolean)) {
        at[step] ??= {}
        at = at[step] as Record<string, unknown>
      }
      Object.defineProperty(at, key, { value: 1, enumerable: true })
      if (alsoWrong) file['keepSeconds'] = 'soon'
      const result = parseConfig(stringify(file), from)
      const path = place ? `${place}.${key}` : key
      expect('problems' in result && result.problems.map((problem) => problem.path)).toContain(path)
    }),
    { numRuns: 500 },
  )
})

const fullKeys = new Set([...full.matchAll(/([A-Za-z0-9]+):/g)].map(([, key]) => key!).concat('rolling', 'hooks'))
const parsedMinimal: Record<string, unknown> = {
  name: 'shop',
  services: { web: { start: 'node server.mjs' } },
  environments: { production: {} },
}

test('config: the minimal example is the one the unknown keys are put into', () => {
  expect(configOf(stringify(parsedMinimal))).toEqual(configOf(minimal))
})
