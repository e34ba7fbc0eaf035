// The smallest service in a container: it answers with its version, or is as bad as the end of its version says.
import { createServer } from 'node:http'

const { MOODIFY_VERSION = '' } = process.env
const mode = MOODIFY_VERSION.split('-').at(-1)
if (mode === 'crashes') process.exit(9)

let answered = 0
const metrics = () => `# TYPE http_requests_total counter
http_requests_total{path="/",status="200"} ${answered}
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{path="/",le="0.005"} ${answered}
http_request_duration_seconds_bucket{path="/",le="+Inf"} ${answered}
`
const server = createServer((request, response) => {
  if (request.url === '/metrics') return response.end(metrics())
  if (request.url === '/ready') return response.writeHead(mode === 'neverReady' ? 503 : 200).end()
  if (request.url !== '/') return response.writeHead(request.url === '/live' ? 200 : 404).end()
  answered += 1
  response.writeHead(mode === 'smokeFails' ? 500 : 200).end(MOODIFY_VERSION)
})
server.listen(8000)
process.on('SIGTERM', () => server.close(() => process.exit(0)))
