// Tells a webhook. At least once: a repeat carries the same Idempotency-Key, by which the receiver knows it.
//
// The address of a webhook often is the secret that protects it, so it appears nowhere: messages name the origin
// only, and errors of the network are reduced to their code.
import { OperatingError } from '../../errors/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import type { Notification, Notifier } from '../ports/messages.ts'

/** Pauses before the second, third … attempt; there are no more attempts than that. */
const PAUSES_MS = [500, 2_000, 5_000] as const
/** A receiver cannot make us wait longer than this. */
const LONGEST_PAUSE_MS = 30_000
const TIMEOUT_MS = 5_000

export interface WebhookOptions {
  readonly url: string
  readonly clock: Clock
  /** Of one attempt; 5 s when not given. */
  readonly timeoutMs?: number
}

type Attempt =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly saw: string }
  | { readonly kind: 'again'; readonly saw: string; readonly retryAfterMs: number | null }

/**
 * POSTs `{idempotencyKey, event, text, data}` as JSON. Repeats after network errors, 5xx and 429, and then obeys
 * Retry-After; any other answer than 2xx is final.
 *
 * @throws OperatingError NOTIFY_FAILED when the address is none, or the receiver did not accept the message
 */
export function webhookNotifier({ url, clock, timeoutMs = TIMEOUT_MS }: WebhookOptions): Notifier {
  const target = targetOf(url)
  return {
    async notify(message, signal) {
      for (let attempts = 1; ; attempts++) {
        signal.throwIfAborted()
        const result = await post(target, message, { signal, timeoutMs, clock })
        if (result.kind === 'accepted') return
        const pauseMs = PAUSES_MS[attempts - 1]
        if (result.kind === 'refused' || pauseMs === undefined) throw notAccepted(target, result.saw, attempts)
        await clock.sleep(Math.min(LONGEST_PAUSE_MS, result.retryAfterMs ?? pauseMs), signal)
      }
    },
  }
}

interface Target {
  readonly address: URL
  readonly headers: Readonly<Record<string, string>>
}

function targetOf(url: string): Target {
  const address = URL.parse(url)
  if (!address || !/^https?:$/.test(address.protocol)) {
    throw new OperatingError('NOTIFY_FAILED', 'the webhook is no http or https address', 'correct notify.webhook')
  }
  // fetch refuses addresses with credentials, and its message shows them.
  const { username, password } = address
  address.username = ''
  address.password = ''
  if (username === '' && password === '') return { address, headers: {} }
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { address, headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } }
}

interface PostOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly clock: Clock
}

async function post(target: Target, message: Notification, options: PostOptions): Promise<Attempt> {
  const { signal, timeoutMs, clock } = options
  const { idempotencyKey, event, text, data } = message
  try {
    const response = await fetch(target.address, {
      method: 'POST',
      redirect: 'manual',
      headers: { ...target.headers, 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
      body: JSON.stringify({ idempotencyKey, event, text, data }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    await response.body?.cancel()
    if (response.ok) return { kind: 'accepted' }
    const saw = `it answered ${response.status}`
    if (response.status !== 429 && response.status < 500) return { kind: 'refused', saw }
    return { kind: 'again', saw, retryAfterMs: retryAfterMs(response.headers.get('retry-after'), clock) }
  } catch (error) {
    signal.throwIfAborted()
    return { kind: 'again', saw: networkErrorInWords(error, timeoutMs), retryAfterMs: null }
  }
}

/** The header holds seconds or a date. */
function retryAfterMs(header: string | null, clock: Clock): number | null {
  if (header === null) return null
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.parse(clock.wall())
  return Number.isNaN(ms) ? null : Math.max(0, ms)
}

function networkErrorInWords(error: unknown, timeoutMs: number): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return `no answer within ${timeoutMs / 1000} s`
  const cause = error instanceof Error ? (error.cause as { code?: unknown } | undefined) : undefined
  return typeof cause?.code === 'string' ? `the connection failed (${cause.code})` : 'the connection failed'
}

function notAccepted({ address }: Target, saw: string, attempts: number): OperatingError {
  const times = attempts === 1 ? 'once' : `${attempts} times`
  return new OperatingError(
    'NOTIFY_FAILED',
    `the webhook at ${address.origin} did not accept the message: ${saw} (tried ${times})`,
    'check notify.webhook in moodify.yaml and whether its receiver works',
  )
}
