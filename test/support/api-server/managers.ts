// Server-side apply, and what other writes mean for who manages what. The subset that Moodify Deploy uses: fields are
// added, taken over, shared, and removed once nobody applies them any more.
import { isDeepStrictEqual } from 'node:util'
import { applyConflict } from './answers.ts'
import {
  type Fields,
  fieldsOf,
  inWords,
  isSame,
  keyTextOf,
  type Managed,
  type Manager,
  managedBy,
  type Path,
  toFieldsV1,
  valuesOf,
} from './fields.ts'
import type { ManagedFields, Stored } from './objects.ts'
import { isMapping } from './patches.ts'

interface Write extends Manager {
  readonly time: string
}

/**
 * What the live object becomes.
 *
 * @throws Refusal 409 when somebody else manages a field that would change, unless it is forced
 */
export function applied(
  live: Stored | undefined,
  wanted: Stored,
  { force, ...write }: Write & { readonly force: boolean },
): Stored {
  const mine = fieldsOf(wanted)
  const values = valuesOf(wanted)
  const liveValues = live ? valuesOf(live) : new Map<string, { path: Path; value: unknown }>()
  const all = managedBy(live)
  const others = all.filter((managed) => !isSame(managed, write))
  const changes = [...mine].filter(([text]) => !isDeepStrictEqual(liveValues.get(text)?.value, values.get(text)!.value))
  const contested = changes.flatMap(([text, path]) =>
    others.flatMap(({ manager, operation, entry, fields }) =>
      fields.has(text)
        ? [
            {
              text,
              manager: operation === 'Update' ? `${manager}" using ${entry.apiVersion}` : manager,
              field: inWords(path),
            },
          ]
        : [],
    ),
  )
  if (contested.length > 0 && !force) {
    throw applyConflict(contested.map(({ manager, field }) => ({ manager, field })))
  }
  const before = all.find((managed) => isSame(managed, write))?.fields ?? new Map<string, Path>()
  const abandoned = [...before].filter(([text]) => !mine.has(text) && !others.some(({ fields }) => fields.has(text)))
  const taken = new Set(contested.map(({ text }) => text))
  const merged = structuredClone(live ?? wanted)
  for (const [, path] of abandoned) removeAt(merged, path)
  for (const { path, value } of values.values()) if (path.at(-1) !== '.') setAt(merged, path, value)
  const kept = others.map((managed) => without(managed, taken))
  return withManaged(merged, [...kept, { ...write, fields: mine }], all, write.time)
}

/** The object after any other write: what it changed is the writer's from now on. */
export function updated(live: Stored | undefined, next: Stored, write: Write): Stored {
  const before = live ? valuesOf(live) : new Map<string, { path: Path; value: unknown }>()
  const after = valuesOf(next)
  const changed = [...after].filter(([text, { value }]) => !isDeepStrictEqual(before.get(text)?.value, value))
  const gone = new Set([...before.keys()].filter((text) => !after.has(text)))
  const all = managedBy(live)
  if (changed.length === 0 && gone.size === 0) return next
  const mine = new Map(all.find((managed) => isSame(managed, write))?.fields)
  for (const [text, { path }] of changed) mine.set(text, path)
  for (const text of gone) mine.delete(text)
  const lost = new Set([...gone, ...changed.map(([text]) => text)])
  const others = all.filter((managed) => !isSame(managed, write)).map((managed) => without(managed, lost))
  return withManaged(next, [...others, { ...write, fields: mine }], all, write.time)
}

type Claim = Manager & { readonly fields: Fields }

function without(managed: Managed, lost: ReadonlySet<string>): Claim {
  return { ...managed, fields: new Map([...managed.fields].filter(([text]) => !lost.has(text))) }
}

function withManaged(object: Stored, claims: readonly Claim[], before: readonly Managed[], time: string): Stored {
  const managedFields = claims
    .filter(({ fields }) => fields.size > 0)
    .map((claim): ManagedFields => {
      const known = before.find((managed) => isSame(managed, claim))
      const fieldsV1 = toFieldsV1(claim.fields)
      const isKnown = known && isDeepStrictEqual(known.entry.fieldsV1, fieldsV1)
      const { manager, operation, subresource } = claim
      return {
        manager,
        operation,
        apiVersion: object.apiVersion,
        time: isKnown ? known.entry.time : time,
        fieldsType: 'FieldsV1',
        fieldsV1,
        ...(subresource && { subresource }),
      }
    })
  return { ...object, metadata: { ...object.metadata, managedFields } }
}

/** The holder of a path's last step, made on the way where it is wanted; undefined where it is not there. */
function holderOf(object: unknown, path: Path, make: boolean): unknown {
  let at = object as Record<string, unknown> | unknown[]
  for (const [index, step] of path.slice(0, -1).entries()) {
    const isList = path[index + 1]!.startsWith('k:')
    const next = stepInto(at, step) ?? (make ? put(at, step, isList ? [] : {}) : undefined)
    if (next === undefined) return undefined
    at = next as typeof at
  }
  return at
}

function stepInto(holder: unknown, step: string): unknown {
  if (Array.isArray(holder)) return holder.find((item) => isItem(item, step))
  return isMapping(holder) ? holder[step.slice(2)] : undefined
}

function isItem(item: unknown, step: string): boolean {
  const keys = Object.keys(JSON.parse(step.slice(2)) as Record<string, unknown>)
  return isMapping(item) && keyTextOf(item, keys) === step.slice(2)
}

function put(holder: unknown, step: string, value: unknown): unknown {
  if (!Array.isArray(holder)) (holder as Record<string, unknown>)[step.slice(2)] = value
  else {
    const made = { ...(JSON.parse(step.slice(2)) as object), ...(value as object) }
    holder.push(made)
    return made
  }
  return value
}

function setAt(object: unknown, path: Path, value: unknown): void {
  const holder = holderOf(object, path, true)
  const step = path.at(-1)!
  if (!step.startsWith('k:')) put(holder, step, structuredClone(value))
}

function removeAt(object: unknown, path: Path): void {
  const isItemItself = path.at(-1) === '.'
  const target = isItemItself ? path.slice(0, -1) : path
  const holder = holderOf(object, target, false)
  const step = target.at(-1)!
  if (Array.isArray(holder)) {
    const index = holder.findIndex((item) => isItem(item, step))
    if (index >= 0) holder.splice(index, 1)
  } else if (isMapping(holder)) delete holder[step.slice(2)]
}
