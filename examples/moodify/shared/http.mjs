// A table of routes becomes a request handler. A route's function gets { request, response, url } and returns
// { status?, headers?, body } for JSON or { …, text } for anything else; a stream answers by itself and returns
// nothing.
import { version } from './version.mjs'

/** An answer that is not a success, thrown from anywhere inside a route. */
export class HttpError extends Error {
  /**
   * @param {number} status   400–599
   * @param {string} code     for programs: `unknown_mood`
   * @param {string} message  for people: what was wrong and what would be right
   * @param {{ headers?: object, details?: object }} more
   */
  constructor(status, code, message, { headers = {}, details = {} } = {}) {
    super(message)
    Object.assign(this, { status, code, headers, details })
  }
}

/**
 * @param {object} options
 * @param {Record<string, Record<string, Function>>} options.routes  path → method → function
 * @param {(seen: { method: string, route: string, status: number, seconds: number }) => void} [options.observe]
 */
export function createHandler({ routes, health, log, observe = () => {} }) {
  return async (request, response) => {
    const startedAt = performance.now()
    let route = 'unmatched'
    response.once('close', () => {
      // 499: the client went away before it had its answer. Not a fault of ours, so it has a number of its own.
      const status = response.writableFinished ? response.statusCode : 499
      const seconds = (performance.now() - startedAt) / 1000
      const level = status >= 500 ? 'warn' : isProbe(route) ? 'debug' : 'info'
      log[level]('request', { method: request.method, route, status, ms: Math.round(seconds * 10_000) / 10 })
      observe({ method: request.method, route, status, seconds })
    })
    response.setHeader('x-app-version', version)
    response.setHeader('x-content-type-options', 'nosniff')
    try {
      const url = parseUrl(request.url)
      const methods = routes[withoutApi(url.pathname)]
      if (!methods) throw new HttpError(404, 'not_found', `there is nothing at ${url.pathname}`)
      route = withoutApi(url.pathname)
      const answer = await findMethod(methods, request.method)({ request, response, url })
      // Asked for only now, so that requests which were under way at SIGTERM close their connection too.
      if (answer) send(response, answer, { mustClose: health.isStopping() })
    } catch (error) {
      if (request.errored || response.destroyed || response.headersSent) return void response.destroy()
      if (!(error instanceof HttpError)) log.error('a route failed', { route, error: String(error?.stack ?? error) })
      send(response, errorAnswer(error), { mustClose: health.isStopping() })
    }
    // A body that nobody reads would hold the connection.
    if (!request.complete) request.resume()
  }
}

/** Everything is answered with and without /api, so it does not matter whether a proxy strips the prefix. */
const withoutApi = (path) => (path.startsWith('/api/') ? path.slice('/api'.length) : path)

const isProbe = (route) => route.startsWith('/health') || route.startsWith('/metrics')

function parseUrl(target) {
  try {
    return new URL(target.startsWith('/') ? `http://localhost${target}` : target)
  } catch {
    throw new HttpError(400, 'bad_url', 'the request target is not a URL')
  }
}

function findMethod(methods, method) {
  const found = methods[method] ?? (method === 'HEAD' ? methods.GET : undefined)
  if (found) return found
  const allowed = Object.keys(methods).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]))
  throw new HttpError(405, 'method_not_allowed', `use ${allowed.join(' or ')}`, {
    headers: { allow: allowed.join(', ') },
  })
}

function send(response, { status = 200, headers = {}, body, text }, { mustClose }) {
  const bytes = body === undefined ? text && Buffer.from(text) : Buffer.from(JSON.stringify(body) + '\n')
  response.writeHead(status, {
    ...(body !== undefined && { 'content-type': 'application/json; charset=utf-8' }),
    ...(bytes && { 'content-length': bytes.length }),
    ...(mustClose && { connection: 'close' }),
    ...headers,
  })
  // Node leaves the body out where the request was HEAD.
  response.end(bytes)
}

function errorAnswer(error) {
  if (!(error instanceof HttpError)) {
    return {
      status: 500,
      body: { error: { code: 'internal', message: 'something went wrong here; it has been logged' } },
    }
  }
  const { status, code, message, headers, details } = error
  return { status, headers, body: { error: { code, message, ...details } } }
}

/**
 * The chunks of a request's body, ended with 413 as soon as there are too many bytes.
 *
 * @param {import('node:http').IncomingMessage} request
 * @param {number} limitBytes
 */
export async function* readBody(request, limitBytes) {
  let bytes = 0
  // Leaving the loop must not destroy the request: the answer still has to go out on its connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length
    if (bytes > limitBytes) {
      throw new HttpError(413, 'body_too_large', `the body may have ${limitBytes} bytes`, {
        headers: { connection: 'close' },
      })
    }
    yield chunk
  }
}

/**
 * A JSON body whatever content type it claims: `curl -d '{}'` says it is a form.
 *
 * @returns {Promise<any>} undefined when the body is empty
 */
export async function readJson(request, limitBytes = 64 * 1024) {
  const chunks = []
  for await (const chunk of readBody(request, limitBytes)) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8').trim()
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new HttpError(400, 'bad_json', 'the body is not JSON')
  }
}
