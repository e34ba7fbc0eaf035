// What is sent, what front and nginx answer, and why. Answers are in words: the status and, of an error of the front,
// its name; of an answer of the service its body, which says what the service has read: `POST /path 5` is a request
// with a body of five bytes. At the end stands what becomes of the connection: `open` means that the next innocent
// request on it was answered properly, `closed` that it was closed at once.
import type { Script } from './backend.ts'

type Piece = string | { readonly until: number | 'at the service' | 'half-closed' }

export interface HostileCase {
  readonly name: string
  /** Bytes, and events that are waited for between them: so many answers, or the head is at the service. */
  readonly send: readonly Piece[]
  /** Of the requests sent; GET where not given. */
  readonly methods?: readonly string[]
  readonly backend?: Script
  readonly front: readonly string[]
  readonly nginx: readonly string[]
  /** What the service behind the front has read, and behind nginx where that is something else. */
  readonly service: readonly string[]
  readonly serviceOfNginx?: readonly string[]
  /** Headers that the service behind the front must not see. */
  readonly absent?: readonly string[]
  /** The client ends the connection itself. */
  readonly hangUp?: boolean
  /** What it is about, and why front and nginx differ where they do. */
  readonly why: string
}

/** nginx's answer to a coding that it does not know. */
const UNKNOWN_TO_NGINX = ['501', 'closed']
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
const CHUNKED_NOTHING = '0\r\n\r\n'

const request = (line: string, headers: readonly string[] = [], body = '') =>
  [`${line} HTTP/1.1`, 'Host: a', ...headers, '', body].join('\r\n')
const get = (path: string, ...headers: string[]) => request(`GET ${path}`, headers)
const post = (headers: readonly string[], body = '') => request('POST /', headers, body)
const answer = (headers: readonly string[], body = '', status = '200 OK') =>
  [`HTTP/1.1 ${status}`, ...headers, '', body].join('\r\n')
const tooLong = (prefix: string, bytes: number) => prefix + 'x'.repeat(bytes)

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='

const REFUSED = ['400 bad-request', 'closed']
const TOO_LARGE = ['431 head-too-large', 'closed']
const TOO_SLOW = ['408 too-slow', 'closed']
const REFUSED_BY_NGINX = ['400', 'closed']

/** A request that has to be refused before anything of it reaches the service. */
const refused = (name: string, bytes: string, why: string, more: Partial<HostileCase> = {}): HostileCase => ({
  name,
  send: [bytes],
  front: REFUSED,
  nginx: REFUSED_BY_NGINX,
  service: [],
  why,
  ...more,
})

/** What nginx does when it passes on what the front refuses. */
const passedByNginx = (words: string) => ({ nginx: [`200 ${words}`, 'open'], serviceOfNginx: [words] })

/** A request that goes through, as the same one request for all. */
const passed = (
  name: string,
  bytes: string,
  words: string,
  why: string,
  more: Partial<HostileCase> = {},
): HostileCase => ({
  name,
  send: [bytes],
  front: [`200 ${words}`, 'open'],
  nginx: [`200 ${words}`, 'open'],
  service: [words],
  why,
  ...more,
})

const hosts: HostileCase[] = [
  refused('two different Hosts', request('GET /', ['Host: b']), 'RFC 9112, 3.2: 400.'),
  refused('the same Host twice', request('GET /', ['Host: a']), 'RFC 9112, 3.2: 400.'),
  refused('no Host', 'GET / HTTP/1.1\r\n\r\n', 'RFC 9112, 3.2: 400.'),
  refused('a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 'No host has a slash.'),
  refused(
    'a Host with a user',
    'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n',
    'Two readers could take two hosts out of it. nginx sends it on as it is.',
    { ...passedByNginx('GET / 0') },
  ),
  refused('a Host of two words', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 'No host has a space.'),
  passed(
    'an empty Host',
    'GET / HTTP/1.1\r\nHost:\r\n\r\n',
    'GET / 0',
    'RFC 9112, 3.2: what a target without authority has. nginx wants one.',
    { nginx: REFUSED_BY_NGINX, serviceOfNginx: [] },
  ),
  passed(
    'Host on HTTP/1.0 missing',
    'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    'GET / 0',
    'HTTP/1.0 has no Host; the service gets an empty one. nginx sends none on, which this service takes for an error.',
    { nginx: ['502', 'open'] },
  ),
]

const transferEncodings: HostileCase[] = [
  passed(
    'chunked',
    post(['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
    'POST / 5',
    'The only one that is understood.',
  ),
  passed(
    'Chunked in capitals',
    post(['Transfer-Encoding: CHUNKED'], '5\r\nhello\r\n0\r\n\r\n'),
    'POST / 5',
    'Names of codings have no case.',
  ),
  refused(
    'chunked twice in two headers',
    post(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], CHUNKED_NOTHING + SMUGGLED),
    'RFC 9112, 6.1: never twice.',
  ),
  refused(
    'chunked twice in one header',
    post(['Transfer-Encoding: chunked, chunked'], CHUNKED_NOTHING + SMUGGLED),
    'RFC 9112, 6.1: never twice.',
    { nginx: UNKNOWN_TO_NGINX },
  ),
  refused(
    'chunked, identity',
    post(['Transfer-Encoding: chunked, identity'], CHUNKED_NOTHING + SMUGGLED),
    'chunked is not last: where the body ends cannot be known.',
    { nginx: UNKNOWN_TO_NGINX },
  ),
  refused(
    'identity',
    post(['Transfer-Encoding: identity', 'Content-Length: 0']),
    'Long gone from HTTP; some servers read it as nothing.',
    { nginx: UNKNOWN_TO_NGINX },
  ),
  refused(
    'gzip, chunked',
    post(['Transfer-Encoding: gzip, chunked'], CHUNKED_NOTHING),
    'Allowed, but nobody sends it and the front would have to unpack it.',
    { nginx: UNKNOWN_TO_NGINX },
  ),
  refused('xchunked', post(['Transfer-Encoding: xchunked'], CHUNKED_NOTHING + SMUGGLED), 'Unknown.', {
    nginx: UNKNOWN_TO_NGINX,
  }),
  refused(
    'chunked with a parameter',
    post(['Transfer-Encoding: chunked;a=b'], CHUNKED_NOTHING + SMUGGLED),
    'chunked has no parameters.',
    { nginx: UNKNOWN_TO_NGINX },
  ),
  refused('chunked in quotes', post(['Transfer-Encoding: "chunked"'], CHUNKED_NOTHING + SMUGGLED), 'Not a coding.', {
    nginx: UNKNOWN_TO_NGINX,
  }),
  refused(
    'an empty Transfer-Encoding',
    post(['Transfer-Encoding:', 'Content-Length: 5'], 'hello'),
    'There it is, and says nothing.',
    { nginx: UNKNOWN_TO_NGINX },
  ),
  refused(
    'spaces around chunked',
    post(['Transfer-Encoding: \t chunked \t'], CHUNKED_NOTHING),
    'White space around a value is no part of it, but nobody honest sends it.',
    { nginx: UNKNOWN_TO_NGINX },
  ),
  refused(
    'a vertical tab before chunked',
    post(['Transfer-Encoding: \x0bchunked'], CHUNKED_NOTHING + SMUGGLED),
    'Some servers skip it.',
    { nginx: UNKNOWN_TO_NGINX },
  ),
  refused(
    'a space before the colon',
    post(['Transfer-Encoding : chunked', 'Content-Length: 5'], CHUNKED_NOTHING),
    'RFC 9112, 5.1: 400; who ignores the header reads another body.',
  ),
  refused(
    'a tab before the colon',
    post(['Transfer-Encoding\t: chunked', 'Content-Length: 5'], CHUNKED_NOTHING),
    'The same.',
  ),
  refused(
    'Transfer-Encoding in a folded line',
    post(['Transfer-Encoding:\r\n chunked'], CHUNKED_NOTHING + SMUGGLED),
    'A folded line is read as one by some and as two by others.',
  ),
  refused(
    'Transfer-Encoding folded into the header before',
    post(['X: a\r\n Transfer-Encoding: chunked', 'Content-Length: 5'], CHUNKED_NOTHING),
    'The same.',
  ),
  refused(
    'chunked beside a length',
    post(['Content-Length: 6', 'Transfer-Encoding: chunked'], `${CHUNKED_NOTHING}X`),
    'CL.TE: the oldest trick of all.',
  ),
  refused(
    'a length beside chunked',
    post(['Transfer-Encoding: chunked', 'Content-Length: 3'], `8\r\nSMUGGLED\r\n${CHUNKED_NOTHING}`),
    'TE.CL.',
  ),
  refused(
    'chunked on HTTP/1.0',
    `POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_NOTHING}${SMUGGLED}`,
    'RFC 9112, 6.1: its framing is faulty.',
  ),
  passed(
    'underscores for the hyphen',
    post(['Transfer_Encoding: chunked', 'Content-Length: 5'], 'hello'),
    'POST / 5',
    'CGI cannot tell them apart: left out by both.',
    { absent: ['transfer_encoding'] },
  ),
  refused(
    'a name before it that ends in CR',
    post(['X: y\rTransfer-Encoding: chunked', 'Content-Length: 5'], 'hello'),
    'A CR alone ends a line for some.',
  ),
]

const chunks: HostileCase[] = [
  refused(
    'a chunk size with 0x',
    post(['Transfer-Encoding: chunked'], '0x5\r\nhello\r\n0\r\n\r\n'),
    'Hexadecimal digits only.',
  ),
  refused(
    'a chunk size with a sign',
    post(['Transfer-Encoding: chunked'], '+5\r\nhello\r\n0\r\n\r\n'),
    'Hexadecimal digits only.',
  ),
  refused(
    'a negative chunk size',
    post(['Transfer-Encoding: chunked'], '-1\r\nhello\r\n0\r\n\r\n'),
    'Hexadecimal digits only.',
  ),
  refused(
    'a chunk size of 17 digits',
    post(['Transfer-Encoding: chunked'], '10000000000000005\r\nhello\r\n0\r\n\r\n'),
    'Who cuts it to 64 bits reads 5.',
  ),
  refused(
    'a chunk size that ends in LF',
    post(['Transfer-Encoding: chunked'], '5\nhello\r\n0\r\n\r\n'),
    'TERM.EXT: lines end differently for two readers. nginx takes LF for CRLF.',
    { ...passedByNginx('POST / 5') },
  ),
  refused(
    'a chunk that ends in LF',
    post(['Transfer-Encoding: chunked'], '5\r\nhello\n0\r\n\r\n'),
    'The same, with nginx too.',
    {
      ...passedByNginx('POST / 5'),
    },
  ),
  refused(
    'a chunk that is longer than it says',
    post(['Transfer-Encoding: chunked'], `3\r\nhello\r\n${CHUNKED_NOTHING}`),
    'What follows a chunk is CRLF.',
  ),
  refused(
    'a chunk extension with a bare LF',
    post(['Transfer-Encoding: chunked'], `5;a\nhello\r\n${CHUNKED_NOTHING}`),
    'EXT.TERM: who ends the line at the LF reads another chunk. nginx takes LF for CRLF.',
    { ...passedByNginx('POST / 5') },
  ),
  passed(
    'a chunk extension',
    post(['Transfer-Encoding: chunked'], `5;a=b\r\nhello\r\n${CHUNKED_NOTHING}`),
    'POST / 5',
    'Allowed; it is not sent on.',
  ),
  refused(
    'a chunk extension of 64 KiB',
    post(['Transfer-Encoding: chunked'], `${tooLong('5;', 65_536)}\r\nhello\r\n${CHUNKED_NOTHING}`),
    'More of it than of the body is an attack. nginx skips it.',
    { ...passedByNginx('POST / 5') },
  ),
  refused(
    'a space before the chunk size',
    post(['Transfer-Encoding: chunked'], ` 5\r\nhello\r\n${CHUNKED_NOTHING}`),
    'Hexadecimal digits only.',
  ),
  refused(
    'no CRLF after the last chunk but a request',
    post(['Transfer-Encoding: chunked'], `0\r\n${SMUGGLED}`),
    'Its line would be a trailer, and is none. nginx skips trailers unread.',
    { ...passedByNginx('POST / 0') },
  ),
]

const lengths: HostileCase[] = [
  passed(
    'a body that is a request',
    post([`Content-Length: ${SMUGGLED.length}`], SMUGGLED),
    `POST / ${SMUGGLED.length}`,
    'A body is a body.',
  ),
  refused('two different lengths', post(['Content-Length: 5', 'Content-Length: 6'], 'hello'), 'RFC 9112, 6.3: 400.'),
  refused(
    'the same length twice',
    post(['Content-Length: 5', 'Content-Length: 5'], 'hello'),
    'May be refused, and the service may read the first or the last.',
  ),
  refused('a list of lengths', post(['Content-Length: 5, 5'], 'hello'), 'The same.'),
  refused('a negative length', post(['Content-Length: -5'], 'hello'), 'Digits only.'),
  refused('a length with a sign', post(['Content-Length: +5'], 'hello'), 'Digits only.'),
  refused('a length in hexadecimal', post(['Content-Length: 0x5'], 'hello'), 'Digits only.'),
  refused('a length with a fraction', post(['Content-Length: 5.0'], 'hello'), 'Digits only.'),
  refused('a length of two words', post(['Content-Length: 5 6'], 'hello'), 'Digits only.'),
  refused('an empty length', post(['Content-Length:'], 'hello'), 'Digits only.'),
  refused(
    'a length beyond 64 bits',
    post(['Content-Length: 18446744073709551621'], 'hello'),
    'Who cuts it to 64 bits reads 5.',
  ),
  refused('a length with a space before the colon', post(['Content-Length : 5'], 'hello'), 'RFC 9112, 5.1: 400.'),
  refused(
    'a length in a folded line',
    post(['Content-Length:\r\n 5'], 'hello'),
    'A folded line is read as one by some and as two by others.',
  ),
  passed(
    'a length with zeros before it',
    post(['Content-Length: 0005'], 'hello'),
    'POST / 5',
    'Digits are digits, and nobody reads octal here.',
  ),
  passed(
    'a length on a GET',
    request('GET /', ['Content-Length: 5'], 'hello'),
    'GET / 5',
    'Allowed; the body is sent on as what it is.',
  ),
  passed(
    'a length in disguise',
    post(['Content_Length: 9', 'X_Forwarded_For: 1.2.3.4', 'Content-Length: 5'], 'hello'),
    'POST / 5',
    'CGI cannot tell them apart: left out by both.',
    { absent: ['content_length', 'x_forwarded_for'] },
  ),
  passed(
    'a length named in Connection',
    post(['Connection: content-length', 'Content-Length: 5'], 'hello'),
    'POST / 5',
    'A client cannot take the framing away from the service.',
  ),
  passed('a POST without length', post([]), 'POST / 0', 'It has no body.'),
]

const targets: HostileCase[] = [
  passed(
    'absolute-form',
    'GET http://a/x HTTP/1.1\r\nHost: other\r\n\r\n',
    'GET /x 0',
    'RFC 9112, 3.2.2: the authority of the target is the Host.',
  ),
  passed('absolute-form without a path', 'GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n', 'GET /?q 0', 'The path is /.'),
  refused(
    'absolute-form with a user',
    'GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n',
    'RFC 9110, 4.2.4: an error in http.',
  ),
  refused('another scheme', 'GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n', 'Not HTTP.'),
  refused('authority-form without CONNECT', 'GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n', 'For CONNECT only.'),
  refused('CONNECT', 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n', 'A front is no forward proxy.', {
    front: ['405 method-not-allowed', 'closed'],
  }),
  refused(
    'CONNECT with a body',
    `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    'What follows is no request.',
    { front: ['405 method-not-allowed', 'closed'] },
  ),
  passed('asterisk-form', request('OPTIONS *'), 'OPTIONS * 0', 'Of the server as a whole; nginx does not know it.', {
    nginx: REFUSED_BY_NGINX,
    serviceOfNginx: [],
  }),
  refused('asterisk-form of GET', request('GET *'), 'For OPTIONS only.'),
  refused('a relative path', request('GET x'), 'It begins with a slash.'),
  refused('a space in the path', request('GET /a b'), 'Two readers could see two versions.'),
  refused('a tab after the method', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 'One space.'),
  refused('a NUL in the path', request('GET /a\0b'), 'Ends a string for some.'),
  refused(
    'a byte above 127 in the path',
    request('GET /\xff'),
    'A URL is ASCII. nginx sends it on, and this service takes it for an error.',
    { nginx: ['502', 'open'] },
  ),
  passed('a fragment', request('GET /a#b'), 'GET /a#b 0', 'It should not be there.'),
  passed('two slashes', request('GET //smuggled/x'), 'GET //smuggled/x 0', 'A path, not an authority.'),
  passed(
    'dots',
    request('GET /a/../../b'),
    'GET /a/../../b 0',
    'Sent on as it is. nginx looks at paths, which it has to for its locations.',
    { nginx: REFUSED_BY_NGINX, serviceOfNginx: [] },
  ),
  passed('dots in percents', request('GET /%2e%2e/%00'), 'GET /%2e%2e/%00 0', 'The same: nginx looks at paths.', {
    nginx: REFUSED_BY_NGINX,
    serviceOfNginx: [],
  }),
  refused(
    'no version',
    'GET /\r\nHost: a\r\n\r\n',
    'HTTP/0.9. nginx asks the service, and has no head to say that it does not understand.',
    { front: REFUSED, nginx: ['closed'], serviceOfNginx: ['GET / 0'] },
  ),
  refused('HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 'Not spoken.', { nginx: ['505', 'closed'] }),
  refused('HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 'Not known. nginx takes it for 1.1.', {
    ...passedByNginx('GET / 0'),
  }),
  refused('HTTP/1.10', 'GET / HTTP/1.10\r\nHost: a\r\n\r\n', 'The same, with nginx too.', {
    ...passedByNginx('GET / 0'),
  }),
  refused('http in small letters', 'GET / http/1.1\r\nHost: a\r\n\r\n', 'The name has a case.'),
  refused('the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'Not spoken.'),
  refused('an unknown method', request('SMUGGLE /'), 'Node knows a list of methods; nginx lets services decide.', {
    ...passedByNginx('SMUGGLE / 0'),
  }),
  refused('a method in small letters', request('get /'), 'Methods have a case.'),
  passed('TRACE', request('TRACE /'), 'TRACE / 0', 'Up to the service. nginx refuses it always.', {
    methods: ['TRACE'],
    nginx: ['405', 'closed'],
    serviceOfNginx: [],
  }),
  refused('a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'Not HTTP.'),
]

const lines: HostileCase[] = [
  refused(
    'bare LF everywhere',
    'GET / HTTP/1.1\nHost: a\n\n',
    'Two readers could see two heads. nginx takes LF for CRLF.',
    { ...passedByNginx('GET / 0') },
  ),
  refused('bare LF after a header', 'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n', 'The same, with nginx too.', {
    ...passedByNginx('GET / 0'),
  }),
  refused('bare LF for the empty line', 'GET / HTTP/1.1\r\nHost: a\r\n\n', 'The same, with nginx too.', {
    ...passedByNginx('GET / 0'),
  }),
  refused('CR in a header', get('/', 'X: a\rb'), 'A CR alone ends a line for some.'),
  refused('CR and then a header', get('/', 'X: a\rContent-Length: 5'), 'The same.'),
  refused('NUL in a header', get('/', 'X: a\0b'), 'Ends a string for some.'),
  refused('NUL in a name', get('/', 'X\0Y: a'), 'No token.'),
  refused(
    'a control character in a header',
    get('/', 'X: a\x01b'),
    'RFC 9110, 5.5. nginx sends it on, and this service takes it for an error.',
    { nginx: ['502', 'open'] },
  ),
  refused('a folded line', get('/', 'X: a\r\n b'), 'RFC 9112, 5.2: 400 or a space instead.'),
  refused('a folded first header', 'GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n', 'RFC 9112, 2.2: 400 or skipped.'),
  refused('a header without colon', get('/', 'X'), 'Not a header. nginx leaves it out.', {
    ...passedByNginx('GET / 0'),
  }),
  refused('a header without name', get('/', ': x'), 'Not a header.'),
  refused('a name with a space', get('/', 'X Y: a'), 'No token.'),
  refused('a name in brackets', get('/', '(X): a'), 'No token. nginx leaves it out.', { ...passedByNginx('GET / 0') }),
  passed('a byte above 127 in a value', get('/', 'X: \xff'), 'GET / 0', 'obs-text: sent on as it is.'),
  passed('an empty line before the request', `\r\n${get('/')}`, 'GET / 0', 'RFC 9112, 2.2: skipped.'),
  refused('a space before the request', ` ${get('/')}`, 'Not a method.'),
]

const limits: HostileCase[] = [
  passed(
    'headers of one connection only',
    get(
      '/',
      'Connection: X-Named',
      'X-Named: a',
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'Proxy-Authorization: a',
      'Proxy-Connection: keep-alive',
    ),
    'GET / 0',
    'RFC 9110, 7.6.1: not sent on.',
    { absent: ['x-named', 'keep-alive', 'te', 'proxy-authorization', 'proxy-connection'] },
  ),
  passed(
    '200 headers',
    get('/', ...Array.from({ length: 200 }, (_, i) => `X-${i}: y`)),
    'GET / 0',
    'Counted in bytes only.',
  ),
  refused('5000 headers', get('/', ...Array.from({ length: 5000 }, (_, i) => `X-${i}: y`)), 'Over 32 KiB.', {
    front: TOO_LARGE,
  }),
  refused('a header of 40 KiB', get('/', tooLong('X: ', 40_000)), 'Over 32 KiB.', { front: TOO_LARGE }),
  refused('a name of 40 KiB', get('/', `${tooLong('X', 40_000)}: y`), 'Over 32 KiB.', { front: TOO_LARGE }),
  refused('a URL of 40 KiB', request(`GET ${tooLong('/', 40_000)}`), 'Over 32 KiB.', {
    front: TOO_LARGE,
    nginx: ['414', 'closed'],
  }),
  {
    name: 'a URL of 7 KiB',
    send: [request(`GET ${tooLong('/', 7000)}`)],
    front: ['200 7007 bytes', 'open'],
    nginx: ['200 7007 bytes', 'open'],
    service: [`GET ${tooLong('/', 7000)} 0`],
    why: 'Within the limits of both.',
  },
  refused(
    'a head without end',
    tooLong('GET / HTTP/1.1\r\nHost: a\r\nX: ', 100_000),
    'Ended at the limit, not at the time.',
    { front: TOO_LARGE },
  ),
]

const slow: HostileCase[] = [
  refused('a head that never ends', 'GET / HTTP/1.1\r\nHost: a\r\n', 'Slow loris: closed after the time for a head.', {
    front: TOO_SLOW,
    nginx: ['closed'],
  }),
  refused('nothing at all', '', 'A connection without a request.', { front: TOO_SLOW, nginx: ['closed'] }),
  passed('a head in single bytes', '', 'GET /x 0', 'Slow is allowed, within the time.', { send: [...get('/x')] }),
  refused(
    'a body that stops',
    post(['Content-Length: 10'], 'hel'),
    'It would hold a connection to the service for ever.',
    { front: TOO_SLOW, nginx: ['closed'], service: ['POST / 3'] },
  ),
  refused('a chunk that stops', post(['Transfer-Encoding: chunked'], '5\r\nhel'), 'The same.', {
    front: TOO_SLOW,
    nginx: ['closed'],
    service: ['POST / 3'],
  }),
  passed('a body in single bytes', '', 'POST / 5', 'Slow is allowed.', {
    send: [post(['Content-Length: 5']), { until: 'at the service' }, ...'hello'],
  }),
]

const endings: HostileCase[] = [
  {
    name: 'half-closed after a whole request',
    send: [get('/x'), { until: 'half-closed' }],
    front: ['200 GET /x 0', 'closed'],
    nginx: ['200 GET /x 0', 'closed'],
    service: ['GET /x 0'],
    why: 'The answer still comes.',
  },
  {
    name: 'half-closed in a head',
    send: ['GET / HTTP/1.1\r\nHo', { until: 'half-closed' }],
    front: REFUSED,
    nginx: ['closed'],
    service: [],
    why: 'Not a request.',
  },
  {
    name: 'half-closed in a body',
    send: [post(['Content-Length: 10'], 'hel'), { until: 'at the service' }, { until: 'half-closed' }],
    front: REFUSED,
    nginx: ['closed'],
    service: ['POST / 3'],
    why: 'Not a whole request.',
  },
  {
    name: 'gone in a body',
    send: [post(['Content-Length: 10'], 'hel'), { until: 'at the service' }],
    hangUp: true,
    front: ['open'],
    nginx: ['open'],
    service: ['POST / 3'],
    why: 'The service sees its connection end.',
  },
]

const pipelines: HostileCase[] = [
  {
    name: 'two requests at once',
    send: [get('/1') + get('/2')],
    front: ['200 GET /1 0', '200 GET /2 0', 'open'],
    nginx: ['200 GET /1 0', '200 GET /2 0', 'open'],
    service: ['GET /1 0', 'GET /2 0'],
    why: 'Both are answered in order.',
  },
  {
    name: 'three requests with bodies at once',
    send: [post(['Content-Length: 1'], '1') + post(['Transfer-Encoding: chunked'], '2\r\n22\r\n0\r\n\r\n') + get('/3')],
    front: ['200 POST / 1', '200 POST / 2', '200 GET /3 0', 'open'],
    nginx: ['200 POST / 1', '200 POST / 2', '200 GET /3 0', 'open'],
    service: ['POST / 1', 'POST / 2', 'GET /3 0'],
    why: 'The same.',
  },
  {
    name: 'a request and then garbage',
    send: [`${get('/1')}garbage\r\n\r\n`],
    front: ['200 GET /1 0', ...REFUSED],
    nginx: ['200 GET /1 0', ...REFUSED_BY_NGINX],
    service: ['GET /1 0'],
    why: 'The answer to the first is not lost.',
  },
  {
    name: 'a request and then an ambiguous one',
    send: [get('/1') + post(['Transfer-Encoding: chunked, identity'], CHUNKED_NOTHING + SMUGGLED)],
    front: ['200 GET /1 0', ...REFUSED],
    nginx: ['200 GET /1 0', ...UNKNOWN_TO_NGINX],
    service: ['GET /1 0'],
    why: 'What follows a refused request is not read.',
  },
  {
    name: 'two Hosts, and requests behind it',
    send: [request('GET /', ['Host: b']) + SMUGGLED + SMUGGLED],
    front: REFUSED,
    nginx: REFUSED_BY_NGINX,
    service: [],
    why: 'What follows a refused request is not read.',
  },
  {
    name: 'an upload, and a request behind it',
    send: [post(['Content-Length: 5']), { until: 'at the service' }, `hello${get('/2')}`],
    front: ['200 POST / 5', '200 GET /2 0', 'open'],
    nginx: ['200 POST / 5', '200 GET /2 0', 'open'],
    service: ['POST / 5', 'GET /2 0'],
    why: 'Nothing overtakes what changes something.',
  },
  {
    name: 'a request, and a WebSocket behind it',
    send: [get('/1') + get('/ws', 'Connection: Upgrade', 'Upgrade: websocket', KEY)],
    front: ['200 GET /1 0', '200 GET /ws 0', 'closed'],
    nginx: ['200 GET /1 0', '200 GET /ws 0', 'open'],
    service: ['GET /1 0', 'GET /ws 0'],
    why: 'The connection changes hands after the answer, not in it. The service does not switch here; the front closes then, nginx goes on.',
  },
  {
    name: 'a request, and an upload behind it that cannot be read',
    send: [get('/1') + post(['Transfer-Encoding: chunked'], 'what\r\n')],
    front: ['200 GET /1 0', ...REFUSED],
    nginx: ['200 GET /1 0', ...REFUSED_BY_NGINX],
    service: ['GET /1 0'],
    why: 'It is refused while it waits for its turn.',
  },
  {
    name: 'a request, and CONNECT behind it',
    send: [`${get('/1')}CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n`],
    front: ['200 GET /1 0', '405 method-not-allowed', 'closed'],
    nginx: ['200 GET /1 0', ...REFUSED_BY_NGINX],
    service: ['GET /1 0'],
    why: 'The same.',
  },
  {
    name: 'a request after Connection: close',
    send: [get('/1', 'Connection: close') + SMUGGLED],
    front: ['200 GET /1 0', 'closed'],
    nginx: ['200 GET /1 0', 'closed'],
    service: ['GET /1 0'],
    why: 'RFC 9112, 9.6: nothing after it is answered.',
  },
]

const SWITCH = answer(['Connection: Upgrade', 'Upgrade: websocket'], '', '101 Switching Protocols')
const upgrades: HostileCase[] = [
  {
    name: 'a WebSocket',
    send: [get('/ws', 'Connection: Upgrade', 'Upgrade: websocket', KEY), { until: 1 }, 'bytes'],
    backend: { bytes: SWITCH },
    hangUp: true,
    front: ['101', 'switched: bytes', 'open'],
    nginx: ['101', 'switched: bytes', 'open'],
    service: ['GET /ws 0'],
    why: 'Bytes are passed on.',
  },
  {
    name: 'a WebSocket that the service refuses, and a request behind it',
    send: [get('/ws', 'Connection: Upgrade', 'Upgrade: websocket', KEY) + SMUGGLED],
    backend: { bytes: answer(['Content-Length: 2'], 'no', '403 Forbidden') },
    front: ['403 no', 'closed'],
    nginx: ['403 no', '403 no', 'open'],
    service: ['GET /ws 0'],
    serviceOfNginx: ['GET /ws 0', 'GET /smuggled 0'],
    why: 'A tunnel that was not opened would reach past the front, so it ends here. nginx goes on with HTTP, and reads a second request of its own.',
  },
  passed(
    'h2c',
    get('/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
    'GET / 0',
    'Offers may be ignored, and are.',
  ),
  passed(
    'h2c below a path for WebSockets',
    get('/ws', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
    'GET /ws 0',
    'The front offers the service nothing but a WebSocket.',
  ),
  passed(
    'a WebSocket by POST',
    request('POST /ws', ['Connection: Upgrade', 'Upgrade: websocket', KEY, 'Content-Length: 5'], 'hello'),
    'POST /ws 5',
    'A handshake is a GET: the offer is ignored.',
  ),
  passed(
    'a WebSocket with a body',
    request(
      'GET /ws',
      ['Connection: Upgrade', 'Upgrade: websocket', KEY, `Content-Length: ${SMUGGLED.length}`],
      SMUGGLED,
    ),
    `GET /ws ${SMUGGLED.length}`,
    'A handshake has no body: the offer is ignored.',
  ),
  passed(
    'Upgrade without Connection',
    get('/ws', 'Upgrade: websocket', KEY),
    'GET /ws 0',
    'Then it was not meant for us.',
  ),
  {
    name: 'a 101 that nobody asked for',
    send: [get('/')],
    backend: { bytes: `${SWITCH}bytes` },
    front: ['502 no-answer', 'open'],
    nginx: ['101', 'closed'],
    service: ['GET / 0'],
    why: 'The service would have a tunnel to a client that has none. nginx passes it on, and then waits.',
  },
]

const expectations: HostileCase[] = [
  {
    name: 'Expect: 100-continue',
    send: [post(['Expect: 100-continue', 'Content-Length: 5']), { until: 1 }, 'hello'],
    front: ['100', '200 POST / 5', 'open'],
    nginx: ['100', '200 POST / 5', 'open'],
    service: ['POST / 5'],
    why: 'The front says it itself, once it has a replica.',
  },
  {
    name: 'Expect: 100-continue without waiting',
    send: [post(['Expect: 100-continue', 'Content-Length: 5'], 'hello')],
    front: ['100', '200 POST / 5', 'open'],
    nginx: ['100', '200 POST / 5', 'open'],
    service: ['POST / 5'],
    why: 'Saying it when the body is there is allowed.',
  },
  {
    name: 'Expect: 100-continue without a body',
    send: [get('/', 'Expect: 100-continue')],
    front: ['100', '200 GET / 0', 'open'],
    nginx: ['100', '200 GET / 0', 'open'],
    service: ['GET / 0'],
    why: 'Nothing to wait for; saying it is allowed.',
  },
  {
    name: 'an unknown Expect',
    send: [post(['Expect: miracles', 'Content-Length: 5'], 'hello')],
    front: ['417 expectation-failed', 'open'],
    nginx: ['200 POST / 5', 'open'],
    service: [],
    serviceOfNginx: ['POST / 5'],
    why: 'RFC 9110, 10.1.1: 417 may be answered. nginx leaves it out.',
  },
]

const trailers: HostileCase[] = [
  passed(
    'trailers',
    post(['Transfer-Encoding: chunked', 'Trailer: X'], '5\r\nhello\r\n0\r\nX: y\r\n\r\n'),
    'POST / 5',
    'Passed on.',
  ),
  refused(
    'framing in trailers',
    post(
      ['Transfer-Encoding: chunked'],
      `5\r\nhello\r\n0\r\nContent-Length: ${SMUGGLED.length}\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n`,
    ),
    'RFC 9110, 6.5.1: not allowed there. nginx skips trailers unread.',
    { ...passedByNginx('POST / 5') },
  ),
  refused(
    'a folded trailer',
    post(['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n'),
    'As in a head. nginx skips trailers unread.',
    { ...passedByNginx('POST / 5') },
  ),
  refused(
    '40 KiB of trailers',
    post(['Transfer-Encoding: chunked'], `5\r\nhello\r\n0\r\n${tooLong('X: ', 40_000)}\r\n\r\n`),
    'As in a head. nginx skips trailers unread.',
    { front: TOO_LARGE, ...passedByNginx('POST / 5') },
  ),
]

const fromService = (
  name: string,
  backend: Script,
  front: readonly string[],
  nginx: readonly string[],
  why: string,
  more: Partial<HostileCase> = {},
): HostileCase => ({
  name: `a service: ${name}`,
  send: [get('/')],
  backend,
  front,
  nginx,
  service: ['GET / 0'],
  why,
  ...more,
})
const NO_ANSWER = ['502 no-answer', 'open']
const NO_ANSWER_OF_NGINX = ['502', 'open']
const services: HostileCase[] = [
  fromService(
    'HEAD with a body',
    { bytes: answer(['Content-Length: 5'], 'hello') },
    ['200', 'open'],
    ['200', 'open'],
    'What follows the head belongs to no answer.',
    { send: [request('HEAD /')], methods: ['HEAD'], service: ['HEAD / 0'] },
  ),
  fromService(
    '204 with a body',
    { bytes: answer(['Content-Length: 5'], 'hello', '204 No Content') },
    ['204', 'open'],
    ['204', 'open'],
    'The same.',
  ),
  fromService(
    '304 with a body',
    { bytes: answer(['Content-Length: 5'], 'hello', '304 Not Modified') },
    ['304', 'open'],
    ['304', 'open'],
    'The same.',
  ),
  fromService(
    '204 with chunks',
    { bytes: answer(['Transfer-Encoding: chunked'], `5\r\nhello\r\n${CHUNKED_NOTHING}`, '204 No Content') },
    ['204', 'open'],
    ['204', 'open'],
    'The same.',
  ),
  fromService(
    'another answer at once',
    { bytes: answer(['Content-Length: 2'], 'ok') + answer(['Content-Length: 8'], 'smuggled') },
    ['200 ok', 'open'],
    ['200 ok', 'open'],
    'Nobody asked for the second, and nobody gets it.',
  ),
  fromService(
    'more than it announced',
    { bytes: answer(['Content-Length: 2'], 'ok and more') },
    ['200 ok', 'open'],
    ['200 ok', 'open'],
    'The rest belongs to no answer.',
  ),
  fromService(
    'less than it announced',
    { bytes: answer(['Content-Length: 10'], 'half'), after: 'close' },
    ['200 half (broken off)', 'closed'],
    ['200 half (broken off)', 'closed'],
    'The client must be able to see it.',
  ),
  fromService(
    'chunks without an end',
    { bytes: answer(['Transfer-Encoding: chunked'], '4\r\nhalf\r\n'), after: 'close' },
    ['200 half (broken off)', 'closed'],
    ['200 half (broken off)', 'closed'],
    'The same.',
  ),
  fromService(
    'a chunk size that is none',
    { bytes: answer(['Transfer-Encoding: chunked'], 'what\r\nhalf\r\n') },
    ['closed'],
    ['closed'],
    'The same.',
  ),
  fromService(
    'nothing, and closes',
    { bytes: '', after: 'close' },
    NO_ANSWER,
    NO_ANSWER_OF_NGINX,
    'It may have done its work: a fresh connection is not tried again.',
  ),
  fromService('nothing, and resets', { bytes: '', after: 'reset' }, NO_ANSWER, NO_ANSWER_OF_NGINX, 'The same.'),
  fromService(
    'half a head, and closes',
    { bytes: 'HTTP/1.1 200 OK\r\nContent-', after: 'close' },
    NO_ANSWER,
    NO_ANSWER_OF_NGINX,
    'Not an answer.',
  ),
  fromService(
    'no HTTP at all',
    { bytes: 'SSH-2.0-OpenSSH\r\n\r\n' },
    NO_ANSWER,
    ['closed'],
    'Not an answer. nginx takes it for HTTP/0.9, and cannot send that on to a client of HTTP/1.1.',
  ),
  fromService(
    'HTTP/1.0, until it closes',
    { bytes: 'HTTP/1.0 200 OK\r\n\r\nhello', after: 'close' },
    ['200 hello', 'open'],
    ['200 hello', 'open'],
    'The end of the connection is the end of the answer.',
  ),
  fromService(
    'a status of two digits',
    { bytes: answer(['Content-Length: 0'], '', '20 OK') },
    NO_ANSWER,
    ['closed'],
    'Not a status.',
  ),
  fromService(
    'a status of 099',
    { bytes: answer(['Content-Length: 0'], '', '099 No') },
    NO_ANSWER,
    ['099', 'open'],
    'Not a status. nginx passes it on.',
  ),
  fromService(
    'a status of 999',
    { bytes: answer(['Content-Length: 0'], '', '999 Odd') },
    ['999', 'open'],
    ['999', 'open'],
    'Odd, but three digits.',
  ),
  fromService(
    'two lengths',
    { bytes: answer(['Content-Length: 2', 'Content-Length: 5'], 'hello') },
    NO_ANSWER,
    ['200 hello', 'open'],
    'Where the body ends cannot be known. nginx takes the last.',
  ),
  fromService(
    'a length beside chunked',
    { bytes: answer(['Content-Length: 2', 'Transfer-Encoding: chunked'], `5\r\nhello\r\n${CHUNKED_NOTHING}`) },
    NO_ANSWER,
    ['200 hello', 'open'],
    'The same. nginx takes chunked.',
  ),
  fromService(
    'chunked, identity',
    { bytes: answer(['Transfer-Encoding: chunked, identity'], `5\r\nhello\r\n${CHUNKED_NOTHING}`), after: 'close' },
    NO_ANSWER,
    ['200 hello', 'open'],
    'The same. nginx takes chunked.',
  ),
  fromService(
    'a folded header',
    { bytes: answer(['X: a\r\n b', 'Content-Length: 2'], 'ok') },
    NO_ANSWER,
    NO_ANSWER_OF_NGINX,
    'Sent on, the client could read two headers.',
  ),
  fromService(
    'CR in a header',
    { bytes: answer(['X: a\rSet-Cookie: b', 'Content-Length: 2'], 'ok') },
    NO_ANSWER,
    NO_ANSWER_OF_NGINX,
    'The same.',
  ),
  fromService(
    'bare LF',
    { bytes: 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok' },
    NO_ANSWER,
    ['200 ok', 'open'],
    'Lines end in CRLF. nginx takes LF for it.',
  ),
  fromService(
    'NUL in a header',
    { bytes: answer(['X: a\0b', 'Content-Length: 2'], 'ok') },
    NO_ANSWER,
    NO_ANSWER_OF_NGINX,
    'Ends a string for some.',
  ),
  fromService(
    'a head of 100 KiB',
    { bytes: answer([tooLong('X: ', 100_000), 'Content-Length: 2'], 'ok') },
    NO_ANSWER,
    NO_ANSWER_OF_NGINX,
    'Over 64 KiB.',
  ),
  fromService(
    '100 before its answer',
    { bytes: `HTTP/1.1 100 Continue\r\n\r\n${answer(['Content-Length: 2'], 'ok')}` },
    ['200 ok', 'open'],
    ['100', 'closed'],
    'The client did not ask. nginx takes it for the answer itself.',
  ),
  fromService(
    '103 before its answer',
    { bytes: `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${answer(['Content-Length: 2'], 'ok')}` },
    ['200 ok', 'open'],
    ['103', 'closed'],
    'Hints are not passed on. nginx takes them for the answer.',
  ),
  fromService(
    'three times 100',
    { bytes: 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(3) + answer(['Content-Length: 2'], 'ok') },
    ['200 ok', 'open'],
    ['100', 'closed'],
    'Read over. nginx takes the first for the answer.',
  ),
  fromService(
    '100 and then it closes',
    { bytes: 'HTTP/1.1 100 Continue\r\n\r\n', after: 'close' },
    NO_ANSWER,
    ['100', 'open'],
    'Not an answer.',
  ),
  fromService(
    'an answer before the upload is there',
    { bytes: answer(['Content-Length: 2'], 'ok'), early: true },
    ['200 ok', 'open'],
    ['200 ok', 'closed'],
    'It is passed on at once; the rest of the upload is read. nginx closes both connections.',
    {
      send: [post(['Content-Length: 10'], 'hello'), { until: 1 }, 'world'],
      service: ['POST / 10'],
      serviceOfNginx: ['POST / 5'],
    },
  ),
  fromService(
    'an answer before the upload is there, and closes',
    { bytes: answer(['Content-Length: 2', 'Connection: close'], 'ok'), early: true, after: 'close' },
    ['200 ok', 'open'],
    ['200 ok', 'closed'],
    'The same.',
    { send: [post(['Content-Length: 10'], 'hello'), { until: 1 }, 'world'], service: ['POST / 5'] },
  ),
  fromService(
    'trailers',
    { bytes: answer(['Transfer-Encoding: chunked', 'Trailer: X'], '2\r\nok\r\n0\r\nX: y\r\n\r\n') },
    ['200 ok trailers X: y', 'open'],
    ['200 ok', 'open'],
    'nginx drops them.',
  ),
]

/** By what they are about. */
export const hostileCases: Readonly<Record<string, readonly HostileCase[]>> = {
  Host: hosts,
  'Transfer-Encoding': transferEncodings,
  chunks,
  'Content-Length': lengths,
  'request line': targets,
  'header lines': lines,
  limits,
  slow,
  endings,
  pipelining: pipelines,
  upgrades,
  Expect: expectations,
  trailers,
  services,
}
