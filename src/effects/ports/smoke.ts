import type { SmokeRequest, SmokeResult } from './platform.ts'

interface Answer {
  readonly status: number
  readonly body: string
  readonly tookMs: number
}

/** What an answer says of the version: its status and time, and what is not as the test expects it. */
export function smokeResult({ name, expect }: SmokeRequest, answer: Answer): SmokeResult {
  const problems = problemsOf(answer, expect)
  const saw = [`${answer.status} in ${Math.round(answer.tookMs)} ms`, ...problems].join(', ')
  return { name, passed: problems.length === 0, saw }
}

function problemsOf(answer: Answer, { status, body, latencyMs }: SmokeRequest['expect']): string[] {
  return [
    ...(answer.status === status ? [] : [`expected ${status}`]),
    ...(body === null || answer.body.includes(body) ? [] : [`expected ${JSON.stringify(body)} in the body`]),
    ...(latencyMs === null || answer.tookMs <= latencyMs ? [] : [`expected at most ${latencyMs} ms`]),
  ]
}
