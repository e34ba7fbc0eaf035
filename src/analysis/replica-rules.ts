// What the candidate's replicas say, with or without traffic.
import type { ReplicaFacts, SlotFacts } from '../domain/snapshot.ts'
import type { Evidence, Verdict } from '../domain/verdict.ts'
import type { Question } from './judge.ts'
import { countInWords, percentInWords } from './words.ts'

export function crashLoop(question: Question, slot: SlotFacts): Verdict | null {
  const replicas = replicasOf(question, slot)
  const looping = replicas.filter((replica) => replica.crashLooping)
  if (!question.triggers.crashLoop || looping.length === 0) return null
  const restarts = Math.max(...looping.map((replica) => replica.restarts))
  return {
    kind: 'unhealthy',
    rule: 'crash-loop',
    weakerEvidence: question.control === null,
    reason: `${looping.length} of ${countInWords(replicas.length, 'replica')} in a crash loop (${countInWords(restarts, 'restart')})${troubleOf(looping)}`,
    evidence: replicaEvidence(looping.length, replicas.length, 0),
  }
}

export function failingHealth(question: Question, slot: SlotFacts): Verdict | null {
  const { failingHealthPercent } = question.triggers
  const replicas = replicasOf(question, slot)
  const failing = replicas.filter((replica) => replica.failingHealth).length
  if (failing * 100 <= failingHealthPercent * replicas.length) return null
  const share = percentInWords(failing, replicas.length)
  return {
    kind: 'unhealthy',
    rule: 'failing-health',
    weakerEvidence: question.control === null,
    reason: `${failing} of ${countInWords(replicas.length, 'replica')} with failing health checks (${share}, limit ${failingHealthPercent} %)${troubleOf(replicas.filter((replica) => replica.failingHealth))}`,
    evidence: replicaEvidence(failing, replicas.length, failingHealthPercent / 100),
  }
}

/** What one of them says of itself. */
function troubleOf(replicas: readonly ReplicaFacts[]): string {
  const trouble = replicas.find((replica) => replica.trouble)?.trouble
  return trouble ? `: ${trouble.reason}` : ''
}

/** Replicas that are ended on purpose say nothing about the candidate. */
function replicasOf({ candidate }: Question, slot: SlotFacts): readonly ReplicaFacts[] {
  return slot.replicas.filter((replica) => replica.revision === candidate.revision && !replica.ending)
}

function replicaEvidence(bad: number, units: number, limit: number): Evidence {
  return { units, bad, share: bad / units, limit, windowMs: 0 }
}
