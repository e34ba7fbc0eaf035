// The versions that the demo ships. Each is one commit on the one before, made by exact edits of the application in
// examples/moodify: ordinary changes by an ordinary team, two of them with an ordinary mistake. Nothing in the
// application knows that it is being demonstrated.

export interface AppVersion {
  /** Name of the tag. */
  readonly name: string
  /** What a person should know of it, one line. */
  readonly what: string
  /** Lines of the application's own change log. */
  readonly changelog: readonly string[]
  readonly changes: readonly Change[]
}

/** `find` must be in the file exactly once; a change without it makes a new file. */
export interface Change {
  readonly file: string
  readonly find?: string
  readonly text: string
}

export const appVersions: readonly AppVersion[] = [
  {
    name: 'v0.9.0',
    what: 'what users have today',
    changelog: [],
    changes: [
      { file: 'CHANGELOG.md', find: '## v1.0.0', text: '## v0.9.0' },
      { file: 'backend/server.mjs', find: 'wish.limit ?? 5', text: 'wish.limit ?? 3' },
    ],
  },
  {
    name: 'v1.0.0',
    what: 'good: offers five tracks instead of three',
    changelog: ['Five tracks at once instead of three.'],
    changes: [{ file: 'backend/server.mjs', find: 'wish.limit ?? 3', text: 'wish.limit ?? 5' }],
  },
  {
    name: 'v1.1.0',
    what: 'better: ranks tracks of neighbouring moods too, and says how well each fits',
    changelog: [
      'Tracks of other moods that fit very well are offered too.',
      'Each track says how well it fits (`match`, in percent), and the page shows it.',
    ],
    changes: [
      {
        file: 'backend/recommend.mjs',
        find: `const SEED_STRENGTH = 0.25
`,
        text: `const SEED_STRENGTH = 0.25
/** A track of another mood belongs in the list when it is nearer than this. */
const NEIGHBOUR = 0.1
`,
      },
      {
        file: 'backend/recommend.mjs',
        find: `  const isFamiliar = (track) => track.mood === mood
`,
        text: `  const present = presentFor(mood)
  const isFamiliar = (track) => track.mood === mood || distance(track, moods[mood]) < NEIGHBOUR
`,
      },
      {
        file: 'backend/recommend.mjs',
        find: `function present(track) {
  return {
    title: track.title,
    artist: track.artist,
    mood: track.mood,
    energy: track.energy,
    valence: track.valence,
    tempo: track.tempo,
  }
}
`,
        text: `function presentFor(mood) {
  return (track) => ({
    title: track.title,
    artist: track.artist,
    mood: track.mood,
    energy: track.energy,
    valence: track.valence,
    tempo: track.tempo,
    match: Math.round(100 * Math.max(0, 1 - distance(track, moods[mood]))),
  })
}
`,
      },
      {
        file: 'frontend/page/app.js',
        find: `element('div', 'tempo', \`\${track.tempo} bpm\`)`,
        text: `element('div', 'tempo', \`\${track.match ?? '–'} % · \${track.tempo} bpm\`)`,
      },
    ],
  },
  {
    name: 'v1.2.0',
    what: 'fails on about every fourth list: singles have no album, and the code forgot them',
    changelog: ['Each track names its album and year, and the page shows them.'],
    changes: [
      {
        file: 'backend/recommend.mjs',
        find: `    artist: track.artist,
    mood: track.mood,
`,
        text: `    artist: track.artist,
    album: track.album.title,
    year: track.album.year,
    mood: track.mood,
`,
      },
      {
        file: 'frontend/page/app.js',
        find: "element('div', 'artist', track.artist)",
        text: `element('div', 'artist', track.album ? \`\${track.artist} · \${track.album}, \${track.year}\` : track.artist)`,
      },
    ],
  },
  {
    name: 'v1.3.0',
    what: 'slow: colours of covers are looked up one after the other, a tenth of a second each',
    changelog: ['Lists with singles work again.', 'Each track has the colour of its cover, and the page shows it.'],
    changes: [
      {
        file: 'backend/recommend.mjs',
        find: `    album: track.album.title,
    year: track.album.year,
`,
        text: `    album: track.album?.title ?? null,
    year: track.album?.year ?? null,
`,
      },
      {
        file: 'backend/covers.mjs',
        text: `// The colour of each track's cover. Colours are made from the words on the cover for now; the cover service will have
// the real ones, and allows ten lookups a second. Its pace is kept from the start, so that nothing changes later.
import { setTimeout as pause } from 'node:timers/promises'

const LOOKUPS_PER_SECOND = 10

export async function addCovers(tracks) {
  const covered = []
  for (const track of tracks) covered.push({ ...track, cover: await lookUp(track) })
  return covered
}

async function lookUp({ title, artist }) {
  await pause(1000 / LOOKUPS_PER_SECOND)
  const hue = [...(title + artist)].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 0) % 360
  return { hue }
}
`,
      },
      {
        file: 'backend/server.mjs',
        find: `import { loadTracks, moods } from './library.mjs'
`,
        text: `import { addCovers } from './covers.mjs'
import { loadTracks, moods } from './library.mjs'
`,
      },
      {
        file: 'backend/server.mjs',
        find: '  return { body: { mood, version, tracks: found } }',
        text: '  return { body: { mood, version, tracks: await addCovers(found) } }',
      },
      {
        file: 'frontend/page/app.js',
        find: `  row.style.setProperty('--index', index)
`,
        text: `  row.style.setProperty('--index', index)
  if (track.cover) row.style.setProperty('--accent', \`oklch(0.82 0.14 \${track.cover.hue})\`)
`,
      },
    ],
  },
]
