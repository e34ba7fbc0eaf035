// One environment may be served by several processes: a front, its workers, and the front before it. This is what one of
// them knows of itself and of those that follow it.
import type { FrontStatus } from '../protocol.ts'
import type { Core } from './core.ts'
import { lastWholeSecond } from './counters.ts'
import { mergedStatus } from './merged-status.ts'
import type { Peer } from './peer.ts'
import type { SavedState } from './schemas.ts'
import { mergedTotals, ownTotals, type Totals } from './totals.ts'

export interface Serving {
  readonly core: Core
  /** Those that follow this one. */
  peers(): readonly Peer[]
  /** Counted by those that have ended. */
  past: Totals
}

/** What a restarted front has to know. */
export function stateOf({
  core,
  environment,
  epoch,
  listening,
}: Pick<Serving, 'core'> & { environment: string; epoch: number; listening: { port: number } }): SavedState {
  const services = [...core.rotation.services.values()].filter(({ route }) => route !== null)
  return {
    environment,
    epoch,
    port: listening.port,
    table: { services: services.map(({ route }) => route!) },
    services: services.map(({ name, generation, shares, slots }) => ({
      name,
      generation,
      shares,
      slots: Object.fromEntries([...slots.values()].map((slot) => [slot.name, slot.listed.map(endpointOf)])),
    })),
  }
}

/** The inverse of `stateOf`. */
export function restore({ rotation }: Core, state: SavedState): void {
  rotation.setTable(state.table)
  for (const { name, generation, shares, slots } of state.services) {
    const service = rotation.services.get(name)
    if (!service) continue
    for (const [slot, endpoints] of Object.entries(slots)) rotation.setEndpoints(service, slot, endpoints)
    rotation.setShares(service, shares, generation)
  }
}

function endpointOf({ id, revision, port }: { id: string; revision: string; port: number }) {
  return { replica: id, revision, port }
}

/** Of this process and of all that follow it. */
export function servicesStatus({ core, peers }: Serving): FrontStatus['services'] {
  // Whoever reads that a drain time is over may end the replica: what is left has to be cut before.
  core.rotation.cutOverdue()
  return peers().reduce(
    (merged, { report, isUpToDate }) => mergedStatus(merged, report.services, isUpToDate),
    core.rotation.status(),
  )
}

/** Last second of which all cells are known, here and in those that follow. */
export function lastCompleteSecond({ core, peers }: Serving): number {
  const theirs = peers().map(({ report }) => report.second ?? Number.POSITIVE_INFINITY)
  return Math.min(lastWholeSecond(core.now()), ...theirs)
}

export function totalsOf({ core, peers, past }: Serving): Totals {
  const theirs = peers().flatMap(({ report }) => report.totals ?? [])
  return mergedTotals([ownTotals(core), ...theirs, past], core.rotation)
}

/** Takes in what one that follows counts, and keeps it when it has gone. */
export function takeCountsOf(peer: Peer, front: Serving): void {
  peer.onReport = ({ cells }) => {
    for (const [service, counted] of Object.entries(cells))
      front.core.rotation.services.get(service)?.cells.add(counted)
  }
  void peer.gone.then(() => {
    const { streamsCut, totals } = peer.report
    front.core.events.streamsCut += streamsCut
    if (totals) front.past = mergedTotals([front.past, ended(totals)], front.core.rotation)
  })
}

/** What was in flight is no more, and what was cut is counted by the one that goes on. */
function ended({ replicas, events }: Totals): Totals {
  return {
    replicas: replicas.map((replica) => ({ ...replica, inFlight: 0 })),
    events: { ...events, connections: 0, streamsCut: 0 },
  }
}
