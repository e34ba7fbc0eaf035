// The smallest service: it answers with its version, or is as bad as MODE says.
import { createServer } from 'node:http'

const { PORT, MODE, MOODIFY_VERSION } = process.env
if (MODE === 'crashes') process.exit(9)

const statusOf = {
  '/live': 200,
  '/ready': MODE === 'neverReady' ? 503 : 200,
  '/': MODE === 'smokeFails' ? 500 : 200,
}
const server = createServer((request, response) => {
  response.writeHead(statusOf[request.url] ?? 404).end(MOODIFY_VERSION)
})
server.listen(Number(PORT), '127.0.0.1')
process.on('SIGTERM', () => server.close(() => process.exit(0)))
