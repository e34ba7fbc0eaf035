// Login with the one account that DEMO_USER and DEMO_PASSWORD name; without them nobody can log in.
// A session is signed, not stored, so that every replica accepts what any other has made.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { HttpError, readJson } from '../shared/http.mjs'

const SESSION_SECONDS = 3600

export function createLogin({ user, password }, nowSeconds = () => Date.now() / 1000) {
  const isOpen = Boolean(user && password)
  const sign = (text) => createHmac('sha256', `session\0${password}`).update(text).digest('base64url')

  async function login({ request }) {
    const body = (await readJson(request)) ?? {}
    if (typeof body !== 'object' || Array.isArray(body)) throw badCredentials()
    if (Object.keys(body).length === 0) {
      return { headers: { 'cache-control': 'no-store' }, body: { status: 'credentials_required' } }
    }
    if (typeof body.user !== 'string' || typeof body.password !== 'string') throw badCredentials()
    // Both are compared always, so that the time tells nothing.
    const isRight = [same(body.user, user ?? ''), same(body.password, password ?? '')].every(Boolean)
    if (!isOpen || !isRight) throw new HttpError(401, 'wrong_credentials', 'user or password is wrong')
    const claims = Buffer.from(JSON.stringify({ user, expires: Math.floor(nowSeconds()) + SESSION_SECONDS })).toString(
      'base64url',
    )
    return {
      headers: { 'cache-control': 'no-store' },
      body: { status: 'ok', session: `${claims}.${sign(claims)}`, expires_in_s: SESSION_SECONDS },
    }
  }

  function me({ request }) {
    const [claims, signature] = (request.headers.authorization?.match(/^Bearer (.+)$/)?.[1] ?? '').split('.')
    if (!isOpen || !claims || !same(signature ?? '', sign(claims))) throw unknownSession()
    const session = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'))
    if (session.expires <= nowSeconds()) throw unknownSession()
    return { headers: { 'cache-control': 'no-store' }, body: { user: session.user } }
  }

  return { routes: { '/users/login': { POST: login }, '/users/me': { GET: me } } }
}

const badCredentials = () => new HttpError(400, 'bad_credentials', 'send {"user": "…", "password": "…"}')

const unknownSession = () =>
  new HttpError(401, 'login_required', 'log in at /users/login and send the session as a bearer token', {
    headers: { 'www-authenticate': 'Bearer' },
  })

/** Equal lengths first, since timingSafeEqual wants them. */
function same(a, b) {
  const digest = (text) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
