// The objects, and what has happened to them: one counter for all writes, as etcd has it, and a log for watches.
import { isDeepStrictEqual } from 'node:util'
import { alreadyExists, expired, modified, notFound } from './answers.ts'
import { apiVersionOf, type Kind, kinds } from './kinds.ts'

export interface StoredMeta {
  name: string
  namespace?: string
  uid: string
  resourceVersion: string
  generation?: number
  creationTimestamp: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[]
  managedFields?: ManagedFields[]
}

export interface ManagedFields {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  time: string
  fieldsType: 'FieldsV1'
  fieldsV1: Record<string, unknown>
  subresource?: string
}

/** Never changed once it is stored. */
export interface Stored {
  apiVersion: string
  kind: string
  metadata: StoredMeta
  // biome-ignore lint/suspicious/noExplicitAny: whatever the kind has
  [field: string]: any
}

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly kind: Kind
  readonly version: number
  readonly object: Stored
  readonly before: Stored | null
}

export interface Objects {
  version(): number
  find(kind: Kind, namespace: string | undefined, name: string): Stored | undefined
  /** @throws Refusal 404 */
  get(kind: Kind, namespace: string | undefined, name: string): Stored
  /** In the order of their names; those of all namespaces without one. */
  list(kind: Kind, namespace?: string): readonly Stored[]
  create(kind: Kind, object: Stored): Stored
  /** Nothing is written when nothing changed. @throws Refusal 404, 409 when it is not what `object` was made from */
  update(kind: Kind, object: Stored): Stored
  remove(kind: Kind, namespace: string | undefined, name: string): Stored | undefined
  /** Changes after a version, in order. @throws Refusal 410 */
  since(version: number): readonly Change[]
  /** Changes until now are forgotten: a watch that would need them is too old. */
  compact(): void
  onChange(listener: (change: Change) => void): () => void
}

const withGeneration = kinds.filter(({ kind, group }) => group !== '' && kind !== 'Lease' && kind !== 'EndpointSlice')

export function createObjects({ wall }: { readonly wall: () => string }): Objects {
  /** By kind, then by place. */
  const objects = new Map(kinds.map((kind) => [kind, new Map<string, Stored>()]))
  /** Asked for again and again, and the same until something of the kind is written. */
  const lists = new Map(kinds.map((kind) => [kind, new Map<string | undefined, readonly Stored[]>()]))
  const changes: Change[] = []
  const listeners = new Set<(change: Change) => void>()
  // Numbers of a server that has run for a while: nobody may take one for a count.
  let version = 1000
  let oldest = version
  let uids = 0

  const keyOf = (namespace: string | undefined, name: string) => `${namespace ?? ''}/${name}`
  const now = () => wall().replace(/\.\d+Z$/, 'Z')

  function write(type: Change['type'], kind: Kind, object: Stored, before: Stored | null): Stored {
    const { namespace, name } = object.metadata
    version++
    const stored = Object.freeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(version) } })
    if (type === 'DELETED') objects.get(kind)!.delete(keyOf(namespace, name))
    else objects.get(kind)!.set(keyOf(namespace, name), stored)
    lists.get(kind)!.clear()
    const change = { type, kind, version, object: stored, before }
    changes.push(change)
    for (const listener of listeners) listener(change)
    return stored
  }

  const self: Objects = {
    version: () => version,
    find: (kind, namespace, name) => objects.get(kind)!.get(keyOf(namespace, name)),
    get(kind, namespace, name) {
      const found = self.find(kind, namespace, name)
      if (!found) throw notFound(kind, name)
      return found
    },
    list(kind, namespace) {
      const known = lists.get(kind)!.get(namespace)
      if (known) return known
      const all = [...objects.get(kind)!].filter(([key]) => namespace === undefined || key.startsWith(`${namespace}/`))
      const found = all.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
      lists.get(kind)!.set(namespace, found)
      return found
    },
    create(kind, object) {
      const { namespace, name } = object.metadata
      if (self.find(kind, namespace, name)) throw alreadyExists(kind, name)
      uids++
      const metadata: StoredMeta = {
        ...object.metadata,
        uid: `00000000-0000-4000-8000-${uids.toString(16).padStart(12, '0')}`,
        creationTimestamp: now(),
        ...(withGeneration.includes(kind) && { generation: 1 }),
      }
      return write('ADDED', kind, { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata }, null)
    },
    update(kind, object) {
      const { namespace, name, resourceVersion } = object.metadata
      const before = self.get(kind, namespace, name)
      if (before.metadata.resourceVersion !== resourceVersion) throw modified(kind, name)
      if (isDeepStrictEqual(withoutTimes(before), withoutTimes(object))) return before
      const { status: _, metadata: __, ...content } = object
      const { status: ___, metadata: ____, ...contentBefore } = before
      const isChanged = withGeneration.includes(kind) && !isDeepStrictEqual(content, contentBefore)
      const generation = before.metadata.generation! + (isChanged ? 1 : 0)
      const metadata = withGeneration.includes(kind) ? { ...object.metadata, generation } : object.metadata
      return write('MODIFIED', kind, { ...object, metadata }, before)
    },
    remove(kind, namespace, name) {
      const before = self.find(kind, namespace, name)
      return before && write('DELETED', kind, before, before)
    },
    since(from) {
      if (from < oldest) throw expired(from, oldest)
      return changes.filter((change) => change.version > from)
    },
    compact() {
      oldest = version
      changes.length = 0
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return self
}

function withoutTimes(object: Stored): Stored {
  const managedFields = object.metadata.managedFields?.map((entry) => ({ ...entry, time: '' }))
  return { ...object, metadata: { ...object.metadata, ...(managedFields && { managedFields }) } }
}
