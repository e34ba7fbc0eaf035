// The two proxies of the table, each with a recording service of its own.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFront } from '../../src/effects/local/front/main.ts'
import { socketClient } from '../../src/effects/local/socket-client.ts'
import { type RecordingBackend, startRecordingBackend } from './backend.ts'
import { startNginx } from './nginx.ts'

export interface Side extends AsyncDisposable {
  readonly backend: RecordingBackend
  readonly target: { host: string; port: number } | { path: string }
  /** Requests that it says it has sent to the service; null when it does not count. */
  sent(): Promise<number | null>
}

/** Time for a head, and for the next bytes of a body. */
const TIMEOUT_SECONDS = 1

export async function frontSide(): Promise<Side> {
  const backend = await startRecordingBackend()
  const folder = mkdtempSync(join(tmpdir(), 'front-'))
  const controlSocket = join(folder, 'front.sock')
  const timeoutMs = 1000 * TIMEOUT_SECONDS
  const front = await startFront({
    environment: 'production',
    host: '127.0.0.1',
    port: 0,
    controlSocket,
    stateFile: join(folder, 'front.json'),
    version: '0.0.0',
    timeouts: { headMs: timeoutMs, bodyMs: timeoutMs, checkMs: 50 },
  })
  const control = socketClient(controlSocket)
  await control.request('PUT', '/table', { services: [{ name: 'web', path: '/', stripPath: false, drainMs: 0 }] })
  const endpoints = [{ replica: 'a', revision: 'a', port: backend.port }]
  await control.request('PUT', '/endpoints', { service: 'web', slot: 'blue', endpoints })
  await control.request('PUT', '/shares', { service: 'web', shares: { blue: 100 }, generation: 1, epoch: 1 })
  return {
    backend,
    target: { host: '127.0.0.1', port: front.port },
    async sent() {
      const text = await control.request<string>('GET', '/metrics')
      const values = text.matchAll(/^moodify_front_(?:requests|retries)_total(?:\{.*\})? (\d+)$/gm)
      return [...values].reduce((sum, [, value]) => sum + Number(value), 0)
    },
    async [Symbol.asyncDispose]() {
      control.close()
      front.stop(0)
      await front.ended
      await backend[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function nginxSide(): Promise<Side> {
  const backend = await startRecordingBackend()
  const nginx = await startNginx({ backendPort: backend.port, timeoutSeconds: TIMEOUT_SECONDS })
  return {
    backend,
    target: { path: nginx.path },
    sent: async () => null,
    async [Symbol.asyncDispose]() {
      await nginx[Symbol.asyncDispose]()
      await backend[Symbol.asyncDispose]()
    },
  }
}
