// The journal as a stream, for logs and programs.
import type { JournalRecord, RecordBody } from '../../engine/record.ts'
import type { Plan, Step } from '../../plan/plan.ts'
import { stepInWords } from '../../plan/words.ts'
import { decisionInWords } from '../projections/timeline.ts'
import { oneLine } from './layout.ts'

/**
 * `2026-01-06T10:00:05Z  going back: backend: 6 of 20 requests failed …`
 *
 * @param timeZone IANA name; with it the time is local, with its offset. UTC when left out: logs of several
 *                 machines are read side by side
 */
export function eventLine(record: JournalRecord, { timeZone }: { timeZone?: string } = {}): string {
  const at = Temporal.Instant.from(record.at).toString({ smallestUnit: 'second', timeZone })
  return `${at}  ${oneLine(decisionInWords(record) ?? record.reason)}`
}

/** An event as programs read it. Field names are permanent; new ones may be added. */
export interface EventDocument {
  readonly seq: number
  /** ISO 8601 in UTC. */
  readonly at: string
  readonly environment: string
  readonly release: string | null
  readonly kind: RecordBody['kind']
  readonly reason: string
  readonly actor: string
  /** The line for people; null where the event says nothing of its own. */
  readonly text: string | null
  /** What the kind adds, such as the verdict with its evidence. */
  readonly data: Readonly<Record<string, unknown>>
}

/** One compact JSON document without a line break. */
export function eventJson(record: JournalRecord): string {
  const { seq, at, environment, release, reason, actor, body } = record
  const document: EventDocument = {
    seq,
    at,
    environment,
    release,
    kind: body.kind,
    reason,
    actor: actor.name,
    text: decisionInWords(record),
    data: dataOf(body),
  }
  return JSON.stringify(document)
}

/** Plans and steps are named, not written out: they are long, and environment variables have no place in a log. */
function dataOf(body: RecordBody): Record<string, unknown> {
  switch (body.kind) {
    case 'releaseStarted':
      return { release: body.release, plan: planData(body.plan) }
    case 'queued':
      return { plan: planData(body.plan) }
    case 'stepStarted':
      return { step: stepData(body.step), effect: body.effect?.kind ?? null, attempt: body.attempt }
    case 'stepFinished':
      return { step: stepData(body.step), verdict: body.verdict, passedBy: body.passedBy }
    case 'turnedBack':
      return { cause: body.cause, steps: body.steps.map(stepData) }
    case 'rolesChanged': {
      const { service, stable, previous } = body
      return { service, stable: placementData(stable), previous: placementData(previous) }
    }
    default: {
      const { kind: _kind, ...data } = body
      return data
    }
  }
}

function planData({ version, strategy, members, steps }: Plan): Record<string, unknown> {
  return {
    version,
    strategy,
    members: members.map(({ service, from, to }) => ({
      service,
      from: placementData(from),
      to: placementData(to),
    })),
    steps: steps.map(stepData),
  }
}

function stepData(step: Step): Record<string, unknown> {
  return { id: step.id, kind: step.kind, service: 'service' in step ? step.service : null, says: stepInWords(step) }
}

function placementData(placement: Plan['members'][number]['from']): Record<string, unknown> | null {
  if (placement === null) return null
  const { slot, revision, replicas } = placement
  return { slot, version: revision.version, revision: revision.id, replicas }
}
