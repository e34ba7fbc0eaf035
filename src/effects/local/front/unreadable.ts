// What becomes of a connection on which something came that is no request, or nothing for too long.
import type { Socket } from 'node:net'
import { answerError, type Core, type PlatformErrorName } from './core.ts'
import { unfinished } from './turns.ts'
import { refuse } from './web-socket.ts'

const names: Readonly<Record<string, PlatformErrorName>> = {
  HPE_HEADER_OVERFLOW: 'head-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'too-slow',
}

/**
 * The listener for `clientError`. Requests before the unreadable one keep their answers: an error in their place
 * would be taken for the answer to the first of them.
 */
export function refuseUnreadable(core: Core, error: NodeJS.ErrnoException, client: Socket): void {
  const name = names[error.code ?? ''] ?? 'bad-request'
  const before = unfinished(client)
  if (!client.writable || error.code === 'ECONNRESET') client.destroy()
  else if (!before) refuse(core, client, name)
  else if (before.req.complete) before.once('close', () => refuse(core, client, name))
  else if (before.headersSent) client.destroy()
  else answerError(core, before, name)
}
