// What the world consists of, and its history.
import type { Cell } from '../../../src/domain/counts.ts'
import type { Shares } from '../../../src/domain/names.ts'
import type { Revision } from '../../../src/domain/revision.ts'
import type { Behaviour } from '../scenario.ts'
import type { Simulation } from '../simulation.ts'

export interface WorldReplica {
  readonly id: string
  readonly revision: Revision
  phase: 'starting' | 'ready' | 'hung' | 'unready' | 'crashed' | 'ending'
  startedMs: number
  readySinceMs: number | null
  restarts: number
  failingHealth: boolean
  /** It has failed its health checks at some time. */
  hadTrouble: boolean
}

export interface WorldSlot {
  readonly name: string
  desired: Revision | null
  desiredReplicas: number
  roll: { readonly revision: Revision; readonly minReadyMs: number } | null
  replicas: WorldReplica[]
  /** Null while it gets traffic. */
  outSinceMs: number | null
  /** When the last request that was assigned to it is answered. */
  lastAnswerMs: number
}

export interface WorldService {
  readonly name: string
  readonly slots: Map<string, WorldSlot>
  shares: Shares
  generation: number
  asked: { readonly shares: Shares; readonly generation: number } | null
  readonly history: Moment[]
  /** Bad and all requests by revision in each whole second. */
  readonly served: Map<string, { requests: number; bad: number }>[]
  cells: Cell[]
  readonly owed: Map<string, number>
}

/** What was ready and what was routed from this time on. */
export interface Moment {
  readonly atMs: number
  readonly shares: Shares
  readonly generation: number
  readonly ready: Readonly<Record<string, number>>
  readonly desired: Readonly<Record<string, number>>
  /** Ready replicas by `slot/revision`. */
  readonly revisions: Readonly<Record<string, number>>
  /** Replicas of any kind by slot. */
  readonly present: Readonly<Record<string, number>>
}

export type Model = ReturnType<typeof createModel>

export function createModel(simulation: Simulation) {
  const services = new Map<string, WorldService>()
  const firstReadyMs = new Map<string, number>()
  const now = () => simulation.scheduler.nowMs()

  function behaviourOf(revision: Revision): Behaviour & { readonly badNow: boolean } {
    const behaviour = simulation.behaviourOf(revision.service, revision.version)
    const since = firstReadyMs.get(revision.id)
    const badNow =
      behaviour.kind !== 'good' &&
      (behaviour.afterMs === 0 || (since !== undefined && now() >= since + behaviour.afterMs))
    return { ...behaviour, badNow }
  }

  function serviceOf(name: string): WorldService {
    const known = services.get(name)
    if (known) return known
    const made: WorldService = {
      name,
      slots: new Map(),
      shares: {},
      generation: 0,
      asked: null,
      history: [],
      served: [],
      cells: [],
      owed: new Map(),
    }
    services.set(name, made)
    return made
  }

  function slotOf(service: WorldService, name: string): WorldSlot {
    const known = service.slots.get(name)
    if (known) return known
    const made: WorldSlot = {
      name,
      desired: null,
      desiredReplicas: 0,
      roll: null,
      replicas: [],
      outSinceMs: now(),
      lastAnswerMs: 0,
    }
    service.slots.set(name, made)
    return made
  }

  function changed(service: WorldService) {
    const ready: Record<string, number> = {}
    const desired: Record<string, number> = {}
    const present: Record<string, number> = {}
    const revisions: Record<string, number> = {}
    for (const slot of service.slots.values()) {
      present[slot.name] = slot.replicas.length
      desired[slot.name] = slot.desiredReplicas
      ready[slot.name] = slot.replicas.filter(isReady).length
      for (const replica of slot.replicas) {
        if (!isReady(replica)) continue
        const key = `${slot.name}/${replica.revision.id}`
        revisions[key] = (revisions[key] ?? 0) + 1
      }
    }
    const { shares, generation, history } = service
    history.push({ atMs: now(), shares, generation, ready, desired, revisions, present })
  }

  return { services, firstReadyMs, now, behaviourOf, serviceOf, slotOf, changed }
}

export function isReady({ phase }: WorldReplica): boolean {
  return phase === 'ready' || phase === 'hung'
}

/** Whether something was so at any moment from `fromMs` to now. */
export function everSince(
  service: WorldService | undefined,
  fromMs: number,
  isSo: (moment: Moment) => boolean,
): boolean {
  const history = service?.history ?? []
  for (let index = history.length - 1; index >= 0; index--) {
    if (isSo(history[index]!)) return true
    if (history[index]!.atMs <= fromMs) return false
  }
  return false
}

export function sameShares(a: Shares, b: Shares): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((slot) => (a[slot] ?? 0) === (b[slot] ?? 0))
}

export function inWords(shares: Shares): string {
  return Object.entries(shares)
    .map(([slot, share]) => `${share} % ${slot}`)
    .join(', ')
}
