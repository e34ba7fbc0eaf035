// The client's interface without a wire: the same answers, within one turn of the event loop.
import {
  type Answer,
  type Api,
  ApiError,
  ApiUnreachable,
  type KubernetesObject,
  type ListOptions,
  type Resource,
  type WatchEvent,
} from '../../../src/effects/kubernetes/api.ts'
import { Refusal } from './answers.ts'
import { kindAt } from './kinds.ts'
import { answer, type Backend, type Reply, type Target, targetOf } from './requests.ts'
import { openWatch, type Watch } from './watches.ts'

export interface Wire {
  /** While it is, nothing arrives. */
  isDown(): boolean
  /** Told of every request. */
  onRequest(method: string, path: string): void
  readonly watches: Set<Watch>
}

export function directApi(backend: Backend, wire: Wire, userAgent = 'moodify'): Api {
  async function ask(
    method: string,
    path: string,
    body?: unknown,
    contentType = 'application/json',
    accept = 'application/json',
  ): Promise<Reply> {
    wire.onRequest(method, path)
    if (wire.isDown()) throw new ApiUnreachable('connect ECONNREFUSED 127.0.0.1')
    const url = new URL(path, 'http://api')
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
    const request = { method, path: url.pathname, query: url.searchParams, contentType, accept, userAgent, body: text }
    return answer(backend, request)
  }

  /** What comes back is the caller's own, as it would be from a wire. */
  async function object(...request: Parameters<typeof ask>): Promise<KubernetesObject> {
    try {
      return structuredClone((await ask(...request)).body) as KubernetesObject
    } catch (error) {
      throw error instanceof Refusal ? apiError(error) : error
    }
  }

  return {
    async get(resource, name) {
      return object('GET', pathOf(resource, name)).catch((error: unknown) => {
        if (error instanceof ApiError && error.reason === 'NotFound' && error.message.includes(`"${name}"`)) return null
        throw error
      })
    },
    async list(resource, options = {}) {
      const listed = await object('GET', `${pathOf(resource)}?${selectors(options)}`)
      const kind = listed.kind.replace(/List$/, '')
      const items = listed['items'] as KubernetesObject[]
      const resourceVersion = listed.metadata.resourceVersion!
      return { resourceVersion, items: items.map((item) => ({ ...item, apiVersion: resource.apiVersion, kind })) }
    },
    create: (resource, wanted) => object('POST', pathOf(resource), wanted),
    replace: (resource, wanted) => object('PUT', pathOf(resource, wanted.metadata.name), wanted),
    patch: (resource, name, operations) =>
      object('PATCH', pathOf(resource, name), operations, 'application/json-patch+json'),
    merge: (resource, name, change) => object('PATCH', pathOf(resource, name), change, 'application/merge-patch+json'),
    apply(resource, wanted, { fieldManager, force, dryRun }) {
      const query = new URLSearchParams({
        fieldManager,
        ...(force && { force: 'true' }),
        ...(dryRun && { dryRun: 'All' }),
      })
      return object(
        'PATCH',
        `${pathOf(resource, wanted.metadata.name)}?${query}`,
        wanted,
        'application/apply-patch+yaml',
      )
    },
    async delete(resource, name) {
      await object('DELETE', pathOf(resource, name)).catch((error: unknown) => {
        if (!(error instanceof ApiError) || error.status !== 404) throw error
      })
    },
    watch: (resource, from, options, signal) => watch(backend, wire, { resource, from, options, signal }),
    async request(path, options = {}): Promise<Answer> {
      const { method = 'GET', headers = {}, body } = options
      if (path.includes('watch=true')) return watchedNow(backend, path)
      try {
        const { status, body: said } = await ask(method, path, body, headers['content-type'], headers['accept'])
        return { status, headers: {}, body: typeof said === 'string' ? said : JSON.stringify(said) }
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        return { status: error.code, headers: {}, body: JSON.stringify(error.status) }
      }
    },
  }
}

const apiError = ({ code, reason, message }: Refusal) => new ApiError(code, reason || 'Unknown', message)

/** A watch that ends at once: what has happened, and how far that was. */
function watchedNow({ objects }: Backend, path: string): Answer {
  const url = new URL(path, 'http://api')
  const lines: string[] = []
  const emit = (event: unknown) => lines.push(`${JSON.stringify(event)}\n`)
  const watch = openWatch(objects, targetOf(url.pathname)!, url.searchParams, emit)
  watch.bookmark()
  watch.close()
  return { status: 200, headers: {}, body: lines.join('') }
}

function pathOf({ apiVersion, plural, namespace }: Resource, name?: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`
  return `${root}${scope}/${plural}${name === undefined ? '' : `/${name}`}`
}

function selectors({ labelSelector, fieldSelector }: ListOptions): URLSearchParams {
  return new URLSearchParams({ ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) })
}

async function* watch(
  { objects }: Backend,
  wire: Wire,
  { resource, from, options, signal }: { resource: Resource; from: string; options: ListOptions; signal: AbortSignal },
): AsyncIterable<WatchEvent> {
  wire.onRequest('WATCH', pathOf(resource))
  if (wire.isDown()) throw new ApiUnreachable('connect ECONNREFUSED 127.0.0.1')
  const kind = kindAt(resource.apiVersion, resource.plural)!
  const target: Target = { kind, namespace: resource.namespace, name: null, subresource: null, rest: '' }
  const query = selectors(options)
  query.set('resourceVersion', from)
  query.set('allowWatchBookmarks', 'true')
  const events: WatchEvent[] = []
  let wake = () => {}
  let isOver = false
  const end = () => {
    isOver = true
    wake()
  }
  const opened = tryOpen()
  const handle: Watch = { bookmark: opened.bookmark, close: end }
  wire.watches.add(handle)
  signal.addEventListener('abort', end, { once: true })
  try {
    for (;;) {
      for (const event of events.splice(0)) yield event
      if (isOver || signal.aborted) return
      if (events.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    opened.close()
    wire.watches.delete(handle)
    signal.removeEventListener('abort', end)
  }

  function tryOpen(): Watch {
    try {
      return openWatch(objects, target, query, (event) => {
        events.push(structuredClone(event) as WatchEvent)
        wake()
      })
    } catch (error) {
      throw error instanceof Refusal ? apiError(error) : error
    }
  }
}
