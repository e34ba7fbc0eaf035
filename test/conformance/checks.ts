// What every platform's smoke tests do.
import { describe, expect, test } from 'vitest'
import type { SmokeRequest } from '../../src/effects/ports/platform.ts'
import { BLUE, going, type PlatformSubject, running, runs } from './platform-subject.ts'
import type { MakeSubject } from './subject.ts'

function request(name: string): SmokeRequest {
  const expectation = { status: 200, body: null, latencyMs: null }
  return { name, method: 'GET', path: '/', headers: {}, body: null, expect: expectation }
}

export function describeChecks(name: string, makeSubject: MakeSubject<PlatformSubject>): void {
  describe(`checks, ${name}`, () => {
    const smoke = ({ platform, service }: PlatformSubject, signal: AbortSignal, ...names: string[]) =>
      platform.checks.smoke({ service, slot: BLUE!, tests: names.map(request) }, signal)

    test('each test has its result, in their order, and says what was seen', async () => {
      await using subject = await makeSubject()
      await running(subject)
      const results = await smoke(subject, going, 'home', 'again')
      expect(results.map((result) => [result.name, result.passed])).toEqual([
        ['home', true],
        ['again', true],
      ])
      for (const { saw } of results) expect(saw).toContain('200')
      expect(await smoke(subject, going)).toEqual([])
    })

    test('a slot is asked before it has any share of the traffic', async () => {
      await using subject = await makeSubject()
      await running(subject)
      await subject.platform.traffic.setShares({ service: subject.service, shares: { green: 100 }, generation: 1 }, 1)
      expect(await smoke(subject, going, 'home')).toMatchObject([{ passed: true }])
    })

    test('a wrong answer fails, as a result and not as an error', async () => {
      await using subject = await makeSubject()
      const { workloads } = subject.platform
      const revision = await subject.revision('v1', 'smokeFails')
      await workloads.prepare(revision, going)
      await workloads.applyRevision({ service: subject.service, slot: BLUE!, revision, replicas: 1 }, 1)
      await runs(subject, BLUE!, revision, 1)
      const [result] = await smoke(subject, going, 'home')
      expect(result).toMatchObject({ name: 'home', passed: false })
      expect(result!.saw).toContain('500')
      expect(result!.saw).toContain('expected 200')
    })

    test('where no replica is ready every test fails', async () => {
      await using subject = await makeSubject()
      expect(await smoke(subject, going, 'home', 'again')).toMatchObject([{ passed: false }, { passed: false }])
    })

    test('an abort ends them and its reason comes back', async () => {
      await using subject = await makeSubject()
      await running(subject, { replicas: 1 })
      const aborted = smoke(subject, AbortSignal.abort(new Error('taken back')), 'home')
      await expect(aborted).rejects.toThrow('taken back')
    })
  })
}
