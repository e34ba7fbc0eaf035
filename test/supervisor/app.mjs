// The service that the tests run. Files in its folder tell it what to do.
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'

const { PORT, MODE, SECRET, MOODIFY_VERSION, MOODIFY_SLOT, MOODIFY_REVISION, MOODIFY_REPLICA } = process.env
console.log(`started ${MOODIFY_REPLICA}`)
if (MODE === 'crash') process.exit(9)
const ballast = MODE === 'large' ? Buffer.alloc(200 * 1024 * 1024, 1) : null

const server = createServer((request, response) => {
  const path = request.url.split('?')[0]
  if (path === '/ready') return status(response, existsSync('unready') ? 503 : 200)
  if (path === '/live') return status(response, existsSync('dead') ? 500 : 200)
  if (path === '/hold') return hold(response)
  const about = {
    pid: process.pid,
    replica: MOODIFY_REPLICA,
    version: MOODIFY_VERSION,
    slot: MOODIFY_SLOT,
    revision: MOODIFY_REVISION,
    secret: SECRET ?? null,
    ballast: ballast?.length ?? 0,
  }
  response.end(JSON.stringify(about))
})
if (MODE !== 'deaf') server.listen(Number(PORT), '127.0.0.1')
process.on('SIGTERM', () => server.close(() => process.exit(0)))
setInterval(() => {}, 1000)

function status(response, code) {
  response.statusCode = code
  response.end()
}

/** Answers when the file `release` is there. */
function hold(response) {
  console.log('holding')
  const timer = setInterval(() => {
    if (!existsSync('release')) return
    clearInterval(timer)
    response.end('held')
  }, 20)
}
