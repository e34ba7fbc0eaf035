import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { appFolder, type Service, startService } from './app.ts'

let frontend: Service
beforeAll(async () => {
  frontend = await startService('frontend')
})
afterAll(() => frontend?.kill())

const page = async () => (await fetch(frontend.url)).text()

describe('page', () => {
  test('it is served with its version and asked for again each time', async () => {
    const first = await fetch(frontend.url)
    const html = await first.text()
    expect(html).toContain('How do you feel?')
    expect(html).toContain(`page ${first.headers.get('x-app-version')}`)
    expect(first.headers.get('cache-control')).toBe('no-cache')
    const again = await fetch(frontend.url, { headers: { 'if-none-match': first.headers.get('etag')! } })
    expect([again.status, await again.text()]).toEqual([304, ''])
  })

  test('each of its files exists under the address the page names, and may be kept for ever', async () => {
    const addresses = [...(await page()).matchAll(/(?:src|href)="(\/[^"]+\?v=[^"]+)"/g)].map(([, address]) => address!)
    expect(new Set(addresses.map((address) => address.split('?')[0]))).toEqual(
      new Set(['/icon.svg', '/style.css', '/app.js']),
    )
    for (const address of addresses) {
      const answer = await fetch(frontend.url + address)
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable'])
    }
  })

  test('a file of another version is served, but never kept', async () => {
    const answer = await fetch(`${frontend.url}/app.js?v=of-another-version`)
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store'])
  })

  test.each([
    '/../server.mjs',
    '/..%2fserver.mjs',
    '/page/app.js',
    '/server.mjs',
    '/%2e%2e/shared/log.mjs',
    '//etc/passwd',
  ])('nothing is at %s', async (path) => {
    const status = await new Promise((resolve, reject) => {
      const asked = request({ port: frontend.port, path, agent: false }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      asked.on('error', reject).end()
    })
    expect(status).toBe(404)
  })

  test.each(['/health', '/health/ready', '/health/live', '/health/startup'])('%s is 200', async (path) => {
    expect((await fetch(frontend.url + path)).status).toBe(200)
  })
})

test('moodify.yaml is accepted, with the paths and ports that the README names', () => {
  const { services, environments, defaultEnvironment } = loadConfig(`${appFolder}/moodify.yaml`)
  expect(services.map(({ name, path }) => [name, path])).toEqual([
    ['backend', '/api'],
    ['frontend', '/'],
  ])
  expect([environments['production']?.listen, environments['staging']?.listen]).toEqual([8080, 8081])
  expect(defaultEnvironment).toBe('production')
})
