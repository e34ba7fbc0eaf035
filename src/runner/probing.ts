// Evidence for quiet systems: while nobody sends a candidate anything, real requests are sent to it, and counted
// apart from users'. They show that it answers; they show nothing about how it does under load.
import type { SlotName } from '../domain/names.ts'
import type { ProbeEvidence } from '../domain/verdict.ts'
import type { Checks, SmokeRequest } from '../effects/ports/platform.ts'
import type { Member, Plan } from '../plan/plan.ts'

const EVERY_MS = 2000

interface Probed {
  readonly key: string
  readonly evidence: ProbeEvidence
  readonly startedAtMs: number
  readonly running: boolean
}

export interface Probing {
  /** What the probes of this question have shown so far; starts the next one when it is time. Null without a prober. */
  evidence(key: string, plan: Plan, member: Member, slot: SlotName): ProbeEvidence | null
}

export function createProbing({ checks, nowMs }: { checks: Checks; nowMs: () => number }): Probing {
  const probed = new Map<string, Probed>()

  function start(key: string, plan: Plan, member: Member, slot: SlotName, evidence: ProbeEvidence): void {
    const { service } = member
    probed.set(service, { key, evidence, startedAtMs: nowMs(), running: true })
    const target = { service, slot, tests: testsOf(plan, member) }
    const results = checks.probe!(target, AbortSignal.timeout(10 * EVERY_MS))
    results
      .catch(() => [])
      .then((found) => {
        const now = probed.get(service)
        if (now?.key !== key) return
        const passed = found.filter((result) => result.passed).length
        const sum = { sent: evidence.sent + found.length, passed: evidence.passed + passed }
        probed.set(service, { ...now, evidence: sum, running: false })
      })
  }

  return {
    evidence(key, plan, member, slot) {
      if (!checks.probe) return null
      const known = probed.get(member.service)
      const current = known?.key === key ? known : null
      const evidence = current?.evidence ?? { sent: 0, passed: 0 }
      const isDue = current === null || (!current.running && nowMs() - current.startedAtMs >= EVERY_MS)
      if (isDue) start(key, plan, member, slot, evidence)
      return evidence
    },
  }
}

/** The service's smoke tests; where none are declared, its readiness probe. */
function testsOf(plan: Plan, { service, to }: Member): readonly SmokeRequest[] {
  const check = plan.steps.find((step) => step.kind === 'check' && step.service === service)
  if (check?.kind === 'check' && check.tests.length > 0) return check.tests
  const { path } = to.revision.workload.probes.ready
  const expect = { status: 200, body: null, latencyMs: null }
  return [{ name: `GET ${path}`, method: 'GET', path, headers: {}, body: null, expect }]
}
