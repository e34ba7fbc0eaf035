import { expect, test } from 'vitest'
import { fetchFrom, frontWith, sendRaw, startBackend } from './helpers.ts'

const LINE = 'GET / HTTP/1.1'

test.each([
  ['several Host headers', `${LINE}\r\nHost: a\r\nHost: b\r\n\r\n`],
  ['the same Host twice', `${LINE}\r\nHost: a\r\nHost: a\r\n\r\n`],
  ['no Host', `${LINE}\r\n\r\n`],
  [
    'a transfer encoding besides chunked',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  ],
  [
    'chunked twice',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['an unknown transfer encoding', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
  ['Transfer-Encoding on HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  [
    'a length beside chunked',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
  ['a target that is neither path nor URL', 'GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target with a user', 'GET http://user@other/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a bare line feed in a header', `${LINE}\nHost: a\nX: 1\n\n`],
])('front: %s is refused with 400 and the connection closed', async (_what, text) => {
  const backend = await startBackend('a')
  const front = await frontWith({ blue: backend }, { blue: 100 })
  expect(await sendRaw(front.port, text)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*connection: close\r\n/i)
  expect(backend.requests).toHaveLength(0)
})

test('front: CONNECT is refused and the connection closed', async () => {
  const front = await frontWith({ blue: await startBackend('a') }, { blue: 100 })
  expect(await sendRaw(front.port, 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n')).toMatch(/^HTTP\/1\.1 405 /)
})

test('front: a URL as the target sets the Host that the service sees', async () => {
  const backend = await startBackend('a', ({ headers, url }, outgoing) => outgoing.end(`${headers.host} ${url}`))
  const front = await frontWith({ blue: backend }, { blue: 100 })
  const get = (target: string) =>
    sendRaw(front.port, `GET ${target} HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n`)
  expect(await get('http://music.example:81/x?y')).toMatch(/\r\n\r\n.*music\.example:81 \/x\?y/s)
  expect(await get('http://music.example')).toMatch(/music\.example \//)
})

test('front: HTTP/1.0 clients get an answer that ends with the connection', async () => {
  const backend = await startBackend('a', (_incoming, outgoing) => {
    outgoing.write('one ')
    outgoing.end('two')
  })
  const front = await frontWith({ blue: backend }, { blue: 100 })
  const answer = await sendRaw(front.port, 'GET / HTTP/1.0\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(answer).not.toMatch(/transfer-encoding/i)
  expect(answer).toMatch(/\r\n\r\none two$/)
})

test('front: offers to upgrade to anything but a WebSocket are ignored', async () => {
  const backend = await startBackend('a', ({ headers }, outgoing) => outgoing.end(`upgrade: ${headers.upgrade}`))
  const front = await frontWith({ blue: backend }, { blue: 100 })
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' }
  expect(await fetchFrom(front.port, '/', { headers })).toMatchObject({ status: 200, body: 'upgrade: undefined' })
  const withBody = { connection: 'Upgrade', upgrade: 'websocket' }
  expect(await fetchFrom(front.port, '/', { method: 'POST', body: 'x', headers: withBody })).toMatchObject({
    status: 200,
  })
})
