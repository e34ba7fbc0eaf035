// Rules about several keys at once. Each gets what is left of the file once all values that are wrong by
// themselves are made undefined, so that a file's problems of both kinds are reported together. A key that is
// there with the value undefined was wrong: its problem is known, and no default stands in for it.
import { defaults } from './defaults.ts'
import type { Finding } from './problems.ts'
import { NAME, type Written } from './schema.ts'

/** The same shape with every key optional. */
export type Remains<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [Key in keyof T]?: Remains<T[Key]> }
    : T

type Rule = (file: Remains<Written>) => Finding[]

const rules: readonly Rule[] = [
  atLeastOneOfEach,
  namesAreSafe,
  patternGoesWithDirectory,
  oneServicePerPath,
  oneEnvironmentPerPort,
  profileOrWeights,
  localOrKubernetes,
  localServicesStart,
  singleServicesExist,
  oneSourceOfCounts,
]

export function checkRules(file: Remains<Written>): Finding[] {
  return rules.flatMap((rule) => rule(file))
}

function atLeastOneOfEach(file: Remains<Written>): Finding[] {
  return (['services', 'environments'] as const)
    .filter((section) => file[section] && Object.keys(file[section]).length === 0)
    .map((section) => ({ path: [section], message: `expected at least one of the ${section}, found none` }))
}

/** `constructor` would be found in any record of names, whether it is there or not. */
function namesAreSafe(file: Remains<Written>): Finding[] {
  return (['services', 'environments'] as const).flatMap((section) =>
    Object.keys(file[section] ?? {})
      .filter((name) => !NAME.test(name) || name === 'constructor')
      .map((name) => ({
        path: [section, name],
        message:
          name === 'constructor'
            ? 'the name "constructor" is reserved'
            : `expected a name of lower-case letters, digits and -, at most 31, found ${JSON.stringify(name)}`,
      })),
  )
}

function patternGoesWithDirectory({ artifacts }: Remains<Written>): Finding[] {
  if (!artifacts || isWrong(artifacts, 'from') || isWrong(artifacts, 'pattern')) return []
  const fromDirectory = artifacts.from === 'directory'
  if (fromDirectory && artifacts.pattern === undefined) {
    return [
      { path: ['artifacts', 'pattern'], message: 'missing; `from: directory` needs one, such as releases/{version}' },
    ]
  }
  if (!fromDirectory && artifacts.pattern !== undefined) {
    return [{ path: ['artifacts', 'pattern'], message: 'only `from: directory` has a pattern' }]
  }
  return []
}

/** On Kubernetes the routes of the cluster say which service gets what. */
function oneServicePerPath({ services = {}, environments = {} }: Remains<Written>): Finding[] {
  const written = Object.values(environments)
  if (written.length > 0 && written.every((environment) => environment && platformOf(environment) === 'kubernetes'))
    return []
  const pathOf = (service: (typeof services)[string]) =>
    service === undefined || isWrong(service, 'path') ? null : (service.path ?? defaults.service.path)
  return repeated(Object.entries(services), pathOf).map(({ value, first, again }) => ({
    path: ['services', again, 'path'],
    message: `the services "${first}" and "${again}" both have the path ${value}; each needs its own`,
  }))
}

function oneEnvironmentPerPort({ environments = {} }: Remains<Written>): Finding[] {
  return repeated(Object.entries(environments), (environment) => environment?.listen || null).map(
    ({ value, first, again }) => ({
      path: ['environments', again, 'listen'],
      message: `the environments "${first}" and "${again}" both listen on port ${value}; each needs its own`,
    }),
  )
}

function profileOrWeights(file: Remains<Written>): Finding[] {
  const blocks = [
    { path: [] as string[], canary: file.canary },
    ...Object.entries(file.environments ?? {}).map(([name, environment]) => ({
      path: ['environments', name],
      canary: environment?.canary,
    })),
  ]
  return blocks
    .filter(({ canary }) => canary?.profile !== undefined && canary.weights !== undefined)
    .map(({ path, canary }) => ({
      path: [...path, 'canary', 'weights'],
      message: `the profile "${canary?.profile}" has weights of its own; keep either profile or weights`,
    }))
}

/** An environment with a `kubernetes` block runs there. */
export function platformOf(environment: { readonly platform?: 'local' | 'kubernetes'; readonly kubernetes?: unknown }) {
  return environment.platform ?? (environment.kubernetes === undefined ? defaults.environment.platform : 'kubernetes')
}

/** Keys that belong to the other platform would have no effect, and are no slip to pass over. */
function localOrKubernetes({ environments = {} }: Remains<Written>): Finding[] {
  return Object.entries(environments).flatMap(([name, environment]): Finding[] => {
    if (!environment || isWrong(environment, 'platform') || isWrong(environment, 'kubernetes')) return []
    if (platformOf(environment) === 'local') {
      if (environment.kubernetes === undefined) return []
      return [{ path: ['environments', name, 'kubernetes'], message: 'the environment is local; keep one of the two' }]
    }
    const message = 'only local environments listen on this machine; a cluster has its own way in'
    return (['listen', 'front'] as const)
      .filter((key) => environment[key])
      .map((key) => ({ path: ['environments', name, key], message }))
  })
}

function localServicesStart({ services = {}, environments = {} }: Remains<Written>): Finding[] {
  const local = Object.entries(environments).find(([, one]) => one && platformOf(one) === 'local')
  if (!local) return []
  return Object.entries(services)
    .filter(([, service]) => service && service.start === undefined && !isWrong(service, 'start'))
    .map(([name]) => ({
      path: ['services', name, 'start'],
      message: `missing; a shell command is needed here, as the environment ${local[0]} is local`,
    }))
}

function singleServicesExist({ services = {}, environments = {} }: Remains<Written>): Finding[] {
  return Object.entries(environments).flatMap(([name, environment]) =>
    (environment?.kubernetes?.single ?? [])
      .filter((service) => !Object.hasOwn(services, service))
      .map((service) => ({
        path: ['environments', name, 'kubernetes', 'single'],
        message: `no service is called ${JSON.stringify(service)}; there are ${Object.keys(services).join(', ')}`,
      })),
  )
}

function oneSourceOfCounts({ environments = {} }: Remains<Written>): Finding[] {
  return Object.entries(environments).flatMap(([name, environment]): Finding[] => {
    const path = ['environments', name, 'kubernetes', 'metrics']
    const { gateway, prometheus, family } = environment?.kubernetes?.metrics ?? {}
    if (gateway && prometheus) return [{ path, message: 'counts come from one source: keep gateway or prometheus' }]
    return family && !prometheus ? [{ path: [...path, 'family'], message: 'needs prometheus beside it' }] : []
  })
}

function isWrong<T extends object>(mapping: T, key: keyof T): boolean {
  return Object.hasOwn(mapping, key) && mapping[key] === undefined
}

/** Entries whose value an earlier one has too; null is never the same. */
function repeated<Entry, Value>(entries: readonly [string, Entry][], keyOf: (entry: Entry) => Value | null) {
  const firstWith = new Map<Value, string>()
  const repeats: { value: Value; first: string; again: string }[] = []
  for (const [name, entry] of entries) {
    const value = keyOf(entry)
    if (value === null) continue
    const first = firstWith.get(value)
    if (first === undefined) firstWith.set(value, name)
    else repeats.push({ value, first, again: name })
  }
  return repeats
}
