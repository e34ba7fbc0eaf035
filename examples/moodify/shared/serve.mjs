// Listening and, more important, stopping: no request that reached us is left without its answer.
//
// http.Server.close() also closes kept connections that look idle, while a request may already be on its way on
// one of them: the client sees a reset. So only the listener is closed; every answer from then on says
// `Connection: close`; and an idle connection ends at the keep-alive timeout that its client was told.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'

const KEEP_ALIVE_MS = 5000

/**
 * @param {object} options
 * @param {import('node:http').RequestListener} options.handler
 * @param {() => Promise<unknown>} [options.prepare]  ready is said when this is done
 * @param {() => void} [options.onStop]               ends streams that would never end by themselves
 * @param {number} options.defaultPort                when PORT is not set
 */
export async function serve({ handler, health, log, defaultPort, prepare = async () => {}, onStop = () => {} }) {
  const port = Number(process.env.PORT ?? defaultPort)
  const host = process.env.HOST ?? '127.0.0.1'
  const server = http.createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, handler)
  server.listen({ port, host })
  await once(server, 'listening')
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => stop(server, { signal, health, log, onStop }))
  }
  await prepare()
  health.becomeReady()
  log.info('listening', { host, port: server.address().port, pid: process.pid })
}

function stop(server, { signal, health, log, onStop }) {
  log.info('stopping', { signal })
  health.becomeStopping()
  net.Server.prototype.close.call(server, () => {
    log.info('stopped')
    process.exit(0)
  })
  onStop()
  // Connections on which nothing was ever sent have no keep-alive timeout; by now all others of the idle are gone.
  setTimeout(() => server.closeIdleConnections(), KEEP_ALIVE_MS + 1000).unref()
  const longestSeconds = Number(process.env.SHUTDOWN_SECONDS ?? 20)
  setTimeout(() => {
    log.error('stopped with requests still in flight', { after_s: longestSeconds })
    process.exit(1)
  }, longestSeconds * 1000).unref()
}
