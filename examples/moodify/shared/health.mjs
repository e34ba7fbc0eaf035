// starting ──▶ ready ──▶ stopping. Three questions are asked of a service, and they differ:
// startup: has it begun? ready: may it get requests? live: is it worth keeping?
import { version } from './version.mjs'

export function createHealth() {
  let state = 'starting'
  const answer = (isGood) => () => ({
    status: isGood() ? 200 : 503,
    headers: { 'cache-control': 'no-store' },
    body: { status: state, version, uptime_s: Math.floor(process.uptime()) },
  })
  const ready = answer(() => state === 'ready')
  return {
    becomeReady() {
      if (state === 'starting') state = 'ready'
    },
    becomeStopping() {
      state = 'stopping'
    },
    isStopping: () => state === 'stopping',
    routes: {
      '/health': { GET: ready },
      '/health/ready': { GET: ready },
      '/health/startup': { GET: answer(() => state !== 'starting') },
      '/health/live': { GET: answer(() => true) },
    },
  }
}
