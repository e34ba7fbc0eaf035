// A version of the service that the end-to-end tests ship; `behaviour.json` beside it says which one. It ends at once
// on SIGTERM: that nothing is lost then is the platform's work alone. A client that vanishes does not end it.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'

const behaviour = JSON.parse(readFileSync('behaviour.json', 'utf8'))
const { WebSocketServer } = createRequire(behaviour.modules)('ws')
let pages = 0
const leaked = []
if (behaviour.exitsAtOnce) process.exit(3)

const server = createServer((request, response) => {
  response.setHeader('x-app-version', behaviour.version)
  const { pathname, searchParams } = new URL(request.url, 'http://app')
  if (pathname === '/health') response.writeHead(behaviour.neverReady ? 503 : 200).end()
  else if (pathname === '/upload') upload(request, response).catch(() => response.destroy())
  else setTimeout(() => page(response), Number(searchParams.get('ms') ?? behaviour.answerMs))
})
server.keepAliveTimeout = 10_000
server.listen(Number(process.env.PORT), '127.0.0.1')

const sockets = new WebSocketServer({ server, path: '/echo', perMessageDeflate: false })
sockets.on('connection', (socket) => {
  socket.on('message', (data) => socket.send(data.toString()))
  socket.on('error', () => socket.terminate())
})

function page(response) {
  pages += 1
  if (behaviour.chatty) console.log(`page ${pages}`)
  if (behaviour.leakMb) leaked.push(Buffer.alloc(behaviour.leakMb * 2 ** 20, pages))
  const fails = behaviour.failEvery > 0 && pages % behaviour.failEvery === 0
  response.statusCode = fails ? 500 : 200
  response.end(behaviour.version)
}

/** Answers the digest of what came; 422 when the sender meant another. */
async function upload(request, response) {
  const hash = createHash('sha256')
  for await (const chunk of request) hash.update(chunk)
  const digest = hash.digest('hex')
  response.statusCode = request.headers['x-digest'] === digest ? 200 : 422
  response.end(digest)
}
