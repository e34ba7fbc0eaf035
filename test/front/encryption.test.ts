// TLS at the front: certificates come and go, connections stay.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { readCertificate, type TlsFiles } from '../../src/effects/local/front/encryption.ts'
import {
  type Answer,
  eventually,
  fetchFrom,
  startBackend,
  startTestFront,
  type TestFront,
  temporaryFolder,
  textOf,
} from './helpers.ts'

const ENTRY = join(import.meta.dirname, '..', 'supervisor', 'entry.ts')

/** A certificate of its own making, in two files of these names. */
function certificate(folder: string, name: string): TlsFiles {
  const files = { cert: join(folder, `${name}-cert.pem`), key: join(folder, `${name}-key.pem`) }
  const out = ['-keyout', files.key, '-out', files.cert]
  const subject = ['-subj', `/CN=${name}`, '-days', '2']
  const how = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  execFileSync('openssl', [...how, ...out, ...subject], { stdio: 'ignore' })
  return files
}

function install(from: TlsFiles, to: TlsFiles): void {
  copyFileSync(from.cert, to.cert)
  copyFileSync(from.key, to.key)
}

async function encryptedFront(tls: TlsFiles, processes = 1): Promise<TestFront> {
  const workerCommand = [process.execPath, ENTRY, 'internal', 'front-worker']
  const front = await startTestFront({ tls, processes, workerCommand })
  await front.table([{ affinity: { cookie: 'shop', maxAgeSeconds: null } }])
  const backend = await startBackend('a', (incoming, outgoing) => {
    outgoing.end(String(incoming.headers['x-forwarded-proto']))
  })
  const sockets = new WebSocketServer({ server: backend.server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))
  onTestFinished(() => sockets.close())
  await front.endpoints('blue', [backend])
  await front.shares({ blue: 100 })
  return front
}

async function fetchEncrypted(port: number, agent: Agent | false = false): Promise<Answer & { server: string }> {
  const outgoing = request({ host: '127.0.0.1', port, path: '/', agent, rejectUnauthorized: false })
  outgoing.end()
  const [incoming] = await once(outgoing, 'response')
  const server = nameOf(incoming.socket)
  const { statusCode: status, headers, trailers } = incoming
  return { status, headers, trailers, body: await textOf(incoming), server }
}

const nameOf = (socket: TLSSocket) => String(socket.getPeerCertificate().subject.CN)

/** Whose certificate a new connection gets. */
async function certificateAt(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const name = nameOf(socket)
  socket.destroy()
  return name
}

test('encryption: requests and WebSockets come through, services are told, and cookies are for encrypted connections', async () => {
  const front = await encryptedFront(certificate(temporaryFolder(), 'one'))
  const answer = await fetchEncrypted(front.port)
  expect(answer).toMatchObject({ status: 200, body: 'https', server: 'one' })
  expect(answer.headers['set-cookie']?.[0]).toMatch(/; Secure$/)
  const socket = new WebSocket(`wss://127.0.0.1:${front.port}/`, { rejectUnauthorized: false })
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  socket.send('hello')
  expect(String((await once(socket, 'message'))[0])).toBe('hello')
  await expect(fetchFrom(front.port, '/')).rejects.toThrow()
  expect((await front.status()).listening.encrypted).toBe(true)
  expect((await front.slot('blue')).inFlight).toBe(1)
})

test.each([1, 3])(
  'encryption: a renewed certificate holds for new connections, and open ones go on (%i processes)',
  async (processes) => {
    const folder = temporaryFolder()
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
    install(certificate(folder, 'one'), files)
    const front = await encryptedFront(files, processes)
    await eventually(async () => (await front.status()).workers!.length === processes - 1, 'all processes are there')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    expect(await fetchEncrypted(front.port, agent)).toMatchObject({ status: 200, server: 'one' })
    const kept = Object.values(agent.freeSockets)[0]![0]!
    const socket = new WebSocket(`wss://127.0.0.1:${front.port}/`, { rejectUnauthorized: false })
    onTestFinished(() => socket.terminate())
    await once(socket, 'open')

    install(certificate(folder, 'two'), files)
    await eventually(async () => {
      const seen = await Promise.all(Array.from({ length: 12 }, () => certificateAt(front.port)))
      return seen.every((name) => name === 'two')
    }, 'every process has the new certificate')
    expect(await fetchEncrypted(front.port, agent)).toMatchObject({ status: 200, server: 'one' })
    expect(Object.values(agent.freeSockets)[0]![0]).toBe(kept)
    socket.send('still here')
    expect(String((await once(socket, 'message'))[0])).toBe('still here')
  },
)

test('encryption: while certificate and key do not fit, the pair before holds', async () => {
  const folder = temporaryFolder()
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  install(certificate(folder, 'one'), files)
  const front = await encryptedFront(files)
  const two = certificate(folder, 'two')
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  onTestFinished(() => log.mockRestore())
  for (const bad of ['half of a certif', readFileSync(two.cert, 'utf8')]) {
    log.mockClear()
    writeFileSync(files.cert, bad)
    await eventually(() => log.mock.calls.some(([line]) => /cannot be used/.test(line)), 'the bad pair is seen')
    expect(await certificateAt(front.port)).toBe('one')
  }
  copyFileSync(two.key, files.key)
  await eventually(async () => (await certificateAt(front.port)) === 'two', 'the new pair holds')
})

test('encryption: a pair that does not fit is refused before anything listens', async () => {
  const folder = temporaryFolder()
  const mixed = { cert: certificate(folder, 'one').cert, key: certificate(folder, 'two').key }
  expect(() => readCertificate(mixed)).toThrow(/key values mismatch/i)
  expect(() => readCertificate({ ...mixed, key: join(folder, 'nothing') })).toThrow(/ENOENT/)
  await expect(startTestFront({ tls: mixed })).rejects.toThrow(/mismatch/i)
})

test('encryption: nothing of the key is written anywhere', async () => {
  const folder = temporaryFolder()
  const files = certificate(folder, 'one')
  const front = await encryptedFront(files)
  await fetchEncrypted(front.port)
  const [, secret] = readFileSync(files.key, 'utf8').split('\n')
  const written = readdirSync(front.folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  expect(written.some((file) => statSync(file).size > 0)).toBe(true)
  for (const file of written) expect(readFileSync(file, 'utf8')).not.toContain(secret)
})
