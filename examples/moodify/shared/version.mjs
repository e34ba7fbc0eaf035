import { readFileSync } from 'node:fs'

/** What this process runs: MOODIFY_VERSION where an image sets it, else version.json of this checkout. */
export const version =
  process.env.MOODIFY_VERSION || JSON.parse(readFileSync(new URL('../version.json', import.meta.url), 'utf8')).version
