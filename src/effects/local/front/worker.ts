// A worker of a front: it shares the listening socket and does what the front does for a request. It is told everything by
// the front and tells it everything; it has no control socket and no state of its own. When the front goes away, it
// accepts nothing more and answers what it has, so that the next front can have the port.
import { acceptForEver, BACKLOG, dataServer, IDLE_MS, newCore, sweep, TIMEOUTS, trackSockets } from './data-server.ts'
import { Drain, longestDrainMs } from './drain.ts'
import { Follower } from './follower.ts'
import { heard } from './predecessor.ts'
import { stateSchema } from './schemas.ts'
import { restore, type Serving } from './serving.ts'
import { type FromOld, sameClock, say } from './succession.ts'
import { noTotals } from './totals.ts'

/** Runs until the front says so, or is gone. @throws Error when it is gone before it has said what to serve */
export async function runWorker(): Promise<void> {
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
  const waiting = heard('state')
  void say(process, { kind: 'ready' })
  const { state, clock, tls } = (await waiting) as Extract<FromOld, { kind: 'state' }>
  const core = newCore({ now: sameClock(clock), timeouts: TIMEOUTS })
  restore(core, stateSchema.parse(state))
  const server = dataServer(core, TIMEOUTS, tls ?? null)
  const drain = new Drain(core, server, trackSockets(server, core))
  const front: Serving = { core, peers: () => [], past: noTotals }
  const follower = new Follower(front, process, (deadlineMs, idleMs) => drain.within(deadlineMs, { idleMs }))
  follower.start()
  process.once('disconnect', () => drain.within(longestDrainMs(core) + IDLE_MS, { idleMs: IDLE_MS }))
  const listening = heard('listen', (handle) => server.listen(handle, BACKLOG))
  void say(process, { kind: 'prepared', controlSocket: '' })
  await listening
  acceptForEver(server)
  const sweeping = sweep(core)
  await drain.done
  clearInterval(sweeping)
  core.upstreams.closeAll()
  await follower.finish()
  if (process.connected) process.disconnect?.()
}
