// The objects of a journal as ConfigMaps. The two that are looked at again and again, head and inbox, can be followed by
// a watch, so that looking costs the API server nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, OperatingError } from '../../errors/catalogue.ts'
import { type Api, ApiError, ApiUnreachable, type KubernetesObject, type Resource } from './api.ts'

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
const FOLLOWED = `${PART_LABEL} in (head, inbox)`
const RECONNECT_MS = 1000
const NAMES_ONLY = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json'

export interface ConfigMapStoreOptions {
  readonly api: Api
  readonly namespace: string
  readonly environment: string
  /** Whether head and inbox are followed from the second look on, for whoever looks often. */
  readonly follow: boolean
}

export function configMapStore({ api, namespace, environment, follow }: ConfigMapStoreOptions): ConfigMapStore {
  const resource: Resource = { apiVersion: 'v1', plural: 'configmaps', namespace }
  const stop = new AbortController()
  const labelSelector = `${JOURNAL_LABEL}=${environment},${FOLLOWED}`
  const known = new Map<string, KubernetesObject>()
  const lookedAt = new Set<string>()
  let isFollowing = false

  const manifest = ({ name, part, data }: New, resourceVersion?: string): KubernetesObject => {
    const labels = { 'app.kubernetes.io/managed-by': 'moodify', [JOURNAL_LABEL]: environment, [PART_LABEL]: part }
    const metadata = { name, namespace, labels, ...(resourceVersion !== undefined && { resourceVersion }) }
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
  }

  /** One that was read or written before does not replace one that came after. */
  function remember(object: KubernetesObject): Stored {
    const before = known.get(object.metadata.name)
    if (!before || versionOf(object) > versionOf(before)) known.set(object.metadata.name, object)
    return storedOf(object)
  }

  async function followAll(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        const { items, resourceVersion } = await api.list(resource, { labelSelector })
        for (const name of known.keys()) if (!items.some(({ metadata }) => metadata.name === name)) known.delete(name)
        for (const item of items) remember(item)
        await followFrom(resourceVersion)
      } catch (error) {
        if (!(error instanceof ApiError || error instanceof ApiUnreachable || error instanceof OperatingError))
          throw error
        await sleep(RECONNECT_MS, undefined, { signal: stop.signal, ref: false }).catch(() => {})
      }
    }
  }

  /** Until the version is too old; a watch that the server ends is taken up where it was. */
  async function followFrom(version: string): Promise<void> {
    let from = version
    while (!stop.signal.aborted) {
      for await (const { type, object } of api.watch(resource, from, { labelSelector }, stop.signal)) {
        from = object.metadata.resourceVersion ?? from
        if (type === 'DELETED') known.delete(object.metadata.name)
        else if (type !== 'BOOKMARK') remember(object)
      }
    }
  }

  return {
    async get(name, { fresh } = { fresh: false }) {
      const seen = known.get(name)
      if (seen && isFollowing && !fresh) return storedOf(seen)
      const object = await asked(() => api.get(resource, name))
      if (object && follow && isFollowed(object)) {
        remember(object)
        if (lookedAt.has(name) && !isFollowing) {
          isFollowing = true
          void followAll()
        }
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
      known.delete(name)
    },
    async names(part) {
      const selector = `${JOURNAL_LABEL}=${environment}${part === undefined ? '' : `,${PART_LABEL}=${part}`}`
      const path = `/api/v1/namespaces/${namespace}/configmaps?labelSelector=${encodeURIComponent(selector)}`
      const { status, body } = await asked(() => api.request(path, { headers: { accept: NAMES_ONLY } }))
      const said = JSON.parse(body) as { items?: readonly KubernetesObject[] | null; message?: string }
      if (status !== 200) throw refusal(status, said.message ?? body)
      return (said.items ?? []).map(({ metadata }) => metadata.name)
    },
    close: () => stop.abort(),
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

const isFollowed = ({ metadata }: KubernetesObject) => ['head', 'inbox'].includes(metadata.labels?.[PART_LABEL] ?? '')

function storedOf({ metadata, ...rest }: KubernetesObject): Stored {
  return {
    name: metadata.name,
    version: metadata.resourceVersion!,
    data: (rest['data'] as Stored['data'] | undefined) ?? {},
  }
}
