// As much of an API server as traffic adapters use: objects, JSON Patch with tests, label selectors by name.
import {
  type Api,
  ApiError,
  type KubernetesObject,
  type PatchOperation,
  type Resource,
} from '../../../src/effects/kubernetes/api.ts'

export interface MemoryApi extends Api {
  put(plural: string, object: KubernetesObject): void
  object(plural: string, name: string): KubernetesObject
  /** Every patch that was accepted, in order. */
  readonly patches: { readonly name: string; readonly operations: readonly PatchOperation[] }[]
  /** Called before each patch is applied; what it throws is the answer. */
  beforePatch: (name: string) => void
}

export function memoryApi(): MemoryApi {
  const objects = new Map<string, KubernetesObject>()
  let version = 0
  const keyOf = (plural: string, name: string) => `${plural}/${name}`
  const unused = () => Promise.reject(new Error('traffic adapters do not call this'))

  const api: MemoryApi = {
    patches: [],
    beforePatch: () => {},
    put(plural, object) {
      const metadata = { ...object.metadata, resourceVersion: String(++version) }
      objects.set(keyOf(plural, object.metadata.name), { ...object, metadata })
    },
    object: (plural, name) => objects.get(keyOf(plural, name))!,
    get: async ({ plural }, name) => structuredClone(objects.get(keyOf(plural, name)) ?? null),
    async list({ plural, namespace }, options) {
      const items = [...objects]
        .filter(
          ([key, { metadata }]) => key.startsWith(`${plural}/`) && (!namespace || metadata.namespace === namespace),
        )
        .map(([, object]) => object)
      const isSelected = ({ metadata }: KubernetesObject) =>
        matches(metadata.labels ?? {}, options?.labelSelector ?? '')
      return { items: structuredClone(items.filter(isSelected)), resourceVersion: String(version) }
    },
    async patch({ plural }: Resource, name, operations) {
      api.beforePatch(name)
      const object = structuredClone(api.object(plural, name))
      for (const operation of operations) applyOperation(object, operation)
      api.put(plural, object)
      api.patches.push({ name, operations })
      return structuredClone(api.object(plural, name))
    },
    create: unused,
    replace: unused,
    merge: unused,
    apply: unused,
    delete: unused,
    request: unused,
    async *watch() {
      yield* []
    },
  }
  return api
}

/** `key in (a,b)` alone, or `key=a,other=b`. */
function matches(labels: Readonly<Record<string, string>>, selector: string): boolean {
  const [, key, values] = selector.match(/^(\S+) in \((.*)\)$/) ?? []
  if (key) return values!.split(',').includes(labels[key] ?? '')
  return selector.split(',').every((part) => part === '' || labels[part.split('=')[0]!] === part.split('=')[1])
}

/** One operation of RFC 6902, in place. */
export function applyOperation(document: unknown, operation: PatchOperation): void {
  const parts = operation.path
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const last = parts.pop()!
  // biome-ignore lint/suspicious/noExplicitAny: any JSON document
  const parent = parts.reduce((node: any, part) => node?.[part], document)
  const refuse = (why: string) => new ApiError(422, 'Invalid', `${operation.op} ${operation.path}: ${why}`)
  if (parent === undefined || parent === null) throw refuse('the parent is missing')
  const isThere = Array.isArray(parent) ? Number(last) < parent.length : Object.hasOwn(parent, last)
  if (operation.op !== 'add' && !isThere) throw refuse('it is missing')
  switch (operation.op) {
    case 'test':
      if (JSON.stringify(parent[last]) !== JSON.stringify(operation.value)) throw refuse('the test failed')
      return
    case 'remove':
      if (Array.isArray(parent)) parent.splice(Number(last), 1)
      else delete parent[last]
      return
    case 'replace':
      parent[last] = operation.value
      return
    case 'add':
      if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : Number(last), 0, operation.value)
      else parent[last] = operation.value
  }
}
