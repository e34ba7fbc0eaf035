// TLS, with a certificate that can be renewed while it serves: both files are looked at every second, and what is new in
// them holds for new connections. Those that are open go on. The key is read where it lies and kept in memory alone.
import { readFileSync, statSync } from 'node:fs'
import type { Server } from 'node:http'
import type { SecureContextOptions, Server as TlsServer } from 'node:tls'
import type { createServer } from '../http.ts'

export interface TlsFiles {
  /** Absolute paths of PEM files: the chain, the server's own first, and its key. */
  readonly cert: string
  readonly key: string
}

const LOOK_EVERY_MS = 1000
const OLDEST = 'TLSv1.2'

/** Encryption costs start-up time that only those who want it should pay. */
const https = () => process.getBuiltinModule('node:https')
const tls = () => process.getBuiltinModule('node:tls')

/** @throws Error when a file cannot be read, or when the two do not belong together */
export function readCertificate({ cert, key }: TlsFiles): SecureContextOptions {
  const options: SecureContextOptions = { cert: readFileSync(cert), key: readFileSync(key), minVersion: OLDEST }
  tls().createSecureContext(options)
  return options
}

export function encryptedServer(options: Parameters<typeof createServer>[0] & object, files: TlsFiles): Server {
  const server = https().createServer({ ...options, ...readCertificate(files) }) as Server & TlsServer
  // A client that gives up during the handshake, or speaks something else, is nobody's problem but its own.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  renewWhenChanged(server, files)
  return server
}

function renewWhenChanged(server: TlsServer & Server, files: TlsFiles): void {
  let known = stateOf(files)
  let problem: string | null = null
  const timer = setInterval(() => {
    const now = stateOf(files)
    if (now === known) return
    try {
      server.setSecureContext(readCertificate(files))
      known = now
      problem = null
      say(`the certificate was renewed from ${files.cert}`)
    } catch (error) {
      // One of the two may not be there yet; until they fit, the one before holds.
      const { message } = error as Error
      if (message !== problem) say(`the new certificate cannot be used, and the one before stays: ${message}`)
      problem = message
    }
  }, LOOK_EVERY_MS)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}

/** Changes when one of the files does, also when it is replaced by another of the same name. */
function stateOf({ cert, key }: TlsFiles): string {
  const states = [cert, key].map((file) => {
    const stat = statSync(file, { throwIfNoEntry: false })
    return stat ? `${stat.dev}/${stat.ino}/${stat.mtimeMs}/${stat.size}` : 'gone'
  })
  return states.join(' ')
}

function say(line: string): void {
  console.log(`${new Date().toISOString()} ${line}`)
}
