// The API of a real server: paths, content types, pages, watches.
import {
  type Answer,
  type Api,
  ApiError,
  type KubernetesObject,
  type ListOptions,
  type ObjectList,
  type Resource,
  type WatchEvent,
} from './api.ts'
import type { ConnectOptions } from './connect-options.ts'
import { type Ask, createTransport, type Transport } from './transport.ts'

const PAGE = 500
/** A server ends a watch after this long; it is then resumed. */
const WATCH_SECONDS = 290

export interface Connection extends Api {
  /** Whom this speaks to, as the kubeconfig says. @throws OperatingError KUBECONFIG_INVALID */
  target(): Promise<{ readonly context: string; readonly server: string; readonly namespace: string | null }>
  close(): void
}

/** Nothing is read or opened before the first call. */
export function connect(options: ConnectOptions = {}): Connection {
  const transport = createTransport(options)
  const send = async (method: string, path: string, body?: unknown, contentType = 'application/json') =>
    objectIn(await transport.patiently(jsonAsk(method, path, body, contentType)))

  return {
    async get(resource, name) {
      const answer = await transport.patiently(jsonAsk('GET', pathOf(resource, name)))
      // A kind that the server does not know is an error, an object that is not there is not.
      if (answer.status === 404 && isAbsentObject(answer, name)) return null
      return objectIn(answer)
    },
    list: (resource, options) => listAll(transport, resource, options ?? {}),
    create: (resource, object) => send('POST', pathOf(resource), object),
    replace: (resource, object) => send('PUT', pathOf(resource, object.metadata.name), object),
    patch: (resource, name, operations) =>
      send('PATCH', pathOf(resource, name), operations, 'application/json-patch+json'),
    merge: (resource, name, change) => send('PATCH', pathOf(resource, name), change, 'application/merge-patch+json'),
    apply(resource, object, { fieldManager, force, dryRun }) {
      const query = new URLSearchParams({ fieldManager, fieldValidation: 'Strict' })
      if (force) query.set('force', 'true')
      if (dryRun) query.set('dryRun', 'All')
      const path = `${pathOf(resource, object.metadata.name)}?${query}`
      return send('PATCH', path, object, 'application/apply-patch+yaml')
    },
    async delete(resource, name) {
      const answer = await transport.patiently(jsonAsk('DELETE', pathOf(resource, name)))
      if (answer.status !== 404) statusCheck(answer)
    },
    watch: (resource, from, options, signal) => watchEvents(transport, resource, from, options, signal),
    request: (path, options = {}) => transport.exchange({ method: 'GET', path, ...options }),
    async target() {
      const { context, server, namespace } = await transport.credentials()
      return { context, server: server.href, namespace }
    },
    close: () => transport.close(),
  }
}

function pathOf({ apiVersion, plural, namespace }: Resource, name?: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`
  return `${root}${scope}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`
}

function jsonAsk(method: string, path: string, body?: unknown, contentType = 'application/json'): Ask {
  const accept = { accept: 'application/json' }
  if (body === undefined) return { method, path, headers: accept }
  return { method, path, headers: { ...accept, 'content-type': contentType }, body: JSON.stringify(body) }
}

async function listAll(transport: Transport, resource: Resource, options: ListOptions): Promise<ObjectList> {
  const items: KubernetesObject[] = []
  let proceed = ''
  for (;;) {
    const query = selectorsOf(options)
    query.set('limit', String(PAGE))
    if (proceed) query.set('continue', proceed)
    const answer = await transport.patiently(jsonAsk('GET', `${pathOf(resource)}?${query}`))
    if (answer.status === 410 && proceed) {
      // The pages took too long: from the start.
      items.length = 0
      proceed = ''
      continue
    }
    statusCheck(answer)
    const page = JSON.parse(answer.body) as ListBody
    const kind = page.kind.replace(/List$/, '')
    for (const item of page.items ?? []) items.push({ ...item, apiVersion: resource.apiVersion, kind })
    proceed = page.metadata.continue ?? ''
    if (!proceed) return { items, resourceVersion: page.metadata.resourceVersion ?? '' }
  }
}

interface ListBody {
  readonly kind: string
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly KubernetesObject[]
}

function selectorsOf({ labelSelector, fieldSelector }: ListOptions): URLSearchParams {
  const query = new URLSearchParams()
  if (labelSelector) query.set('labelSelector', labelSelector)
  if (fieldSelector) query.set('fieldSelector', fieldSelector)
  return query
}

async function* watchEvents(
  transport: Transport,
  resource: Resource,
  from: string,
  options: ListOptions,
  signal: AbortSignal,
): AsyncIterable<WatchEvent> {
  const query = selectorsOf(options)
  query.set('watch', 'true')
  query.set('resourceVersion', from)
  query.set('allowWatchBookmarks', 'true')
  query.set('timeoutSeconds', String(WATCH_SECONDS))
  try {
    const ask = { ...jsonAsk('GET', `${pathOf(resource)}?${query}`), signal }
    const { status, chunks } = await transport.stream(ask)
    if (status !== 200) throw apiError(status, await textOf(chunks))
    for await (const line of linesOf(chunks)) {
      const event = JSON.parse(line) as { type: string; object: KubernetesObject }
      if (event.type === 'ERROR') throw apiError(Number(event.object['code'] ?? 500), JSON.stringify(event.object))
      yield event as WatchEvent
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncIterable<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()!
    for (const line of lines) if (line) yield line
  }
}

async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk.toString()
  return text
}

function objectIn(answer: Answer): KubernetesObject {
  statusCheck(answer)
  return JSON.parse(answer.body) as KubernetesObject
}

function statusCheck({ status, body }: Answer): void {
  if (status < 200 || status > 299) throw apiError(status, body)
}

/** The body is a Status object, or the text of something between us and the server. */
function apiError(status: number, body: string): ApiError {
  const { reason, message } = statusObject(body)
  return new ApiError(status, reason ?? 'Unknown', message ?? (body.trim().slice(0, 500) || `HTTP status ${status}`))
}

function statusObject(body: string): { reason?: string; message?: string; details?: { name?: string } } {
  try {
    return JSON.parse(body) ?? {}
  } catch {
    return {}
  }
}

function isAbsentObject({ body }: Answer, name: string): boolean {
  const { reason, details } = statusObject(body)
  return reason === 'NotFound' && details?.name === name
}
