// The page of metrics on a port of this machine, for Prometheus, which cannot read from Unix sockets.
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer } from '../http.ts'

export class MetricsServer {
  readonly #page: () => Promise<string>
  #server: Server | null = null
  #port: number | null = null

  constructor(page: () => Promise<string>) {
    this.#page = page
  }

  /** Serves on this port and on no other; null on none. @throws Error when the port cannot be had */
  async listen(port: number | null): Promise<void> {
    if (port === this.#port) return
    this.close()
    if (port === null) return
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url!, 'http://metrics')
      if (request.method !== 'GET' || pathname !== '/metrics') return void response.writeHead(404).end()
      this.#page().then(
        (text) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text),
        (error: Error) => response.writeHead(500).end(`${error.message}\n`),
      )
    })
    server.listen({ host: '127.0.0.1', port, exclusive: true })
    await once(server, 'listening')
    this.#server = server
    this.#port = port
  }

  close(): void {
    this.#server?.close()
    this.#server?.closeAllConnections()
    this.#server = null
    this.#port = null
  }
}
