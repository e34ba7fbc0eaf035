// Records in words: one line each for logs, the live view and `explain`. A record that would only repeat what
// its neighbour says has no line.
import type { JournalRecord } from '../../engine/record.ts'
import { stepInWords } from '../../plan/words.ts'

/** One line for people, or null when the record says nothing of its own. */
export function decisionInWords(record: JournalRecord): string | null {
  const { body, reason, actor } = record
  switch (body.kind) {
    case 'epochTaken':
      return `a runner took over: ${body.runner} (epoch ${record.epoch})`
    case 'commanded':
      return body.accepted
        ? `${actor.name} typed ${body.command.verb}: ${reason}`
        : `${actor.name} typed ${body.command.verb}, refused: ${reason}`
    case 'releaseStarted':
      return `release ${body.release}: ${body.plan.version} by ${body.plan.strategy}`
    case 'stepStarted':
      if (body.step.kind === 'flip' || body.step.kind === 'mark') return null
      return body.attempt > 1
        ? `again (attempt ${body.attempt}): ${stepInWords(body.step)}: ${reason}`
        : stepInWords(body.step)
    case 'effectSucceeded':
      return body.id.step.endsWith('.check') ? `smoke tests passed: ${reason}` : null
    case 'effectFailed':
      return `failed: ${reason}${body.retryInMs === null ? '' : ', will be tried again'}`
    case 'stepFinished':
      return finishedInWords(body, reason)
    case 'waiting':
      return body.wait?.needsPerson ? `waits for a person: ${body.wait.blocker}; next: ${body.wait.next}` : null
    case 'warned':
      return `warning: ${reason}`
    case 'turnedBack':
      return `going back: ${reason}`
    case 'keepCut':
      return `the keep time ends early: ${reason}`
    case 'rolesChanged':
      return reason
    case 'paused':
    case 'continued':
    case 'resolved':
    case 'queued':
    case 'locked':
    case 'unlocked':
      return reason
    case 'outcomeReached':
      return body.outcome === 'released' ? 'released' : `${body.outcome}: ${reason}`
    case 'violated':
      return `invariant violated: ${body.predicate}; nothing was done`
    case 'releaseEnded':
      return `the release has ended: ${body.outcome}`
  }
}

function finishedInWords(
  body: Extract<JournalRecord['body'], { kind: 'stepFinished' }>,
  reason: string,
): string | null {
  const { step, passedBy } = body
  if (passedBy !== 'facts') return reason
  return reason === 'done' || step.kind === 'keep' ? null : reason
}
