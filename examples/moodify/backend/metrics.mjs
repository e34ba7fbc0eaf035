// Counts of requests, in the two forms that are asked for: Prometheus text for scrapers, JSON for people and jq.
// Probes and scrapes are counted, but not in the error rate: it is about what users see.
import { version } from '../shared/version.mjs'

const WINDOW_SECONDS = 60
const EDGES_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** @param {() => number} nowSeconds  a clock that never goes back */
export function createMetrics(nowSeconds = () => performance.now() / 1000) {
  const requests = new Map()
  const durations = new Map()
  const window = createWindow(nowSeconds)

  function observe({ method, route, status, seconds }) {
    // Clients invent methods; labels must stay few.
    const labels = { method: METHODS.has(method) ? method : 'OTHER', route }
    const counter = labelText({ ...labels, status })
    requests.set(counter, (requests.get(counter) ?? 0) + 1)
    const key = labelText(labels)
    if (!durations.has(key)) durations.set(key, { buckets: EDGES_SECONDS.map(() => 0), count: 0, sum: 0 })
    const histogram = durations.get(key)
    histogram.count += 1
    histogram.sum += seconds
    for (const [index, edge] of EDGES_SECONDS.entries()) if (seconds <= edge) histogram.buckets[index] += 1
    if (!/^\/(health|metrics)/.test(route)) window.add(status >= 500)
  }

  function summary() {
    const { requests, errors } = window.read()
    const error_rate = requests === 0 ? null : errors / requests
    return {
      error_rate,
      window_s: WINDOW_SECONDS,
      requests,
      by_version: { [version]: { requests, errors, error_rate } },
    }
  }

  function prometheus() {
    const { error_rate } = summary()
    return [
      ...family('moodify_http_requests_total', 'counter', 'Requests answered.', counterSamples(requests)),
      ...family('moodify_http_request_duration_seconds', 'histogram', 'Time to answer.', histogramSamples(durations)),
      ...family('moodify_http_error_rate', 'gauge', 'Share of 5xx in the last 60 s, NaN without requests.', [
        ['', '', error_rate ?? 'NaN'],
      ]),
      ...family('moodify_uptime_seconds', 'gauge', 'Time since the start.', [['', '', process.uptime().toFixed(3)]]),
      ...family('moodify_build_info', 'gauge', 'Always 1; the version is a label.', [['', labelText({ version }), 1]]),
      ...family('process_resident_memory_bytes', 'gauge', 'Resident memory.', [['', '', process.memoryUsage.rss()]]),
      ...family('nodejs_heap_size_used_bytes', 'gauge', 'Heap in use.', [['', '', process.memoryUsage().heapUsed]]),
      '',
    ].join('\n')
  }

  const wantsJson = (request) => /\bapplication\/json\b/.test(request.headers.accept ?? '')
  const noStore = { 'cache-control': 'no-store' }
  return {
    observe,
    routes: {
      '/metrics': {
        GET: ({ request }) =>
          wantsJson(request)
            ? { headers: { ...noStore, vary: 'accept' }, body: { ...summary(), uptime_s: process.uptime(), version } }
            : {
                headers: { ...noStore, vary: 'accept', 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
                text: prometheus(),
              },
      },
      '/metrics/error-rate': { GET: () => ({ headers: noStore, body: summary() }) },
    },
  }
}

/** Counts of the last 60 whole or begun seconds, in a ring with one cell per second. */
function createWindow(nowSeconds) {
  const cells = Array.from({ length: WINDOW_SECONDS }, () => ({ second: -1, requests: 0, errors: 0 }))
  return {
    add(isError) {
      const second = Math.floor(nowSeconds())
      const cell = cells[second % WINDOW_SECONDS]
      if (cell.second !== second) Object.assign(cell, { second, requests: 0, errors: 0 })
      cell.requests += 1
      if (isError) cell.errors += 1
    },
    read() {
      const oldest = Math.floor(nowSeconds()) - WINDOW_SECONDS
      const fresh = cells.filter((cell) => cell.second > oldest)
      return {
        requests: fresh.reduce((sum, cell) => sum + cell.requests, 0),
        errors: fresh.reduce((sum, cell) => sum + cell.errors, 0),
      }
    },
  }
}

/** @param {[suffix: string, labels: string, value: number | string][]} samples */
function family(name, type, help, samples) {
  const lines = samples.map(([suffix, labels, value]) => `${name}${suffix}${labels && `{${labels}}`} ${value}`)
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines]
}

const counterSamples = (requests) => [...requests].map(([labels, count]) => ['', labels, count])

function histogramSamples(durations) {
  return [...durations].flatMap(([labels, { buckets, count, sum }]) => [
    ...buckets.map((value, index) => ['_bucket', `${labels},le="${EDGES_SECONDS[index]}"`, value]),
    ['_bucket', `${labels},le="+Inf"`, count],
    ['_sum', labels, sum.toFixed(6)],
    ['_count', labels, count],
  ])
}

const labelText = (labels) =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${String(value).replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`)
    .join(',')
