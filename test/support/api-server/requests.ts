// One request, one answer: reading, writing and patching of objects. Watches are in `watches.ts`.

import { badRequest, expiredPages, notToBeCreated, Refusal, unknownPath } from './answers.ts'
import { apiVersionOf, type Kind, kindAt, kindOf, kinds } from './kinds.ts'
import { applied, updated } from './managers.ts'
import type { Objects, Stored } from './objects.ts'
import { applyJsonPatch, applyMergePatch } from './patches.ts'
import { fieldMatcher, labelMatcher, type Matcher } from './selectors.ts'
import { refuseInvalid, withDefaults } from './validation.ts'

export interface Request {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly contentType: string
  readonly accept: string
  readonly userAgent: string
  readonly body: string
}

export interface Reply {
  readonly status: number
  /** Text as it is, everything else as JSON. */
  readonly body: unknown
}

/** What a pod answers through the API server, and what it has logged. */
export interface Pods {
  answer(pod: Stored, request: { method: string; port: string; path: string; body: string }): Reply | Promise<Reply>
  log(pod: Stored, query: URLSearchParams): string
}

export interface Backend {
  readonly objects: Objects
  readonly pods: Pods
  readonly wall: () => string
  /** Looks at what is about to be stored; a webhook or a quota throws here. */
  readonly admission: ((object: Stored, before: Stored | null) => void)[]
}

export interface Target {
  readonly kind: Kind
  readonly namespace: string | undefined
  readonly name: string | null
  readonly subresource: string | null
  readonly rest: string
}

/** @throws Refusal */
export async function answer(backend: Backend, request: Request): Promise<Reply> {
  const { method, path } = request
  const about = aboutServer(path)
  if (about) return about
  if (method === 'POST' && /\/selfsubject(access|rules)reviews$/.test(path)) return review(request)
  const target = targetOf(path)
  if (!target) throw unknownPath()
  if (target.kind.kind === 'Pod' && target.subresource) return podSubresource(backend, target, request)
  if (target.name === null) {
    if (method === 'GET') return { status: 200, body: list(backend.objects, target, request) }
    if (method === 'POST') return { status: 201, body: create(backend, target, request) }
    if (method === 'DELETE') return removeAll(backend.objects, target, request.query)
  } else {
    if (method === 'GET') return { status: 200, body: backend.objects.get(target.kind, target.namespace, target.name) }
    if (method === 'PUT') return { status: 200, body: replace(backend, target, request) }
    if (method === 'PATCH') return patch(backend, target, request)
    if (method === 'DELETE') return remove(backend, target, request)
  }
  throw new Refusal(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource')
}

function aboutServer(path: string): Reply | null {
  if (/^\/(readyz|livez|healthz)$/.test(path)) return { status: 200, body: 'ok' }
  if (path === '/version') return { status: 200, body: { major: '1', minor: '36', gitVersion: 'v1.36.0-in-process' } }
  const groups = [...new Set(kinds.map(({ group }) => group))].filter(Boolean)
  if (path === '/api') return { status: 200, body: { kind: 'APIVersions', versions: ['v1'] } }
  if (path === '/apis') {
    const all = groups.map((name) => {
      const versions = kinds.filter(({ group }) => group === name).map((kind) => apiVersionOf(kind))
      const [first] = versions.map((groupVersion) => ({ groupVersion, version: groupVersion.split('/')[1] }))
      return { name, versions: [first], preferredVersion: first }
    })
    return { status: 200, body: { kind: 'APIGroupList', apiVersion: 'v1', groups: all } }
  }
  const [, groupVersion] = /^\/(?:api|apis)\/(v1|[^/]+\/[^/]+)$/.exec(path) ?? []
  const served = kinds.filter((kind) => apiVersionOf(kind) === groupVersion)
  if (served.length === 0) return null
  const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']
  const resources = served.map((kind) => ({ name: kind.plural, namespaced: kind.isNamespaced, kind: kind.kind, verbs }))
  return { status: 200, body: { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources } }
}

/** Everybody may do everything here; rights are tested on a real server. */
function review({ body }: Request): Reply {
  return { status: 201, body: { ...parsed(body), status: { allowed: true, resourceRules: [] } } }
}

export function targetOf(path: string): Target | null {
  const found = /^\/(?:api\/(v1)|apis\/([^/]+\/[^/]+))\/(.+)$/.exec(path)
  if (!found) return null
  const parts = found[3]!.split('/').map(decodeURIComponent)
  const isInNamespace = parts[0] === 'namespaces' && parts.length > 2
  const [plural, name = null, subresource = null, ...rest] = isInNamespace ? parts.slice(2) : parts
  const kind = kindAt(found[1] ?? found[2]!, plural!)
  if (!kind) return null
  return { kind, namespace: isInNamespace ? parts[1] : undefined, name, subresource, rest: rest.join('/') }
}

// --- reading ----------------------------------------------------------------------------------------------

export function matcherOf(query: URLSearchParams): Matcher {
  const labels = labelMatcher(query.get('labelSelector') ?? '')
  const fields = fieldMatcher(query.get('fieldSelector') ?? '')
  return (object) => labels(object) && fields(object)
}

function list(objects: Objects, { kind, namespace }: Target, { query, accept }: Request): unknown {
  const all = objects.list(kind, namespace).filter(matcherOf(query))
  const limit = Number(query.get('limit') ?? 0) || all.length
  const { from, version } = pageOf(query.get('continue'), objects.version())
  // Pages are of the list as it was; a server keeps that for some minutes, this one until something changes.
  if (version !== objects.version()) throw expiredPages()
  const page = all.slice(from, from + limit)
  const left = all.length - from - page.length
  const proceed = { continue: btoa(JSON.stringify({ from: from + limit, version })), remainingItemCount: left }
  const metadata = { resourceVersion: String(version), ...(left > 0 && proceed) }
  if (accept.startsWith('application/json;as=PartialObjectMetadataList')) {
    const items = page.map((item) => ({ metadata: item.metadata }))
    // None at all is null, of this kind alone.
    return {
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1',
      metadata,
      items: items.length ? items : null,
    }
  }
  return {
    kind: `${kind.kind}List`,
    apiVersion: apiVersionOf(kind),
    metadata,
    items: page.map((item) => (kind.isCustom ? item : untyped(item))),
  }
}

function pageOf(token: string | null, version: number): { from: number; version: number } {
  if (!token) return { from: 0, version }
  try {
    return JSON.parse(atob(token))
  } catch {
    throw badRequest('continue key is not valid')
  }
}

function untyped({ apiVersion: _, kind: __, ...item }: Stored): unknown {
  return item
}

// --- writing ----------------------------------------------------------------------------------------------

function parsed(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body)
  } catch {
    throw badRequest('the object provided is unrecognized: it is no JSON')
  }
}

function objectIn(body: string, { kind, namespace, name }: Target): Stored {
  const object = parsed(body) as unknown as Stored
  if (object.kind !== kind.kind || object.apiVersion !== apiVersionOf(kind)) {
    throw badRequest(`${object.kind} in version "${object.apiVersion}" cannot be handled as a ${kind.kind}`)
  }
  if (object.metadata?.namespace !== undefined && object.metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  if (name !== null && object.metadata.name !== name) {
    throw badRequest(`the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`)
  }
  return { ...object, metadata: { ...object.metadata, ...(namespace !== undefined && { namespace }) } }
}

function writeOf(
  { query, userAgent }: Request,
  { subresource }: Target,
  wall: () => string,
  operation: 'Apply' | 'Update',
) {
  const manager = query.get('fieldManager') ?? userAgent.split('/')[0]!
  const time = wall().replace(/\.\d+Z$/, 'Z')
  return { manager, operation, time, ...(subresource && { subresource }) }
}

function create(backend: Backend, target: Target, request: Request): Stored {
  const object = objectIn(request.body, target)
  if (object.metadata.resourceVersion) throw notToBeCreated()
  const write = writeOf(request, target, backend.wall, 'Update')
  return store(backend, target, request, updated(undefined, withDefaults(object), write), null)
}

function replace(backend: Backend, target: Target, request: Request): Stored {
  const object = objectIn(request.body, target)
  const before = backend.objects.get(target.kind, target.namespace, target.name!)
  const metadata = {
    ...object.metadata,
    resourceVersion: object.metadata.resourceVersion || before.metadata.resourceVersion,
  }
  const next = withDefaults({ ...object, metadata })
  return write(backend, target, request, next, before)
}

function patch(backend: Backend, target: Target, request: Request): Reply {
  const { kind, namespace, name } = target
  const before = backend.objects.find(kind, namespace, name!)
  if (request.contentType.startsWith('application/apply-patch')) return apply(backend, target, request, before)
  if (!before) throw unknownPathOr404(backend, target)
  const isJsonPatch = request.contentType === 'application/json-patch+json'
  const isMerge = ['application/merge-patch+json', 'application/strategic-merge-patch+json'].includes(
    request.contentType,
  )
  if (!isJsonPatch && !isMerge) {
    throw new Refusal(
      415,
      'UnsupportedMediaType',
      `the body of the request was in an unknown format: ${request.contentType}`,
    )
  }
  const change = parsed(request.body)
  const next = (isJsonPatch ? applyJsonPatch(before, change as never) : applyMergePatch(before, change)) as Stored
  return { status: 200, body: write(backend, target, request, next, before) }
}

function unknownPathOr404({ objects }: Backend, { kind, namespace, name }: Target): never {
  objects.get(kind, namespace, name!)
  throw unknownPath()
}

function apply(backend: Backend, target: Target, request: Request, before: Stored | undefined): Reply {
  if (!request.query.get('fieldManager')) {
    throw badRequest(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )
  }
  const object = objectIn(request.body, target)
  if (object.metadata.managedFields) throw badRequest('metadata.managedFields must be nil')
  const force = request.query.get('force') === 'true'
  const how = { ...writeOf(request, target, backend.wall, 'Apply'), force }
  const version = object.metadata.resourceVersion ?? before?.metadata.resourceVersion
  const next = applied(before, object, how)
  const metadata = { ...next.metadata, ...(version !== undefined && { resourceVersion: version }) }
  const stored = store(backend, target, request, withDefaults({ ...next, metadata }), before ?? null)
  return { status: before ? 200 : 201, body: stored }
}

/** A write of the object leaves its status, and a write of the status leaves the rest. */
function write(backend: Backend, target: Target, request: Request, next: Stored, before: Stored): Stored {
  const whole = { ...ownParts(target, next, before), metadata: metadataAfter(next, before) } as Stored
  const how = writeOf(request, target, backend.wall, 'Update')
  return store(backend, target, request, updated(before, whole, how), before)
}

function ownParts({ kind, subresource }: Target, next: Stored, before: Stored): Partial<Stored> {
  if (!kind.hasStatus) return next
  if (subresource === 'status') return { ...before, status: next['status'] }
  const { status: _, ...rest } = next
  return before['status'] === undefined ? rest : { ...rest, status: before['status'] }
}

/** What no client can change. */
function metadataAfter(next: Stored, { metadata }: Stored): Stored['metadata'] {
  const { uid, creationTimestamp, generation, deletionTimestamp, deletionGracePeriodSeconds, managedFields } = metadata
  const own = { uid, creationTimestamp, generation, deletionTimestamp, deletionGracePeriodSeconds, managedFields }
  return { ...next.metadata, ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) }
}

function store(backend: Backend, target: Target, request: Request, object: Stored, before: Stored | null): Stored {
  const { objects } = backend
  const { kind, namespace } = target
  if (kind.isNamespaced) {
    const home = objects.get(kindOf('Namespace'), undefined, namespace!)
    if (!before && home.metadata.deletionTimestamp) {
      throw new Refusal(
        403,
        'Forbidden',
        `unable to create new content in namespace ${namespace} because it is being terminated`,
      )
    }
  }
  refuseInvalid(kind, object, before)
  for (const look of backend.admission) look(object, before)
  if (request.query.get('dryRun') === 'All') return object
  return before ? objects.update(kind, object) : objects.create(kind, object)
}

function remove(backend: Backend, target: Target, { body }: Request): Reply {
  const { objects } = backend
  const { kind, namespace, name } = target
  const before = objects.get(kind, namespace, name!)
  const options = body ? parsed(body) : {}
  const wanted = options['preconditions'] as { uid?: string; resourceVersion?: string } | undefined
  const { uid, resourceVersion } = before.metadata
  if ((wanted?.uid ?? uid) !== uid || (wanted?.resourceVersion ?? resourceVersion) !== resourceVersion) {
    throw new Refusal(
      409,
      'Conflict',
      `Operation cannot be fulfilled on ${kind.plural} "${name}": the precondition fails`,
    )
  }
  if (kind.kind === 'Pod')
    return { status: 200, body: endPod(backend, before, options['gracePeriodSeconds'] as number | undefined) }
  if (kind.kind === 'Namespace') for (const one of kinds) removeContent(objects, one, name!)
  objects.remove(kind, namespace, name!)
  const details = { name, ...(kind.group && { group: kind.group }), kind: kind.plural, uid }
  return { status: 200, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details } }
}

function removeContent(objects: Objects, kind: Kind, namespace: string): void {
  if (!kind.isNamespaced) return
  for (const { metadata } of objects.list(kind, namespace)) objects.remove(kind, namespace, metadata.name)
}

function removeAll(objects: Objects, { kind, namespace }: Target, query: URLSearchParams): Reply {
  for (const { metadata } of objects.list(kind, namespace).filter(matcherOf(query))) {
    objects.remove(kind, metadata.namespace, metadata.name)
  }
  return { status: 200, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } }
}

// --- pods -------------------------------------------------------------------------------------------------

/** It gets its grace period; who plays the kubelet takes it away. */
export function endPod({ objects, wall }: Backend, pod: Stored, graceSeconds?: number): Stored {
  if (pod.metadata.deletionTimestamp) return pod
  const grace = graceSeconds ?? Number(pod['spec']?.terminationGracePeriodSeconds ?? 30)
  const metadata = { ...pod.metadata, deletionTimestamp: wall(), deletionGracePeriodSeconds: grace }
  return objects.update(kindOf('Pod'), { ...pod, metadata })
}

async function podSubresource(backend: Backend, target: Target, request: Request): Promise<Reply> {
  const { namespace, name, subresource, rest } = target
  const [podName, port = '80'] = name!.split(':')
  const pod = backend.objects.get(kindOf('Pod'), namespace, podName!)
  const { method, query, body } = request
  switch (subresource) {
    case 'log':
      return { status: 200, body: backend.pods.log(pod, query) }
    case 'proxy': {
      const text = query.toString()
      return backend.pods.answer(pod, { method, port, path: `/${rest}${text && `?${text}`}`, body })
    }
    case 'eviction':
      return { status: 201, body: { kind: 'Status', status: 'Success', ...(endPod(backend, pod) && {}) } }
    case 'status': {
      if (method === 'GET') return { status: 200, body: pod }
      if (method === 'PATCH') return patch(backend, { ...target, name: podName! }, request)
      return { status: 200, body: replace(backend, { ...target, name: podName! }, request) }
    }
    default:
      throw unknownPath()
  }
}
