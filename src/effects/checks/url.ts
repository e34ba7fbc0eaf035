// Smoke tests of any address, whoever serves it.
import type { SmokeRequest, SmokeResult } from '../ports/platform.ts'
import { smokeResult } from '../ports/smoke.ts'

const SMOKE_MS = 10_000

/** @param base  `https://host/prefix`; the paths of the tests are put behind it */
export async function smokeUrl(base: string, tests: readonly SmokeRequest[]): Promise<SmokeResult[]> {
  const results: SmokeResult[] = []
  for (const test of tests) results.push(await ask(base.replace(/\/+$/, ''), test))
  return results
}

async function ask(base: string, test: SmokeRequest): Promise<SmokeResult> {
  const { name, method, path, headers, body } = test
  const started = performance.now()
  try {
    const signal = AbortSignal.timeout(SMOKE_MS)
    const answer = await fetch(`${base}${path}`, { method, headers, body, signal, redirect: 'manual' })
    const text = await answer.text()
    return smokeResult(test, { status: answer.status, body: text, tookMs: performance.now() - started })
  } catch (error) {
    const { cause, message } = error as Error
    return { name, passed: false, saw: cause instanceof Error ? cause.message : message }
  }
}
