// What adapters need of a Kubernetes API server. `client.ts` speaks to a real one; the one in test/support/api-server
// answers the same calls in process.

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  /** spec, status, data and whatever else the kind has. */
  readonly [field: string]: unknown
}

export interface ObjectMeta {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly resourceVersion?: string
  readonly uid?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly ownerReferences?: readonly { readonly kind: string; readonly name: string; readonly uid: string }[]
  readonly managedFields?: readonly { readonly manager?: string; readonly operation?: string; readonly time?: string }[]
}

/** A kind of object, in one namespace unless it has none: `{ apiVersion: 'apps/v1', plural: 'deployments', namespace }`. */
export interface Resource {
  readonly apiVersion: string
  readonly plural: string
  readonly namespace?: string
}

/** One operation of a JSON Patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

export interface ListOptions {
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export interface ObjectList {
  readonly items: readonly KubernetesObject[]
  /** Where a watch goes on from. */
  readonly resourceVersion: string
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: KubernetesObject
}

export interface ApplyOptions {
  readonly fieldManager: string
  /** Takes fields over that others manage; without it they are a conflict (409). */
  readonly force?: boolean
  readonly dryRun?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Every call rejects with ApiError for an answer of the server that is not success, and with ApiUnreachable when there
 * was none; whether a write happened is then not known.
 */
export interface Api {
  /** Null when there is none of that name. */
  get(resource: Resource, name: string): Promise<KubernetesObject | null>
  /** All of them, however many pages the server makes of it. */
  list(resource: Resource, options?: ListOptions): Promise<ObjectList>
  create(resource: Resource, object: KubernetesObject): Promise<KubernetesObject>
  /** Fails with 409 when `metadata.resourceVersion` is given and no longer the current one. */
  replace(resource: Resource, object: KubernetesObject): Promise<KubernetesObject>
  /** JSON Patch; a `test` that fails is 422 and changes nothing. */
  patch(resource: Resource, name: string, operations: readonly PatchOperation[]): Promise<KubernetesObject>
  /** JSON merge patch (RFC 7386). */
  merge(resource: Resource, name: string, change: Readonly<Record<string, unknown>>): Promise<KubernetesObject>
  /** Server-side apply. */
  apply(resource: Resource, object: KubernetesObject, options: ApplyOptions): Promise<KubernetesObject>
  /** Nothing happens when there is none of that name. */
  delete(resource: Resource, name: string): Promise<void>
  /**
   * Events after a resource version, bookmarks too, until the signal or until the server ends the connection. Rejects
   * with ApiError 410 when that version is too old: then list again.
   */
  watch(resource: Resource, from: string, options: ListOptions, signal: AbortSignal): AsyncIterable<WatchEvent>
  /**
   * Any other request to the API server, such as `/version`, or to a pod or service through it:
   * `/api/v1/namespaces/N/pods/P:8000/proxy/metrics`. Answers of any status resolve.
   */
  request(path: string, options?: RequestOptions): Promise<Answer>
}

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** The server said no. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  /** `NotFound`, `Conflict`, `Invalid`, `Forbidden`, `Expired` and so on. */
  readonly reason: string

  constructor(status: number, reason: string, message: string) {
    super(message)
    this.status = status
    this.reason = reason
  }
}

/** The server did not answer. */
export class ApiUnreachable extends Error {
  override readonly name = 'ApiUnreachable'
}
