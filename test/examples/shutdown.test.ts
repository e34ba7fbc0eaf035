import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type Service, startService, until } from './app.ts'

async function start(name: 'backend' | 'frontend' = 'backend'): Promise<Service> {
  const service = await startService(name)
  onTestFinished(service.kill)
  return service
}

/** A connection that remembers all it was told. */
async function open(service: Service): Promise<{ socket: Socket; text: () => string; error: () => Error | null }> {
  const socket = connect(service.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let text = ''
  let error: Error | null = null
  socket.setEncoding('utf8')
  socket.on('data', (data) => {
    text += data
  })
  socket.on('error', (seen) => {
    error = seen
  })
  await once(socket, 'connect')
  return { socket, text: () => text, error: () => error }
}

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

test('shutdown: a request in flight is finished, says Connection: close, and the process ends with 0', async () => {
  const service = await start()
  const upload = await open(service)
  upload.socket.write('POST /api/playlists HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n')
  service.process.kill('SIGTERM')
  await service.logged('stopping')
  upload.socket.write('4\r\ntwo\n\r\n0\r\n\r\n')
  await until('the answer', () => upload.text().includes('"tracks":2'))
  expect(upload.text()).toMatch(/^HTTP\/1.1 201 /)
  expect(upload.text().toLowerCase()).toContain('\r\nconnection: close\r\n')
  expect(await service.exited).toBe(0)
  expect(upload.error()).toBeNull()
})

test('shutdown: a kept connection is not cut; a request that comes on it is answered and says 503 to readiness', async () => {
  const service = await start()
  const kept = await open(service)
  kept.socket.write(GET('/health/ready'))
  await until('the first answer', () => kept.text().includes('"ready"'))
  service.process.kill('SIGTERM')
  await service.logged('stopping')
  kept.socket.write(GET('/health/ready'))
  await until('the second answer', () => kept.text().includes('"stopping"'))
  expect(kept.text()).toMatch(/HTTP\/1.1 503 /)
  expect(kept.text().toLowerCase()).toContain('\r\nconnection: close\r\n')
  expect(await service.exited).toBe(0)
  expect(kept.error()).toBeNull()
})

test('shutdown: no new connection is taken', async () => {
  const service = await start()
  const kept = await open(service)
  kept.socket.write(GET('/health/live'))
  await until('an answer', () => kept.text().includes('200'))
  service.process.kill('SIGTERM')
  await service.logged('stopping')
  const [error] = (await once(connect(service.port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
  kept.socket.end()
  expect(await service.exited).toBe(0)
})

test('shutdown: listeners of the radio get a track at once and a goodbye at the end', async () => {
  const service = await start()
  const radio = await open(service)
  radio.socket.write(GET('/api/now-playing'))
  await until('a track', () => radio.text().includes('event: track\ndata: {"title"'))
  service.process.kill('SIGTERM')
  await once(radio.socket, 'end')
  expect(radio.text()).toContain('event: goodbye')
  expect(radio.error()).toBeNull()
  radio.socket.destroy()
  expect(await service.exited).toBe(0)
})

test('shutdown: the page server stops in the same way', async () => {
  const service = await start('frontend')
  service.process.kill('SIGTERM')
  expect(await service.exited).toBe(0)
  await service.logged('stopped')
})
