// Secrets are masked by what stands before them, and by value where the environment has them under a telling name.

const MASK = '***'
const telling = 'token|secret|passw(?:or)?d|passphrase|credential|api[-_]?key|private[-_]?key|authorization'

const tellingName = new RegExp(telling, 'i')
/** `NAME_TOKEN=value`, `"password": "value"`, `--api-key=value` */
const assigned = new RegExp(`([\\w-]*(?:${telling})[\\w-]*["']?\\s*[=:]\\s*["']?)[^\\s"',;]+`, 'gi')
const userInUrl = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi
const bearer = /\b(bearer|basic)\s+[\w.~+/=-]+/gi

/** Shorter values are words as likely as secrets. */
const SHORTEST_SECRET = 6

export function maskSecrets(text: string, env: Readonly<Record<string, string | undefined>> = {}): string {
  const masked = text.replace(userInUrl, `$1${MASK}@`).replace(bearer, `$1 ${MASK}`).replace(assigned, `$1${MASK}`)
  return Object.entries(env).reduce((result, [name, value]) => {
    const isSecret = tellingName.test(name) && value !== undefined && value.length >= SHORTEST_SECRET
    return isSecret ? result.replaceAll(value, MASK) : result
  }, masked)
}

/** The words of a command line: after `--token` the next word is a secret too. */
export function maskWords(words: readonly string[]): string[] {
  return words.map((word, index) => {
    const before = words[index - 1] ?? ''
    const isValue = before.startsWith('-') && !before.includes('=') && tellingName.test(before)
    return isValue && !word.startsWith('-') ? MASK : maskSecrets(word)
  })
}
