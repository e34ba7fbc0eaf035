import { readFile } from 'node:fs/promises'

/**
 * @typedef {object} Track
 * @property {string} title
 * @property {string} artist
 * @property {string} mood     one of `moods`
 * @property {number} energy   0 sleepy – 1 wild
 * @property {number} valence  0 dark – 1 bright
 * @property {number} tempo    beats per minute
 * @property {{ title: string, year: number }} [album]  singles have none
 */

/** Where each mood lies; a track near its mood's centre is a better example of it. */
export const moods = {
  happy: { energy: 0.7, valence: 0.88, tempo: 118 },
  calm: { energy: 0.22, valence: 0.6, tempo: 72 },
  energetic: { energy: 0.93, valence: 0.68, tempo: 148 },
  sad: { energy: 0.28, valence: 0.18, tempo: 76 },
  focused: { energy: 0.45, valence: 0.5, tempo: 96 },
  romantic: { energy: 0.42, valence: 0.74, tempo: 92 },
  dreamy: { energy: 0.35, valence: 0.62, tempo: 86 },
  angry: { energy: 0.9, valence: 0.22, tempo: 138 },
}

/** @returns {Promise<Track[]>} */
export async function loadTracks() {
  return JSON.parse(await readFile(new URL('./tracks.json', import.meta.url), 'utf8'))
}
