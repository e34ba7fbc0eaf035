// What plays on the radio, as server-sent events: one at once, then one each time the track changes.
import { HttpError } from '../shared/http.mjs'

/** @param {() => Promise<import('./library.mjs').Track[]>} library */
export function createNowPlaying(library, trackSeconds = 8) {
  const listeners = new Set()
  let isOver = false

  /** All replicas play the same: the clock says which track. */
  const event = (tracks) => {
    const { title, artist, mood } = tracks[Math.floor(Date.now() / 1000 / trackSeconds) % tracks.length]
    return `event: track\ndata: ${JSON.stringify({ title, artist, mood })}\n\n`
  }

  async function listen({ request, response }) {
    const tracks = await library()
    if (isOver) throw new HttpError(503, 'stopping', 'this replica stops; ask again')
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', connection: 'close' })
    if (request.method === 'HEAD') return void response.end()
    response.write(`retry: 1000\n${event(tracks)}`)
    const timer = setInterval(() => response.write(event(tracks)), trackSeconds * 1000)
    listeners.add(response)
    response.once('close', () => {
      clearInterval(timer)
      listeners.delete(response)
    })
  }

  return {
    routes: { '/now-playing': { GET: listen } },
    /** Listeners connect again by themselves, to another replica. */
    end() {
      isOver = true
      for (const response of listeners) response.end('event: goodbye\ndata: {}\n\n')
    },
  }
}
