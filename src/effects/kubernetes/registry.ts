// Asks a registry for the digest of a tag, by the protocol of the OCI distribution specification. A registry that does
// not answer, or wants credentials that we have not, is no reason to stop: the version is then known by its tag alone.
import type { ImageSource } from '../../domain/revision.ts'

const TIMEOUT_MS = 3000
const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

/** @returns `sha256:…`, or null */
export async function digestInRegistry({
  registry,
  name,
  tag,
}: Pick<ImageSource, 'registry' | 'name' | 'tag'>): Promise<string | null> {
  const [host, ...folders] = registry.split('/')
  // A name of one word is no host that answers: `localhost/app:1` is an image of the node itself.
  if (!host || !/[.:]/.test(host)) return null
  const url = `https://${host}/v2/${[...folders, name].join('/')}/manifests/${tag}`
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const ask = (token: string | null) =>
    fetch(url, {
      method: 'HEAD',
      headers: { accept: MANIFESTS, ...(token ? { authorization: `Bearer ${token}` } : {}) },
      signal,
    })
  try {
    let answer = await ask(null)
    if (answer.status === 401) {
      const token = await anonymousToken(answer.headers.get('www-authenticate') ?? '', signal)
      if (token) answer = await ask(token)
    }
    const digest = answer.ok ? answer.headers.get('docker-content-digest') : null
    return digest && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : null
  } catch {
    return null
  }
}

async function anonymousToken(challenge: string, signal: AbortSignal): Promise<string | null> {
  const parts = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]))
  if (!challenge.startsWith('Bearer ') || !parts['realm']?.startsWith('https://')) return null
  const query = new URLSearchParams({ service: parts['service'] ?? '', scope: parts['scope'] ?? '' })
  const answer = await fetch(`${parts['realm']}?${query}`, { signal })
  if (!answer.ok) return null
  const { token, access_token: accessToken } = (await answer.json()) as { token?: string; access_token?: string }
  return token ?? accessToken ?? null
}
