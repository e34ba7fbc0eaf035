// What the demo's users ask for. A kind makes a new request each time, from a random source that the client seeds:
// the same seed sends the same requests.

export interface RequestKind {
  readonly name: string
  /** How often, relative to the other kinds. */
  readonly weight: number
  make(random: () => number): RequestToSend
}

export interface RequestToSend {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent one after the other with short pauses, so that the body is really streamed. */
  readonly chunks?: readonly string[]
}

const moods = ['happy', 'calm', 'energetic', 'sad', 'focused', 'romantic', 'dreamy', 'angry']

export const moodifyMix: readonly RequestKind[] = [
  {
    name: 'recommendations',
    weight: 65,
    make: (random) => ({ method: 'GET', path: `/api/recommendations?${new URLSearchParams(wish(random))}` }),
  },
  {
    name: 'recommendations by POST',
    weight: 10,
    make: (random) => ({
      method: 'POST',
      path: '/api/recommendations',
      headers: { 'content-type': 'application/json' },
      chunks: [JSON.stringify(wish(random))],
    }),
  },
  {
    name: 'playlist upload',
    weight: 10,
    make: (random) => ({
      method: 'POST',
      path: '/api/playlists',
      headers: { 'content-type': 'text/plain' },
      chunks: Array.from({ length: 4 }, () => playlistLines(5 + whole(random, 20))),
    }),
  },
  { name: 'page', weight: 15, make: () => ({ method: 'GET', path: '/' }) },
]

function wish(random: () => number): Record<string, string> {
  return {
    mood: moods[whole(random, moods.length)]!,
    limit: String(5 + whole(random, 6)),
    seed: String(whole(random, 10_000)),
  }
}

const playlistLines = (lines: number) => 'Velda Moraine - Lemonade Parade\n'.repeat(lines)

const whole = (random: () => number, below: number) => Math.floor(random() * below)

/** Picks kinds by weight. */
export function pickFrom(kinds: readonly RequestKind[], random: () => number): RequestKind {
  let left = random() * kinds.reduce((sum, kind) => sum + kind.weight, 0)
  for (const kind of kinds) {
    left -= kind.weight
    if (left < 0) return kind
  }
  return kinds[kinds.length - 1]!
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
