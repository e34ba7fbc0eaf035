// What has been seen of one data plane: which generation it is known to follow, and since when each slot is known to
// get nothing. All of it by this process's own clock: a new process starts to wait anew, which is only slower.
import type { ServiceName, Shares, SlotName } from '../../../domain/names.ts'
import type { Clock } from '../../ports/clock.ts'
import { sameShares } from './guarded.ts'

/** What the objects say now. */
export interface AskedRoute {
  readonly generation: number
  readonly shares: Shares
}

/** What speaks for it that the data plane follows, and for how long that must stay so before it counts. */
export interface Evidence {
  readonly holds: boolean
  readonly settleMs: number
  /** Slots without any ready pod: they get nothing, even with a share. */
  readonly empty?: readonly SlotName[]
}

export interface FollowedRoute extends AskedRoute {
  /** For how long the newest route has not been proven; null when it is. */
  readonly unprovenMs: number | null
  outOfRotationMs(slot: SlotName): number | null
}

/** @typeParam Route  what is remembered of a route; planes may add to it */
export interface RouteMemory<Route extends AskedRoute = AskedRoute> {
  isProven(service: ServiceName, asked: AskedRoute): boolean
  /** The last route that was proven, or null. */
  proven(service: ServiceName): Route | null
  /** The evidence held when it was last seen, and only its time has not passed yet. */
  isSettling(service: ServiceName, asked: AskedRoute): boolean
  /** Takes the newest evidence in. Until the first proof the route as asked for stands in, with generation 0. */
  see(service: ServiceName, asked: Route, slots: readonly SlotName[], evidence: Evidence): FollowedRoute
}

interface Seen<Route> {
  proven: Route | null
  pending: { readonly asked: Route; readonly sinceMs: number; holdsSinceMs: number | null } | null
  readonly outSinceMs: Map<SlotName, number>
  readonly emptySinceMs: Map<SlotName, number>
}

export function routeMemory<Route extends AskedRoute = AskedRoute>(clock: Clock): RouteMemory<Route> {
  const seen = new Map<ServiceName, Seen<Route>>()
  const seenOf = (service: ServiceName): Seen<Route> => {
    const known = seen.get(service) ?? { proven: null, pending: null, outSinceMs: new Map(), emptySinceMs: new Map() }
    seen.set(service, known)
    return known
  }
  // A route that was left, even for a moment, has to be proven again.
  const isProven = (service: ServiceName, asked: AskedRoute) => {
    const { proven, pending } = seenOf(service)
    return pending === null && isSame(proven, asked)
  }

  return {
    isProven,
    proven: (service) => seenOf(service).proven,
    isSettling(service, asked) {
      const { pending } = seenOf(service)
      return pending !== null && isSame(pending.asked, asked) && pending.holdsSinceMs !== null
    },

    see(service, asked, slots, evidence) {
      const state = seenOf(service)
      const now = clock.monotonicMs()
      for (const slot of slots) {
        if (!evidence.empty?.includes(slot)) state.emptySinceMs.delete(slot)
        else if (!state.emptySinceMs.has(slot)) state.emptySinceMs.set(slot, now)
      }
      if (!isProven(service, asked)) {
        // Until it is known to follow, it may send to the slots of both routes.
        for (const slot of slots) if ((asked.shares[slot] ?? 0) > 0) state.outSinceMs.delete(slot)
        if (hasSettled(state, asked, evidence, now)) {
          state.proven = asked
          state.pending = null
          for (const slot of slots) {
            if ((asked.shares[slot] ?? 0) === 0 && !state.outSinceMs.has(slot)) state.outSinceMs.set(slot, now)
          }
        }
      }
      return {
        generation: state.proven?.generation ?? 0,
        shares: state.proven?.shares ?? asked.shares,
        unprovenMs: state.pending && now - state.pending.sinceMs,
        outOfRotationMs(slot) {
          const since = state.outSinceMs.get(slot) ?? state.emptySinceMs.get(slot)
          return since === undefined ? null : now - since
        },
      }
    },
  }
}

function hasSettled<Route extends AskedRoute>(
  state: Seen<Route>,
  asked: Route,
  { holds, settleMs }: Evidence,
  now: number,
): boolean {
  if (!isSame(state.pending?.asked ?? null, asked)) state.pending = { asked, sinceMs: now, holdsSinceMs: null }
  const pending = state.pending!
  pending.holdsSinceMs = holds ? (pending.holdsSinceMs ?? now) : null
  return pending.holdsSinceMs !== null && now - pending.holdsSinceMs >= settleMs
}

function isSame(a: AskedRoute | null, b: AskedRoute): boolean {
  return a !== null && a.generation === b.generation && sameShares(a.shares, b.shares)
}
