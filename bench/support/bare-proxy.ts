// The least that a proxy of node:http can be: no choice, no counting, no limits, no errors. What it does in a second of
// CPU time is what Node itself takes, and the most that a front made of it could reach.
//
//   node bare-proxy.ts PORT SERVICE_PORT
import type { ClientRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { createServer, request } from '../../src/effects/local/http.ts'

const [port, servicePort] = process.argv.slice(2).map(Number)
const ONE_CONNECTION_ONLY = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade'])
const idle: Socket[] = []
const agent = {
  protocol: 'http:',
  defaultPort: 80,
  keepAlive: true,
  addRequest: (outgoing: ClientRequest, options: { connection: Socket }) => outgoing.onSocket(options.connection),
}

function withConnection(use: (socket: Socket) => void): void {
  const kept = idle.pop()
  if (kept) {
    use(kept)
    return
  }
  const socket = connect({ port: servicePort!, host: '127.0.0.1', noDelay: true }, () => use(socket))
  socket.on('free', () => idle.push(socket))
}

function sentOn(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_, index) => !ONE_CONNECTION_ONLY.has(rawHeaders[index - (index % 2)]!.toLowerCase()))
}

const server = createServer((incoming, response) => {
  const { method, url: path } = incoming
  const headers = [...sentOn(incoming.rawHeaders), 'x-forwarded-for', '127.0.0.1', 'x-request-id', 'a']
  withConnection((connection) => {
    const outgoing = request({ method, path, headers, agent, connection, setDefaultHeaders: false } as object)
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode!, answer.statusMessage!, sentOn(answer.rawHeaders))
      answer.on('data', (chunk) => response.write(chunk))
      answer.on('end', () => response.end())
    })
    outgoing.end()
  })
})
server.keepAliveTimeout = 65_000
server.listen(port, '127.0.0.1')
