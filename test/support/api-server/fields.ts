// Who manages which field: sets of paths, kept on the object as the real server keeps them (FieldsV1).
//
// A path is a list of steps: `f:name` into a mapping, `k:{"name":"x"}` to an item of a list whose items are told apart
// by keys. Everything else is one value, and the path ends there.
import { isAtomic, listKeysOf } from './kinds.ts'
import type { ManagedFields, Stored } from './objects.ts'
import { isMapping } from './patches.ts'

export type Path = readonly string[]
/** Paths by their text. */
export type Fields = ReadonlyMap<string, Path>

const textOf = (path: Path) => path.join('\n')

/** Nobody manages these. */
const unmanaged = new Set([
  'f:apiVersion',
  'f:kind',
  ...[
    'name',
    'namespace',
    'uid',
    'resourceVersion',
    'generation',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'managedFields',
  ].map((name) => `f:metadata\nf:${name}`),
])

/** Values of an object by path. */
export function valuesOf(
  object: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, { path: Path; value: unknown }> {
  const found = new Map<string, { path: Path; value: unknown }>()
  const kind = String(object['kind'])
  const visit = (value: unknown, path: Path): void => {
    if (unmanaged.has(textOf(path))) return
    const children = path.length > 0 && isAtomic(path, kind) ? null : childrenOf(value, path)
    if (!children) found.set(textOf(path), { path, value })
    else {
      if (children.length === 0 && path.length > 0) found.set(textOf(path), { path, value })
      if (path.at(-1)?.startsWith('k:')) found.set(textOf([...path, '.']), { path: [...path, '.'], value: true })
      for (const [step, child] of children) visit(child, [...path, step])
    }
  }
  visit(object, [])
  return found
}

function childrenOf(value: unknown, path: Path): [string, unknown][] | null {
  if (isMapping(value)) return Object.entries(value).map(([name, child]) => [`f:${name}`, child])
  const keys = Array.isArray(value) && path.length > 0 ? listKeysOf(path) : null
  if (!keys) return null
  return (value as Record<string, unknown>[]).map((item) => [`k:${keyTextOf(item, keys)}`, item])
}

/** Ports are TCP unless they say otherwise. */
export function keyTextOf(item: Readonly<Record<string, unknown>>, keys: readonly string[]): string {
  const given = keys.map((key) => [key, item[key] ?? (key === 'protocol' ? 'TCP' : undefined)] as const)
  return JSON.stringify(Object.fromEntries(given.filter(([, value]) => value !== undefined)))
}

export const fieldsOf = (object: Readonly<Record<string, unknown>>): Fields =>
  new Map([...valuesOf(object)].map(([text, { path }]) => [text, path]))

export function toFieldsV1(fields: Fields): Record<string, unknown> {
  const root: Record<string, unknown> = {}
  for (const path of fields.values()) {
    let at = root
    for (const step of path) {
      at[step] ??= {}
      at = at[step] as Record<string, unknown>
    }
  }
  return root
}

export function fromFieldsV1(tree: Readonly<Record<string, unknown>>): Fields {
  const found = new Map<string, Path>()
  const visit = (node: Readonly<Record<string, unknown>>, path: Path): void => {
    const entries = Object.entries(node)
    if (entries.length === 0 && path.length > 0) found.set(textOf(path), path)
    for (const [step, child] of entries) visit(child as Record<string, unknown>, [...path, step])
  }
  visit(tree, [])
  return found
}

/** `.spec.template.spec.containers[name="backend"].image`, as conflicts say it. */
export function inWords(path: Path): string {
  return path
    .filter((step) => step !== '.')
    .map((step) => {
      if (step.startsWith('f:')) return `.${step.slice(2)}`
      const keys = Object.entries(JSON.parse(step.slice(2)) as Record<string, unknown>)
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`
    })
    .join('')
}

/** What an entry of `managedFields` is told apart by. */
export interface Manager {
  readonly manager: string
  readonly operation: 'Apply' | 'Update'
  readonly subresource?: string
}

export interface Managed extends Manager {
  readonly fields: Fields
  readonly entry: ManagedFields
}

export function managedBy(object: Stored | undefined): readonly Managed[] {
  return (object?.metadata.managedFields ?? []).map((entry) => ({
    ...entry,
    fields: fromFieldsV1(entry.fieldsV1),
    entry,
  }))
}

export function isSame(one: Manager, other: Manager): boolean {
  return one.manager === other.manager && one.operation === other.operation && one.subresource === other.subresource
}
