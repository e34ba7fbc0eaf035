// Serves one page. Its files are read once and known by name, so no path can lead anywhere else.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createHealth } from '../shared/health.mjs'
import { createHandler } from '../shared/http.mjs'
import { createLog } from '../shared/log.mjs'
import { serve } from '../shared/serve.mjs'
import { version } from '../shared/version.mjs'

const read = (name) => readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8')
const digestOf = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16)

const assets = [
  { name: 'style.css', type: 'text/css; charset=utf-8' },
  { name: 'app.js', type: 'text/javascript; charset=utf-8' },
  { name: 'icon.svg', type: 'image/svg+xml' },
].map((asset) => ({ ...asset, text: read(asset.name), digest: digestOf(read(asset.name)) }))

const page = assets
  .reduce((html, { name, digest }) => html.replaceAll(`"/${name}"`, `"/${name}?v=${digest}"`), read('index.html'))
  .replaceAll('{{version}}', version)

const answerPage = revalidated({ type: 'text/html; charset=utf-8', text: page, digest: digestOf(page) })

function answerAsset(asset) {
  const fresh = revalidated(asset)
  return (context) => {
    // While two versions serve the same address, a page of one may ask the other for its files. Only an answer
    // that is what the page named may be kept for ever; any other must not be kept at all.
    const wanted = context.url.searchParams.get('v')
    if (wanted === null) return fresh(context)
    const lifetime = wanted === asset.digest ? 'public, max-age=31536000, immutable' : 'no-store'
    return { headers: { 'content-type': asset.type, 'cache-control': lifetime }, text: asset.text }
  }
}

/** May be kept, and is asked for again each time; 304 when it is the same. */
function revalidated({ type, text, digest }) {
  const etag = `"${digest}"`
  const headers = {
    'content-type': type,
    'cache-control': 'no-cache',
    etag,
    'content-security-policy': "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
    'referrer-policy': 'no-referrer',
  }
  return ({ request }) => (request.headers['if-none-match'] === etag ? { status: 304, headers } : { headers, text })
}

const log = createLog('frontend')
const health = createHealth()
const routes = {
  ...health.routes,
  '/': { GET: answerPage },
  ...Object.fromEntries(assets.map((asset) => [`/${asset.name}`, { GET: answerAsset(asset) }])),
}

await serve({ handler: createHandler({ routes, health, log }), health, log, defaultPort: 8001 })
