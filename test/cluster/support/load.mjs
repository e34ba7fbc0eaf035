// A client without retries, for the network of the cluster: steady requests, half of them on kept connections, half on
// a new one each. It stops on SIGTERM or when its input ends, and prints one line of JSON: what was answered, and what
// was not. Until then a line for each hundred answers.
//
//   load.mjs http://10.79.1.2:8000/path REQUESTS_PER_SECOND [HOST]
import { Agent, request } from 'node:http'

const [, , url, rate, host] = process.argv
const headers = host ? { host } : {}
const kept = new Agent({ keepAlive: true, maxSockets: 16 })
const fresh = new Agent({ keepAlive: false })
const periodMs = 1000 / Number(rate)
const TIMEOUT_MS = 10_000

const tally = { sent: 0, answered: 0, failed: 0, dropped: 0, byStatus: {}, drops: [] }
/** The application says so of itself; an error without it was made on the way. */
const OWN_HEADER = 'x-app-version'
let inFlight = 0
let stopping = false

function send() {
  tally.sent += 1
  inFlight += 1
  const isKept = tally.sent % 2 === 0
  const started = Date.now()
  const done = (error) => {
    inFlight -= 1
    if (!error) return
    tally.dropped += 1
    const at = new Date().toISOString()
    if (tally.drops.length < 20)
      tally.drops.push({ at, afterMs: Date.now() - started, isKept, error: error.code ?? error.message })
  }
  const sent = request(url, { headers, agent: isKept ? kept : fresh, timeout: TIMEOUT_MS }, (answer) => {
    answer.resume()
    answer.on('error', done)
    const isMadeOnTheWay = answer.statusCode >= 500 && answer.headers[OWN_HEADER] === undefined
    answer.on('end', () => {
      tally.answered += 1
      if (tally.answered % 100 === 0) process.stdout.write(`{"answered":${tally.answered}}\n`)
      tally.byStatus[answer.statusCode] = (tally.byStatus[answer.statusCode] ?? 0) + 1
      if (answer.statusCode >= 500) tally.failed += 1
      done(isMadeOnTheWay ? new Error(`${answer.statusCode} on the way`) : null)
    })
  })
  sent.on('timeout', () => sent.destroy(new Error('timeout')))
  sent.on('error', done)
  sent.end()
}

let due = performance.now()
const timer = setInterval(() => {
  for (; due <= performance.now() && !stopping; due += periodMs) send()
}, 5)

function stop() {
  if (stopping) return
  stopping = true
  clearInterval(timer)
  const end = setInterval(() => {
    if (inFlight > 0) return
    clearInterval(end)
    process.stdout.write(`${JSON.stringify(tally)}\n`, () => process.exit(0))
  }, 10)
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
process.stdin.on('end', stop).on('close', stop).resume()
