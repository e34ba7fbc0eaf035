// The versions that tests ship: the sample application with one exact edit each, as a team would make it. Nothing in the
// application knows of tests.

export interface ImageVersion {
  /** Tag of the image. */
  readonly tag: string
  readonly what: string
  readonly edits: readonly { readonly file: string; readonly find: string; readonly text: string }[]
}

const good = (tag: string): ImageVersion => ({ tag, what: 'good', edits: [] })

const inRecommendations = (text: string) => [
  {
    file: 'backend/server.mjs',
    find: 'async function answerRecommendations(wish) {\n',
    text: `async function answerRecommendations(wish) {\n${text}\n`,
  },
]

const atStart = (text: string) => [
  { file: 'backend/server.mjs', find: 'const MAX_LIMIT = 20\n', text: `const MAX_LIMIT = 20\n${text}\n` },
]

export const imageVersions: readonly ImageVersion[] = [
  good('v1.2.2'),
  good('v1.2.3'),
  good('v1.2.3-canary'),
  good('hotfix-4711'),
  {
    tag: 'v1.3.0-errors',
    // Only where there is something to recommend: the smoke test of an unknown mood is to pass.
    what: 'every twentieth recommendation fails',
    edits: inRecommendations(
      "  if (wish.mood === 'happy' && Math.random() < 0.05) throw new TypeError('album is undefined')",
    ),
  },
  {
    tag: 'v1.3.0-slow',
    what: 'every recommendation takes half a second longer',
    edits: inRecommendations('  await new Promise((resolve) => setTimeout(resolve, 500))'),
  },
  {
    tag: 'v1.3.0-crash',
    what: 'ends right after its start',
    edits: atStart("throw new Error('DATABASE_URL is not set')"),
  },
  {
    tag: 'v1.3.0-unready',
    what: 'starts and is never ready',
    edits: [
      { file: 'shared/health.mjs', find: "if (state === 'starting') state = 'ready'", text: "state = 'warming'" },
    ],
  },
  {
    tag: 'v1.3.0-smoke',
    what: 'is well by its health checks and answers an unknown mood with success',
    edits: [
      {
        file: 'backend/server.mjs',
        find: 'throw new HttpError(404, \'unknown_mood\', `there is no mood "${mood}"`, { details })',
        text: 'return { body: { mood, version, tracks: [] } }',
      },
    ],
  },
  {
    tag: 'v1.3.0-greedy',
    what: 'takes memory until it is killed',
    edits: atStart('const kept = []\nsetInterval(() => kept.push(Buffer.alloc(64 * 1024 * 1024, 1)), 200)'),
  },
]
