import type { SmokeRequest } from './platform.ts'

/** What of an answer is not as a test expects it, in words; empty when it passes. */
export function problemsOf(
  answer: { readonly status: number; readonly body: string; readonly tookMs: number },
  { status, body, latencyMs }: SmokeRequest['expect'],
): string[] {
  return [
    ...(answer.status === status ? [] : [`expected ${status}`]),
    ...(body === null || answer.body.includes(body) ? [] : [`expected ${JSON.stringify(body)} in the body`]),
    ...(latencyMs === null || answer.tookMs <= latencyMs ? [] : [`expected at most ${latencyMs} ms`]),
  ]
}
