import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { appFolder, type Service, startService } from './app.ts'

const { version } = JSON.parse(readFileSync(`${appFolder}/version.json`, 'utf8')) as { version: string }
const account = { user: 'ada', password: 'a mood for every hour' }

let backend: Service
beforeAll(async () => {
  backend = await startService('backend', { env: { DEMO_USER: account.user, DEMO_PASSWORD: account.password } })
})
afterAll(() => backend?.kill())

interface Track {
  title: string
  mood: string
  discovery?: boolean
}
interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came; each test says what it expects of it
  body: any
}

async function ask(path: string, init: RequestInit = {}, service = backend): Promise<Answer> {
  const response = await fetch(service.url + path, init)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json')
  return { status: response.status, headers: response.headers, body: isJson && text ? JSON.parse(text) : text }
}
const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  ask(path, { method: 'POST', body, headers })
const titles = ({ body }: Answer) => (body.tracks as Track[]).map((track) => track.title)

describe('recommendations', () => {
  test('a mood is answered with as many tracks of that mood as were asked for', async () => {
    const { body } = await ask('/api/recommendations?mood=happy&limit=5')
    expect(body).toMatchObject({ mood: 'happy', version })
    expect(body.tracks).toHaveLength(5)
    expect(new Set(body.tracks.map((track: Track) => track.mood))).toEqual(new Set(['happy']))
  })

  test('GET and POST give the same answer', async () => {
    const wanted = await ask('/api/recommendations?mood=calm&limit=4&seed=7')
    const posted = await post('/api/recommendations', JSON.stringify({ mood: 'calm', limit: 4, seed: 7 }))
    expect(posted.body).toEqual(wanted.body)
  })

  test('the same seed gives the same list, and seeds differ', async () => {
    const lists = await Promise.all(
      ['1', '1', '2', '3'].map(async (seed) => titles(await ask(`/api/recommendations?mood=sad&seed=${seed}`))),
    )
    expect(lists[1]).toEqual(lists[0])
    expect(new Set(lists.map(String)).size).toBeGreaterThan(1)
  })

  test('an unknown mood is 404 and a missing one is 400, both with the list of moods', async () => {
    const { body: known } = await ask('/api/moods')
    expect(known.moods).toHaveLength(8)
    const unknown = await ask('/api/recommendations?mood=__proto__')
    expect([unknown.status, unknown.body.error.code]).toEqual([404, 'unknown_mood'])
    expect(unknown.body.error.moods).toEqual(known.moods)
    const missing = await post('/api/recommendations', '{}')
    expect([missing.status, missing.body.error.code]).toEqual([400, 'mood_missing'])
    expect(missing.body.error.moods).toEqual(known.moods)
  })

  test.each(['0', '21', '2.5', 'many', '-1'])('a limit of %s is refused', async (limit) => {
    const { status, body } = await ask(`/api/recommendations?mood=happy&limit=${limit}`)
    expect([status, body.error.code]).toEqual([400, 'bad_limit'])
  })

  test.each(['{', '[]x', 'null', '"happy"', ''])('a body of %j is refused as JSON', async (body) => {
    const answer = await post('/api/recommendations', body)
    expect([answer.status, answer.body.error.code]).toEqual([400, 'bad_json'])
  })

  test('FEATURE_FLAG mixes tracks of other moods in, and false turns it off', async () => {
    const mixOf = async (flag: string) => {
      const service = await startService('backend', { env: { FEATURE_FLAG: flag } })
      try {
        const features = (await ask('/api/features', {}, service)).body.features
        const { body } = await ask('/api/recommendations?mood=happy&limit=8', {}, service)
        return [features.discovery, body.tracks.filter((track: Track) => track.mood !== 'happy').length]
      } finally {
        service.kill()
      }
    }
    expect(await mixOf('true')).toEqual([true, 2])
    expect(await mixOf('false')).toEqual([false, 0])
  })
})

describe('login', () => {
  test.each([
    ['nothing', ''],
    ['an empty object, sent as a form as curl does', '{}'],
  ])('%s is answered with credentials_required and no session', async (_what, body) => {
    for (const path of ['/users/login', '/api/users/login']) {
      const answer = await post(path, body, { 'content-type': 'application/x-www-form-urlencoded' })
      expect([answer.status, answer.body]).toEqual([200, { status: 'credentials_required' }])
    }
  })

  test.each([
    { ...account, password: 'wrong' },
    { ...account, user: 'eve' },
    { user: '', password: '' },
  ])('$user with $password is 401 without a session', async (credentials) => {
    const { status, body } = await post('/users/login', JSON.stringify(credentials))
    expect([status, body.error.code, body.session]).toEqual([401, 'wrong_credentials', undefined])
  })

  test('the right credentials give a session that is worth something, until it is changed', async () => {
    const { status, body } = await post('/api/users/login', JSON.stringify(account))
    expect([status, body.status]).toEqual([200, 'ok'])
    const me = (session: string) => ask('/users/me', { headers: { authorization: `Bearer ${session}` } })
    expect((await me(body.session)).body).toEqual({ user: account.user })
    expect((await me(`x${body.session}`)).status).toBe(401)
    expect((await me('')).status).toBe(401)
  })

  test('without an account in the environment nobody can log in', async () => {
    const closed = await startService('backend')
    try {
      const body = JSON.stringify({ user: '', password: '' })
      expect((await ask('/users/login', { method: 'POST', body }, closed)).status).toBe(401)
    } finally {
      closed.kill()
    }
  })
})

describe('playlists', () => {
  test('a streamed upload is counted as it comes, wherever it is cut', async () => {
    const text =
      '#EXTM3U\nVelda Moraine - Lemonade Parade\n\n# a comment\nTin Orchard - Linen\nOsk & Linnea - Yellow Door'
    const pieces = text.match(/[\s\S]{1,7}/g)!
    const body = ReadableStream.from(pieces.map((piece) => new TextEncoder().encode(piece)))
    const answer = await ask('/api/playlists', { method: 'POST', body, duplex: 'half' } as RequestInit)
    expect(answer.status).toBe(201)
    expect(answer.body).toEqual({
      bytes: text.length,
      digest: `sha256:${createHash('sha256').update(text).digest('hex')}`,
      tracks: 3,
    })
  })

  test('an empty playlist is refused', async () => {
    expect((await post('/api/playlists', '# nothing\n')).body.error.code).toBe('empty_playlist')
  })
})

describe('health and metrics', () => {
  test.each(['/health', '/health/ready', '/health/live', '/health/startup'])(
    '%s is JSON, under /api too',
    async (path) => {
      for (const prefix of ['', '/api']) {
        const { status, body } = await ask(prefix + path)
        expect([status, body.status, body.version]).toEqual([200, 'ready', version])
      }
    },
  )

  test('the error rate is null before the first request, and probes do not count', async () => {
    const fresh = await startService('backend')
    try {
      await ask('/health', {}, fresh)
      const { body } = await ask('/metrics/error-rate', {}, fresh)
      expect(body).toEqual({
        error_rate: null,
        window_s: 60,
        requests: 0,
        by_version: { [version]: { requests: 0, errors: 0, error_rate: null } },
      })
      const { body: text } = await ask('/metrics', {}, fresh)
      expect(text).toMatch(/^moodify_http_error_rate NaN$/m)
    } finally {
      fresh.kill()
    }
  })

  test('metrics are Prometheus text, and JSON with a top-level error_rate when that is asked for', async () => {
    await ask('/api/recommendations?mood=happy')
    await ask('/api/recommendations?mood=purple')
    const text = await ask('/metrics')
    expect(text.headers.get('content-type')).toContain('text/plain; version=0.0.4')
    const samples = parsePrometheus(text.body)
    const route = 'route="/recommendations"'
    expect(samples[`moodify_http_requests_total{method="GET",${route},status="200"}`]).toBeGreaterThan(0)
    expect(samples[`moodify_http_requests_total{method="GET",${route},status="404"}`]).toBeGreaterThan(0)
    expect(samples[`moodify_build_info{version="${version}"}`]).toBe(1)
    expect(samples['moodify_http_error_rate']).toBe(0)
    expect(samples['moodify_uptime_seconds']).toBeGreaterThan(0)
    const labels = `method="GET",${route}`
    const total = samples[`moodify_http_request_duration_seconds_count{${labels}}`]
    expect(samples[`moodify_http_request_duration_seconds_bucket{${labels},le="+Inf"}`]).toBe(total)

    const json = await ask('/api/metrics', { headers: { accept: 'application/json' } })
    expect(json.body).toMatchObject({ error_rate: 0, window_s: 60, version })
  })
})

function parsePrometheus(text: string): Record<string, number> {
  const lines = text.trimEnd().split('\n')
  for (const line of lines) expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{.*\})? (-?[\d.e+-]+|NaN))$/)
  return Object.fromEntries(
    lines
      .filter((line) => !line.startsWith('#'))
      .map((line) => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]),
  )
}

describe('http', () => {
  test('every answer names its version', async () => {
    expect((await ask('/api/version')).body).toEqual({ version })
    expect((await ask('/nowhere')).headers.get('x-app-version')).toBe(version)
  })

  test('MOODIFY_VERSION names the version of an image', async () => {
    const image = await startService('backend', { env: { MOODIFY_VERSION: 'v9.9.9' } })
    try {
      expect((await ask('/api/version', {}, image)).body).toEqual({ version: 'v9.9.9' })
    } finally {
      image.kill()
    }
  })

  test('an unknown path is 404 and an unknown method 405 with Allow', async () => {
    expect((await ask('/nowhere')).body.error.code).toBe('not_found')
    const answer = await ask('/api/recommendations', { method: 'DELETE' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST'])
  })

  test('HEAD has the head of GET and no body', async () => {
    const got = await ask('/api/moods')
    const head = await ask('/api/moods', { method: 'HEAD' })
    expect([head.status, head.body]).toEqual([200, ''])
    expect(head.headers.get('content-length')).toBe(got.headers.get('content-length'))
  })

  test('a target that is no URL is 400', async () => {
    const status = await new Promise((resolve, reject) => {
      const asked = request({ port: backend.port, path: 'http://[', agent: false }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      asked.on('error', reject).end()
    })
    expect(status).toBe(400)
  })

  test('a body above the limit is 413, on a connection that is then closed', async () => {
    const { text } = await rawExchange(
      backend,
      'POST /users/login HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n',
      'x'.repeat(70_000),
    )
    expect(text).toMatch(/^HTTP\/1.1 413 /)
    expect(text.toLowerCase()).toContain('\r\nconnection: close\r\n')
  })

  test('a request is one line of JSON in the log, and probes are not in it', async () => {
    await ask('/api/moods')
    const line = await backend.logged('request', { route: '/moods' })
    expect(line).toMatchObject({ level: 'info', service: 'backend', method: 'GET', status: 200, version })
    expect(line['ms']).toBeTypeOf('number')
    expect(backend.lines.filter((entry) => String(entry['route']).startsWith('/health'))).toEqual([])
  })

  test('a client that goes away in the middle of its upload is 499, not an error of ours', async () => {
    const socket = connect(backend.port, '127.0.0.1')
    socket.write('POST /api/playlists HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n')
    await once(socket, 'data')
    socket.write('only this')
    socket.resetAndDestroy()
    await backend.logged('request', { route: '/playlists', status: 499 })
    expect(backend.lines.filter((line) => line.level === 'error')).toEqual([])
  })
})

/** Sends raw text and reads until the other side closes. */
function rawExchange(service: Service, ...parts: string[]): Promise<{ text: string }> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(service.port, '127.0.0.1')
    socket.setEncoding('utf8')
    socket.on('data', (data) => {
      text += data
    })
    socket.on('error', reject)
    socket.on('close', () => resolve({ text }))
    for (const part of parts) socket.write(part)
  })
}
