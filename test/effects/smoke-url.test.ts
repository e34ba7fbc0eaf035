import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { smokeUrl } from '../../src/effects/checks/url.ts'
import type { SmokeRequest } from '../../src/effects/ports/platform.ts'

const request = (path: string, change: Partial<SmokeRequest> = {}): SmokeRequest => ({
  name: path,
  method: 'GET',
  path,
  headers: {},
  body: null,
  expect: { status: 200, body: null, latencyMs: null },
  ...change,
})

async function service() {
  const server = createServer((asked, answer) => {
    if (asked.url === '/api/moved') answer.writeHead(301, { location: '/api/health' }).end()
    else if (asked.url === '/api/health') answer.end('ready')
    else asked.pipe(answer.writeHead(404))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, [Symbol.asyncDispose]: async () => void server.close() }
}

test('each test is sent behind the path of the address, and says what was seen', async () => {
  await using at = await service()
  const expectBody = { status: 404, body: 'a song', latencyMs: null }
  const results = await smokeUrl(`${at.url}/api/`, [
    request('/health', { expect: { status: 200, body: 'ready', latencyMs: 5000 } }),
    request('/songs', { method: 'POST', body: 'a song', expect: expectBody }),
    request('/health', { expect: { status: 200, body: 'well', latencyMs: null } }),
    request('/moved'),
  ])
  expect(results.map(({ passed }) => passed)).toEqual([true, true, false, false])
  expect(results[2]!.saw).toMatch(/^200 in \d+ ms, expected "well" in the body$/)
  expect(results[3]!.saw).toMatch(/^301 in \d+ ms, expected 200$/)
})

test('an address where nobody answers fails every test, with the reason', async () => {
  const { url } = await service().then(async (one) => {
    await one[Symbol.asyncDispose]()
    return one
  })
  const results = await smokeUrl(url, [request('/health'), request('/')])
  expect(results).toMatchObject([
    { passed: false, saw: expect.stringContaining('ECONNREFUSED') },
    { passed: false, saw: expect.stringContaining('ECONNREFUSED') },
  ])
})
