// The data planes of test/cluster/planes, for tests that run inside the cluster's network.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const here = join(import.meta.dirname, '../planes')
const state = process.env['PLANES_STATE'] ?? join(tmpdir(), 'moodify-planes')

export const ISTIO_PORT = 8080
export const GATEWAY_API_PORT = 8081
export const ENVOY_ADMIN = 'http://127.0.0.1:15000'
export const ISTIOD_URL = 'http://127.0.0.1:15014'
/** The image that holds the application: `image --add $PLANES_BIN/echo=/echo localhost/echo:1 -- /echo`. */
export const ECHO_IMAGE = 'localhost/echo:1'

/** Builds what is missing, minutes the first time, and starts what does not run. */
export async function planesUp(): Promise<void> {
  await run(join(here, 'up'))
  const binaries = process.env['PLANES_BIN'] ?? join(homedir(), '.cache/moodify-planes/bin')
  const imageTool = process.env['MOODIFY_TEST_IMAGE_TOOL'] ?? join(here, '../image')
  await run(imageTool, ['--add', `${binaries}/echo=/echo`, ECHO_IMAGE, '--', '/echo'])
}

/** Ends istiod at once, as a crash does. The gateways go on with what they know. */
export async function killIstiod(): Promise<void> {
  const [pid] = (await readFile(join(state, 'istiod.pid'), 'utf8')).split(' ')
  process.kill(Number(pid), 'SIGKILL')
}

/** Whether pods can be reached: gateways on this loopback can only work from inside the cluster's network. */
export async function isInsideCluster(): Promise<boolean> {
  const host = process.env['MOODIFY_TEST_SERVICE_ADDRESS'] ?? '10.79.0.1'
  return new Promise((resolve) => {
    const socket = connect({ host, port: 443, timeout: 2000 })
    const end = (reached: boolean) => {
      socket.destroy()
      resolve(reached)
    }
    socket.on('connect', () => end(true))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
  })
}
