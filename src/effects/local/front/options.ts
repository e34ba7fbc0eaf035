import type { FrontSettings } from '../protocol.ts'

/** What a front is started with, in a form that is only compared; what is left out is one process and plain HTTP. */
export function optionsText({ processes = 1, tls = null }: Partial<FrontSettings>): string {
  return JSON.stringify({ processes, tls: tls && { cert: tls.cert, key: tls.key } })
}
