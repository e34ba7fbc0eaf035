// The objects of a journal as ConfigMaps. The two that are looked at again and again, head and inbox, can be followed by
// a watch, so that looking costs the API server nothing.
import { type ErrorCode, OperatingError } from '../../errors/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import { type Api, ApiError, ApiUnreachable, type KubernetesObject, type Resource } from './api.ts'
import { type ObjectCache, watchedObjects } from './cache.ts'

interface Stored {
  readonly name: string
  readonly version: string
  readonly data: Readonly<Record<string, string>>
}

interface New {
  readonly name: string
  readonly part: string
  readonly data: Readonly<Record<string, string>>
}

/** What `ObjectStore` of the journal asks for; see there. */
export interface ConfigMapStore {
  get(name: string, options?: { readonly fresh: boolean }): Promise<Stored | null>
  create(object: New): Promise<Stored | null>
  replace(object: New & { readonly version: string }): Promise<Stored | null>
  set(object: New): Promise<void>
  delete(name: string): Promise<void>
  names(part?: string): Promise<readonly string[]>
  close(): void
}

const JOURNAL_LABEL = 'moodify.dev/journal'
const PART_LABEL = 'moodify.dev/part'
const FOLLOWED = ['head', 'inbox']
const NAMES_ONLY = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json'

export interface ConfigMapStoreOptions {
  readonly api: Api
  readonly clock: Clock
  readonly namespace: string
  readonly environment: string
  /** Whether head and inbox are followed from the second look on, for whoever looks often. */
  readonly follow: boolean
}

export function configMapStore({ api, clock, namespace, environment, follow }: ConfigMapStoreOptions): ConfigMapStore {
  const resource: Resource = { apiVersion: 'v1', plural: 'configmaps', namespace }
  const labelSelector = `${JOURNAL_LABEL}=${environment},${PART_LABEL} in (${FOLLOWED.join(', ')})`
  const lookedAt = new Set<string>()
  /** What was written here: a list that was asked for before may bring what was before. */
  const written = new Map<string, KubernetesObject>()
  let followed: ObjectCache<'journal'> | null = null
  let isClosed = false

  const manifest = ({ name, part, data }: New, resourceVersion?: string): KubernetesObject => {
    const labels = { 'app.kubernetes.io/managed-by': 'moodify', [JOURNAL_LABEL]: environment, [PART_LABEL]: part }
    const metadata = { name, namespace, labels, ...(resourceVersion !== undefined && { resourceVersion }) }
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
  }

  function remember(object: KubernetesObject): Stored {
    if (isFollowed(object)) written.set(object.metadata.name, object)
    return storedOf(object)
  }

  function seen(name: string): KubernetesObject | null {
    const found = followed?.find('journal', name) ?? null
    const mine = written.get(name)
    return found && mine && versionOf(mine) > versionOf(found) ? mine : found
  }

  return {
    async get(name, { fresh } = { fresh: false }) {
      const known = fresh ? null : seen(name)
      if (known) return storedOf(known)
      const object = await asked(() => api.get(resource, name))
      if (object && follow && !isClosed && isFollowed(object)) {
        if (lookedAt.has(name))
          followed ??= watchedObjects(api, clock, { journal: { resource, options: { labelSelector } } })
        followed?.put('journal', object)
        lookedAt.add(name)
      }
      return object && storedOf(object)
    },
    async create(object) {
      return asked(async () => remember(await api.create(resource, manifest(object))), 'AlreadyExists')
    },
    async replace({ version, ...object }) {
      return asked(async () => remember(await api.replace(resource, manifest(object, version))), 'Conflict', 'NotFound')
    },
    async set(object) {
      const change = { data: object.data }
      const merged = await asked(() => api.merge(resource, object.name, change), 'NotFound')
      const made = merged ?? (await asked(() => api.create(resource, manifest(object)), 'AlreadyExists'))
      // Somebody made it in between.
      if (!made) await asked(() => api.merge(resource, object.name, change))
    },
    async delete(name) {
      await asked(() => api.delete(resource, name))
    },
    async names(part) {
      const selector = `${JOURNAL_LABEL}=${environment}${part === undefined ? '' : `,${PART_LABEL}=${part}`}`
      const path = `/api/v1/namespaces/${namespace}/configmaps?labelSelector=${encodeURIComponent(selector)}`
      const { status, body } = await asked(() => api.request(path, { headers: { accept: NAMES_ONLY } }))
      const said = JSON.parse(body) as { items?: readonly KubernetesObject[] | null; message?: string }
      if (status !== 200) throw refusal(status, said.message ?? body)
      return (said.items ?? []).map(({ metadata }) => metadata.name)
    },
    close() {
      isClosed = true
      followed?.close()
    },
  }

  async function asked<T>(call: () => Promise<T>): Promise<T>
  async function asked<T>(call: () => Promise<T>, ...expected: string[]): Promise<T | null>
  async function asked<T>(call: () => Promise<T>, ...expected: string[]): Promise<T | null> {
    try {
      return await call()
    } catch (error) {
      if (error instanceof ApiError && expected.includes(error.reason)) return null
      if (error instanceof ApiError) throw refusal(error.status, error.message)
      if (error instanceof ApiUnreachable) throw failure('CLUSTER_UNREACHABLE', error.message)
      throw error
    }
  }

  /** Servers that are starting or overloaded say so with 429 and 5xx: as good as no answer. */
  function refusal(status: number, message: string): OperatingError {
    return failure(status === 429 || status >= 500 ? 'CLUSTER_UNREACHABLE' : 'JOURNAL_FAILED', message)
  }

  function failure(code: ErrorCode, message: string): OperatingError {
    return new OperatingError(
      code,
      `the journal of ${environment} in namespace ${namespace}: ${message}`,
      'moodify doctor',
    )
  }
}

/** Versions of one server are numbers that grow. */
const versionOf = ({ metadata }: KubernetesObject) => BigInt(metadata.resourceVersion ?? 0)

const isFollowed = ({ metadata }: KubernetesObject) => FOLLOWED.includes(metadata.labels?.[PART_LABEL] ?? '')

function storedOf({ metadata, ...rest }: KubernetesObject): Stored {
  return {
    name: metadata.name,
    version: metadata.resourceVersion!,
    data: (rest['data'] as Stored['data'] | undefined) ?? {},
  }
}
