import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { frontSide } from '../hostile/sides.ts'

/** Mostly the first. */
const mostly = (usual: string, ...others: string[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) })
const lineOf = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((texts) => texts.join(''))
const end = mostly('\r\n', '\n', '\r', '\r\n ')
const colon = mostly(': ', ':', ' :', ':\t', ': \x0b')
const headerLine = fc.oneof(
  lineOf(
    mostly('Content-Length', 'content-length', 'Content_Length'),
    colon,
    mostly('5', '0', '5, 5', '+5', '-1', '0x5', ''),
    end,
  ),
  lineOf(
    mostly('Transfer-Encoding', 'transfer-encoding', 'Transfer_Encoding'),
    colon,
    mostly('chunked', 'Chunked', 'identity', 'chunked, chunked', 'gzip, chunked', 'xchunked', ''),
    end,
  ),
  lineOf(
    fc.constantFrom('X', 'Connection', 'Upgrade', 'Expect', 'TE', 'Trailer'),
    colon,
    fc.constantFrom('a', 'close', 'keep-alive', 'Content-Length', 'websocket', '100-continue', 'a\0b', '\xff'),
    end,
  ),
)
const start = lineOf(
  mostly('POST', 'GET', 'HEAD', 'OPTIONS', 'PRI', 'get', ''),
  mostly(' ', '  ', '\t'),
  mostly('/', '/x', '*', 'http://a/y', 'http://u@a/', '//b', '/a b', '/\xff'),
  mostly(' HTTP/1.1', ' HTTP/1.0', ' HTTP/2.0', ''),
  end,
)
const host = mostly('Host: a\r\n', '', 'Host: a\r\nHost: b\r\n', 'Host: a/b\r\n', 'HOST:\r\n')
const body = fc.constantFrom(
  '',
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  '5\nhello\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '5;a\r\nhello\r\n0\r\nX: y\r\n\r\n',
  '\r\n',
)
const message = fc
  .tuple(start, host, fc.array(headerLine, { maxLength: 3 }), end, body)
  .map(([line, authority, headers, last, after]) => [line, authority, ...headers, last, after].join(''))

test('front: whatever clients send, what it sends on can be read in one way only', async () => {
  await using side = await frontSide()
  let read = 0
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 3 }), async (messages) => {
      const socket = connect({ ...side.target, allowHalfOpen: true })
      socket.on('error', () => {})
      socket.resume()
      socket.end(messages.join(''), 'latin1')
      await once(socket, 'close')
      expect(side.backend.ambiguities).toEqual([])
      read = side.backend.seen().length
    }),
    { seed: 20260404, numRuns: 2000 },
  )
  expect(read, 'a fuzzer of which nothing gets through shows little').toBeGreaterThan(300)
})
