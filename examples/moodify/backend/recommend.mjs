// Mood in, tracks out. The same question has the same answer; another seed shuffles neighbours in the ranking.
import { moods } from './library.mjs'

/** Every how many tracks the discovery mix offers one of another mood. */
const DISCOVERY_EVERY = 4
/** How far a seed may move a track; distances between tracks of a mood are about as large. */
const SEED_STRENGTH = 0.25

/**
 * @param {import('./library.mjs').Track[]} tracks
 * @param {{ mood: keyof typeof moods, limit: number, seed: string, discovery: boolean }} wish
 *   an empty seed ranks by fit alone
 */
export function recommend(tracks, { mood, limit, seed, discovery }) {
  const isFamiliar = (track) => track.mood === mood
  const familiar = rank(tracks.filter(isFamiliar), mood, seed)
  if (!discovery) return familiar.slice(0, limit).map(present)
  const isForeign = (track) => !isFamiliar(track)
  const foreign = rank(tracks.filter(isForeign), mood, seed)
  return Array.from({ length: limit }, (_, index) => ((index + 1) % DISCOVERY_EVERY ? familiar : foreign).shift())
    .filter((track) => track !== undefined)
    .map(present)
}

function rank(tracks, mood, seed) {
  const scored = tracks.map((track) => ({
    track,
    score: distance(track, moods[mood]) + (seed === '' ? 0 : SEED_STRENGTH * fraction(seed + track.title)),
  }))
  return scored.sort((a, b) => a.score - b.score).map(({ track }) => track)
}

function distance(track, centre) {
  return Math.hypot(track.energy - centre.energy, track.valence - centre.valence, (track.tempo - centre.tempo) / 100)
}

/** A number from 0 to 1 that looks random and is always the same for the same text (FNV-1a, then mixed). */
function fraction(text) {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

function present(track) {
  return {
    title: track.title,
    artist: track.artist,
    mood: track.mood,
    energy: track.energy,
    valence: track.valence,
    tempo: track.tempo,
  }
}
