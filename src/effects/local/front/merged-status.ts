// One status of two fronts that serve at the same time: the one that has taken over and the one before it, which
// still answers what is on its kept connections.
import type { FrontReplica, FrontStatus } from '../protocol.ts'

type Services = FrontStatus['services']
type ServiceStatus = Services[string]
type SlotStatus = ServiceStatus['slots'][string]

/**
 * Something is out of rotation only when both say so, and for no longer than either says; in flight is what both
 * have. As long as the earlier front has not confirmed the newest change, nothing is known to be out of rotation.
 */
export function mergedStatus(own: Services, earlier: Services, isUpToDate: boolean): Services {
  return union(own, earlier, (mine, before) => mergedService(mine, before, isUpToDate))
}

function mergedService(
  own: ServiceStatus | undefined,
  earlier: ServiceStatus | undefined,
  isUpToDate: boolean,
): ServiceStatus {
  const { generation, shares } = own ?? earlier!
  const slots = union(own?.slots ?? {}, earlier?.slots ?? {}, (mine, before) => mergedSlot(mine, before, isUpToDate))
  return {
    generation: isUpToDate ? generation : Math.min(generation, earlier?.generation ?? generation),
    shares,
    slots,
  }
}

function mergedSlot(own: SlotStatus | undefined, earlier: SlotStatus | undefined, isUpToDate: boolean): SlotStatus {
  const replicas = union(byId(own), byId(earlier), (mine, before) => mergedReplica(mine, before, isUpToDate))
  return {
    inFlight: (own?.inFlight ?? 0) + (earlier?.inFlight ?? 0),
    outOfRotationMs: isUpToDate ? shorter(own?.outOfRotationMs, earlier?.outOfRotationMs) : null,
    endpoints: own?.endpoints ?? 0,
    replicas: Object.values(replicas),
  }
}

function mergedReplica(
  own: FrontReplica | undefined,
  earlier: FrontReplica | undefined,
  isUpToDate: boolean,
): FrontReplica {
  return {
    ...(own ?? earlier!),
    inFlight: (own?.inFlight ?? 0) + (earlier?.inFlight ?? 0),
    outOfRotationMs: isUpToDate ? shorter(own?.outOfRotationMs, earlier?.outOfRotationMs) : null,
  }
}

/** Null is not out of rotation at all; undefined is not known there, and so no reason to wait. */
function shorter(own: number | null | undefined, earlier: number | null | undefined): number | null {
  if (own === null || earlier === null) return null
  return Math.min(own ?? Number.POSITIVE_INFINITY, earlier ?? Number.POSITIVE_INFINITY)
}

function byId(slot: SlotStatus | undefined): Record<string, FrontReplica> {
  return Object.fromEntries((slot?.replicas ?? []).map((replica) => [replica.replica, replica]))
}

function union<T, U>(
  own: Readonly<Record<string, T>>,
  earlier: Readonly<Record<string, T>>,
  merge: (own: T | undefined, earlier: T | undefined) => U,
): Record<string, U> {
  const names = new Set([...Object.keys(own), ...Object.keys(earlier)])
  return Object.fromEntries([...names].map((name) => [name, merge(own[name], earlier[name])]))
}
