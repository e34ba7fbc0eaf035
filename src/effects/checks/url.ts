// Smoke tests of any address, whoever serves it.
import type { SmokeRequest, SmokeResult } from '../ports/platform.ts'
import { problemsOf } from '../ports/smoke.ts'

const SMOKE_MS = 10_000

/** @param base  `https://host/prefix`; the paths of the tests are put behind it */
export async function smokeUrl(base: string, tests: readonly SmokeRequest[]): Promise<SmokeResult[]> {
  const results: SmokeResult[] = []
  for (const test of tests) results.push(await ask(base.replace(/\/+$/, ''), test))
  return results
}

async function ask(base: string, { name, method, path, headers, body, expect }: SmokeRequest): Promise<SmokeResult> {
  const started = performance.now()
  try {
    const signal = AbortSignal.timeout(SMOKE_MS)
    const answer = await fetch(`${base}${path}`, { method, headers, body, signal, redirect: 'manual' })
    const text = await answer.text()
    const tookMs = performance.now() - started
    const problems = problemsOf({ status: answer.status, body: text, tookMs }, expect)
    const saw = [`${answer.status} in ${Math.round(tookMs)} ms`, ...problems].join(', ')
    return { name, passed: problems.length === 0, saw }
  } catch (error) {
    const { cause, message } = error as Error
    return { name, passed: false, saw: cause instanceof Error ? cause.message : message }
  }
}
