import { createHealth } from '../shared/health.mjs'
import { createHandler, HttpError, readJson } from '../shared/http.mjs'
import { createLog } from '../shared/log.mjs'
import { serve } from '../shared/serve.mjs'
import { version } from '../shared/version.mjs'
import { loadTracks, moods } from './library.mjs'
import { createLogin } from './login.mjs'
import { createMetrics } from './metrics.mjs'
import { createNowPlaying } from './now-playing.mjs'
import { addPlaylist } from './playlist.mjs'
import { recommend } from './recommend.mjs'

const MAX_LIMIT = 20
const features = { discovery: /^(1|on|true|yes|discovery)$/i.test(process.env.FEATURE_FLAG ?? '') }

const log = createLog('backend')
const health = createHealth()
const metrics = createMetrics()
const login = createLogin({ user: process.env.DEMO_USER, password: process.env.DEMO_PASSWORD })
const tracks = loadTracks()
const nowPlaying = createNowPlaying(() => tracks)

async function answerRecommendations(wish) {
  const mood = String(wish.mood ?? '').toLowerCase()
  const details = { moods: Object.keys(moods) }
  if (mood === '') throw new HttpError(400, 'mood_missing', 'name a mood', { details })
  if (!Object.hasOwn(moods, mood)) throw new HttpError(404, 'unknown_mood', `there is no mood "${mood}"`, { details })
  const limit = Number(wish.limit ?? 5)
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new HttpError(400, 'bad_limit', `limit is a whole number from 1 to ${MAX_LIMIT}`)
  }
  const seed = String(wish.seed ?? '')
  const found = recommend(await tracks, { mood, limit, seed, discovery: features.discovery })
  return { body: { mood, version, tracks: found } }
}

async function readWish({ request }) {
  const wish = await readJson(request)
  if (wish === null || typeof wish !== 'object')
    throw new HttpError(400, 'bad_json', 'send {"mood": "happy", "limit": 5}')
  return wish
}

const routes = {
  ...health.routes,
  ...metrics.routes,
  ...login.routes,
  ...nowPlaying.routes,
  '/moods': { GET: () => ({ body: { moods: Object.keys(moods) } }) },
  '/features': { GET: () => ({ body: { features } }) },
  '/version': { GET: () => ({ body: { version } }) },
  '/recommendations': {
    GET: ({ url }) => answerRecommendations(Object.fromEntries(url.searchParams)),
    POST: async (context) => answerRecommendations(await readWish(context)),
  },
  '/playlists': { POST: addPlaylist },
}

await serve({
  handler: createHandler({ routes, health, log, observe: metrics.observe }),
  health,
  log,
  defaultPort: 8000,
  prepare: () => tracks,
  onStop: () => nowPlaying.end(),
})
