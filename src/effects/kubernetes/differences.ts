// What differs between two objects, field by field. Pure.
import type { FieldChange } from '../ports/preview.ts'

/** The API server keeps these; they are nobody's wish. */
const KEPT_BY_SERVER = new Set([
  'status',
  'metadata.managedFields',
  'metadata.resourceVersion',
  'metadata.generation',
  'metadata.uid',
  'metadata.creationTimestamp',
])

/** In the order of the object after the change; what is gone comes last. */
export function differences(before: unknown, after: unknown): FieldChange[] {
  const old = new Map(fieldsOf(before))
  const wanted = new Map(fieldsOf(after))
  const changed = [...wanted]
    .filter(([path, value]) => old.get(path) !== value)
    .map(([path, value]) => ({ path, before: old.get(path), after: value }))
  const gone = [...old]
    .filter(([path]) => !wanted.has(path))
    .map(([path, value]) => ({ path, before: value, after: undefined }))
  return [...changed, ...gone]
}

/** Every single value with its path; an element of a list goes by its name where it has one. */
function fieldsOf(value: unknown, path = ''): [string, unknown][] {
  if (KEPT_BY_SERVER.has(path)) return []
  if (Array.isArray(value)) {
    return value.flatMap((element, index) => fieldsOf(element, `${path}[${nameOf(element) ?? index}]`))
  }
  if (typeof value !== 'object' || value === null) return [[path, value]]
  return Object.entries(value).flatMap(([key, field]) => fieldsOf(field, path === '' ? key : `${path}.${key}`))
}

function nameOf(element: unknown): string | null {
  const { name } = (typeof element === 'object' ? (element ?? {}) : {}) as { name?: unknown }
  return typeof name === 'string' ? name : null
}
