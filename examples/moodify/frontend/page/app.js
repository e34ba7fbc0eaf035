// One question, one list. Everything comes from the backend on the same address, under /api.

const hues = { happy: 95, calm: 200, energetic: 62, sad: 255, focused: 160, romantic: 355, dreamy: 310, angry: 29 }
const LIMIT = 7
const KEPT_ANSWERS = 28

const byId = (id) => document.getElementById(id)
const state = { mood: null, seed: '', question: 0 }

async function ask(path) {
  const response = await fetch(`/api${path}`, { headers: { accept: 'application/json' } })
  showAnswer(response.headers.get('x-app-version'), response.ok)
  if (!response.ok) throw new Error(`Moodify answered with ${response.status}.`)
  return response.json()
}

async function choose(mood, seed = '') {
  const question = ++state.question
  Object.assign(state, { mood, seed })
  document.documentElement.style.setProperty('--hue', hueOf(mood))
  for (const button of byId('moods').children) button.setAttribute('aria-pressed', button.value === mood)
  byId('tracks').setAttribute('aria-busy', 'true')
  try {
    const query = new URLSearchParams({ mood, limit: LIMIT, ...(seed && { seed }) })
    const { tracks } = await ask(`/recommendations?${query}`)
    // An answer to an older question may come later than the newest.
    if (question === state.question) showTracks(mood, tracks)
  } catch (error) {
    if (question === state.question) showProblem(error)
  }
}

function showTracks(mood, tracks) {
  byId('tracks-title').textContent = `${mood[0].toUpperCase()}${mood.slice(1)} music`
  byId('list').replaceChildren(...tracks.map(trackRow))
  byId('problem').hidden = true
  byId('tracks').setAttribute('aria-busy', 'false')
}

function showProblem(error) {
  byId('tracks-title').textContent = 'Out of tune'
  byId('list').replaceChildren()
  byId('problem').textContent = `${error.message} Shuffle to try again.`
  byId('problem').hidden = false
  byId('tracks').setAttribute('aria-busy', 'false')
}

function trackRow(track, index) {
  const row = element('li', 'track')
  row.style.setProperty('--index', index)
  const words = element('div', 'words')
  words.append(element('div', 'title', track.title), element('div', 'artist', track.artist))
  row.append(wave(track), words, element('div', 'tempo', `${track.tempo} bpm`))
  return row
}

/** A small wave: fast tracks have many bars, wild ones have high bars; the rest comes from the title. */
function wave({ title, energy, tempo }) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 92 36')
  svg.setAttribute('class', 'wave')
  svg.setAttribute('aria-hidden', 'true')
  const bars = Math.round(tempo / 8)
  for (let bar = 0; bar < bars; bar += 1) {
    const wobble = (title.charCodeAt(bar % title.length) * (bar + 3)) % 17
    const height = 4 + 30 * energy * (0.35 + (0.65 * wobble) / 16)
    const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
    const shape = { x: (bar * 92) / bars, y: 18 - height / 2, width: 92 / bars - 1.8, height, rx: 1.4 }
    for (const [name, value] of Object.entries(shape)) rect.setAttribute(name, value.toFixed(2))
    rect.setAttribute('opacity', (0.45 + (0.55 * wobble) / 16).toFixed(2))
    svg.append(rect)
  }
  return svg
}

function showAnswer(version, isGood) {
  byId('backend').textContent = `backend ${version ?? 'unknown'}`
  const mark = element('i', isGood ? '' : 'failed')
  mark.title = `${version ?? 'unknown'}${isGood ? '' : ', failed'}`
  mark.style.setProperty('--own-hue', hueOf(version ?? ''))
  byId('answers').append(mark)
  if (byId('answers').childElementCount > KEPT_ANSWERS) byId('answers').firstElementChild.remove()
}

/** Versions get a hue from their text: neighbours in numbers are far apart in colour. */
function hueOf(name) {
  return hues[name] ?? [...name].reduce((hash, letter) => hash * 31 + letter.charCodeAt(0) * 97, 7) % 360
}

function element(tag, className, text = '') {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}

function moodButton(mood) {
  const button = element('button', 'mood', mood)
  Object.assign(button, { type: 'button', value: mood })
  button.style.setProperty('--own-hue', hueOf(mood))
  button.setAttribute('aria-pressed', 'false')
  button.addEventListener('click', () => {
    history.replaceState(null, '', `#${mood}`)
    choose(mood)
  })
  return button
}

function listenToRadio() {
  const radio = new EventSource('/api/now-playing')
  radio.addEventListener('track', ({ data }) => {
    const { title, artist } = JSON.parse(data)
    byId('radio-title').textContent = `${title} · ${artist}`
    byId('radio').hidden = false
  })
}

async function start() {
  byId('shuffle').addEventListener('click', () =>
    state.mood ? choose(state.mood, Math.random().toString(36).slice(2, 8)) : location.reload(),
  )
  try {
    const { moods } = await ask('/moods')
    byId('moods').replaceChildren(...moods.map(moodButton))
    const wanted = location.hash.slice(1)
    await choose(moods.includes(wanted) ? wanted : moods[0])
    listenToRadio()
  } catch (error) {
    showProblem(error)
  }
}

await start()
