// The two halves of a proxy with nothing in between, to see what node:http alone can do on one core.
//
//   node bare.ts server PORT             answers until it is ended
//   node bare.ts client PORT SECONDS     asks, and prints its requests per second of CPU time
import { createServer, request } from 'node:http'
import { connect, type Socket } from 'node:net'

const CONNECTIONS = 32
const HEADERS = ['host', 'a', 'x-forwarded-for', '127.0.0.1', 'x-forwarded-host', 'a', 'x-forwarded-proto', 'http']
const [half, port, seconds] = process.argv.slice(2)
if (half === 'server') serve()
else ask(Number(seconds))

function serve(): void {
  const server = createServer({ optimizeEmptyRequests: true, requireHostHeader: false }, (_request, response) => {
    response.writeHead(200, ['content-type', 'text/plain', 'content-length', '12'])
    response.end('hello, world')
  })
  server.keepAliveTimeout = 65_000
  server.listen(Number(port), '127.0.0.1')
}

/** As the front does: the connection is chosen already, the head is written as it is. */
function ask(forSeconds: number): void {
  let answers = 0
  const agent = {
    protocol: 'http:',
    defaultPort: 80,
    keepAlive: true,
    addRequest: (outgoing: { onSocket(socket: Socket): void }, options: { connection: Socket }) =>
      outgoing.onSocket(options.connection),
  }
  const one = (connection: Socket) => {
    const outgoing = request({ path: '/', headers: HEADERS, agent, connection, setDefaultHeaders: false } as object)
    outgoing.on('response', (incoming) => {
      incoming.resume()
      incoming.on('end', () => {
        answers++
        setImmediate(one, connection)
      })
    })
    outgoing.end()
  }
  for (let index = 0; index < CONNECTIONS; index++) {
    const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true }, () => one(socket))
  }
  const warmUpMs = 1000
  setTimeout(() => {
    const before = { answers, cpu: process.cpuUsage() }
    setTimeout(() => {
      const { user, system } = process.cpuUsage(before.cpu)
      console.log(((answers - before.answers) * 1e6) / (user + system))
      process.exit()
    }, 1000 * forSeconds)
  }, warmUpMs)
}
