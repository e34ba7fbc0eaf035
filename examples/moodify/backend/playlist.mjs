// A playlist is uploaded as text, one track per line; `#` begins a comment, as in M3U. It is read as it comes in
// and never held in memory.
import { createHash } from 'node:crypto'
import { HttpError, readBody } from '../shared/http.mjs'

const LIMIT_BYTES = 16 * 1024 * 1024
const NEWLINE = 10
const HASH = 35

export async function addPlaylist({ request }) {
  const digest = createHash('sha256')
  const count = createTrackCounter()
  let bytes = 0
  for await (const chunk of readBody(request, LIMIT_BYTES)) {
    digest.update(chunk)
    count.add(chunk)
    bytes += chunk.length
  }
  if (count.tracks() === 0) throw new HttpError(400, 'empty_playlist', 'send text with one track per line')
  return { status: 201, body: { bytes, digest: `sha256:${digest.digest('hex')}`, tracks: count.tracks() } }
}

/** Counts lines that begin with something else than `#` or white space; a line may be cut by chunks anywhere. */
function createTrackCounter() {
  let tracks = 0
  let atLineStart = true
  return {
    add(chunk) {
      for (const byte of chunk) {
        if (atLineStart && byte > 32 && byte !== HASH) tracks += 1
        atLineStart = byte === NEWLINE
      }
    },
    tracks: () => tracks,
  }
}
