import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { socketClient } from '../../src/effects/local/socket-client.ts'
import { plainText, type Routes, serveOnSocket } from '../../src/effects/local/socket-server.ts'
import { OperatingError } from '../../src/errors/catalogue.ts'
import { temporaryFolder } from './helpers.ts'

async function serve(routes: Routes, path = join(temporaryFolder(), 'test.sock')) {
  const server = await serveOnSocket(path, routes)
  const client = socketClient(path)
  onTestFinished(async () => {
    client.close()
    await server.close()
  })
  return { client, path }
}

test('socket: bodies, queries and answers arrive as they were sent', async () => {
  const { client } = await serve({
    'PUT /echo': (body, query) => ({ body, more: query.get('more') }),
    'GET /text': () => plainText('plain'),
    'POST /nothing': () => {},
  })
  expect(await client.request('PUT', '/echo?more=1', { ü: [1, null] })).toEqual({ body: { ü: [1, null] }, more: '1' })
  expect(await client.request('GET', '/text')).toBe('plain')
  expect(await client.request('POST', '/nothing')).toBeUndefined()
})

test('socket: an operating error keeps its code, message and hint', async () => {
  const { client } = await serve({
    'GET /refuse': () => {
      throw new OperatingError('STALE_EPOCH', 'too late', 'look again')
    },
  })
  await expect(client.request('GET', '/refuse')).rejects.toMatchObject({
    code: 'STALE_EPOCH',
    message: 'too late',
    hint: 'look again',
  })
})

test('socket: nobody there, no answer in time and an unknown code are told apart', async () => {
  const folder = temporaryFolder()
  const nobody = socketClient(join(folder, 'none.sock'))
  await expect(nobody.request('GET', '/')).rejects.toMatchObject({ code: 'PLATFORM_DOWN' })
  const { client } = await serve({ 'GET /never': () => new Promise(() => {}) }, join(folder, 'silent.sock'))
  await expect(client.request('GET', '/never', undefined, { timeoutMs: 50 })).rejects.toMatchObject({
    code: 'PLATFORM_FAILED',
    message: expect.stringContaining('no answer within 50 ms'),
  })
  const newer = createServer((_request, response) => {
    response.writeHead(409, { 'content-type': 'application/json' })
    response.end('{"error":{"code":"FROM_THE_FUTURE","message":"unheard of"}}')
  }).listen(join(folder, 'newer.sock'))
  await once(newer, 'listening')
  onTestFinished(() => void newer.close())
  const future = socketClient(join(folder, 'newer.sock'))
  onTestFinished(() => future.close())
  await expect(future.request('GET', '/')).rejects.toMatchObject({
    code: 'PLATFORM_FAILED',
    message: expect.stringContaining('FROM_THE_FUTURE: unheard of'),
  })
})

test('socket: a kept connection that the server has closed is not noticed by who asks', async () => {
  const path = join(temporaryFolder(), 'test.sock')
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    if (requests === 2) request.socket.destroy()
    else response.end()
  }).listen(path)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const client = socketClient(path)
  onTestFinished(() => client.close())
  await client.request('GET', '/')
  await client.request('GET', '/')
  expect(requests).toBe(3)
})

test('socket: a file left behind by a dead process is replaced, a living server is not', async () => {
  const path = join(temporaryFolder(), 'test.sock')
  const dying = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', dying])
  expect(existsSync(path)).toBe(true)
  const { client } = await serve({ 'GET /': () => 'new' }, path)
  expect(await client.request('GET', '/')).toBe('new')
  await expect(serveOnSocket(path, {})).rejects.toMatchObject({ code: 'REFUSED' })
  expect(await client.request('GET', '/')).toBe('new')
})
