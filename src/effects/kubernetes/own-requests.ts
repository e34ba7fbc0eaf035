// Our own requests to a pod are no users': what a pod counts while we ask it is taken off from what it has counted.
//
// Which requests a program counts is its own affair, so nothing is assumed about ours: its counters are read before and
// after them. A user's request that comes in between goes with them, which loses one and invents none.
import { addCounts, type Counts, noCounts } from '../../domain/counts.ts'
import type { ServiceName } from '../../domain/names.ts'

export interface OwnRequests {
  /** Sends to pods; what they count meanwhile is set aside. One sender at a time. */
  aside<T>(service: ServiceName, pods: readonly string[], send: () => Promise<T>): Promise<T>
  /** What a pod has counted but for our own; `asked` while we ask it, null where it shows nothing. */
  users(service: ServiceName, pod: string): Promise<UsersCounts | 'asked' | null>
}

export interface UsersCounts {
  readonly counts: Counts
  /** How often it was not known what to take off, so that counting began anew. */
  readonly lost: number
}

interface Known {
  own: Counts
  lost: number
  /** Changes when we begin to ask and when we are done. */
  turn: number
  isAsked: boolean
}

/** @param read  all that a pod has counted; null where it shows nothing */
export function ownRequests(read: (service: ServiceName, pod: string) => Promise<Counts | null>): OwnRequests {
  const pods = new Map<string, Known>()
  let last: Promise<unknown> = Promise.resolve()

  function knownOf(pod: string): Known {
    const known = pods.get(pod) ?? { own: noCounts, lost: 0, turn: 0, isAsked: false }
    pods.set(pod, known)
    return known
  }

  async function around<T>(service: ServiceName, names: readonly string[], send: () => Promise<T>): Promise<T> {
    const readAll = () => Promise.all(names.map((pod) => read(service, pod).catch(() => null)))
    const all = names.map(knownOf)
    const turnTo = (isAsked: boolean) => {
      for (const known of all) Object.assign(known, { isAsked, turn: known.turn + 1 })
    }
    turnTo(true)
    const before = await readAll()
    try {
      return await send()
    } finally {
      const after = await readAll()
      for (const [index, known] of all.entries()) {
        const grown = difference(after[index] ?? null, before[index] ?? null)
        if (grown) known.own = addCounts(known.own, grown)
        else known.lost++
      }
      turnTo(false)
    }
  }

  return {
    aside(service, names, send) {
      const sent = last.then(() => around(service, names, send))
      last = sent.catch(() => {})
      return sent
    },
    async users(service, pod) {
      const known = knownOf(pod)
      const { turn } = known
      if (known.isAsked) return 'asked'
      const counts = await read(service, pod)
      if (turn !== known.turn) return 'asked'
      if (!counts) return null
      const users = difference(counts, known.own)
      // The program was started anew: what was set aside is gone with it.
      if (!users) known.own = noCounts
      return { counts: users ?? counts, lost: known.lost }
    },
  }
}

/** Null when something is not known, or counters went back. */
function difference(after: Counts | null, before: Counts | null): Counts | null {
  if (!after || !before) return null
  const grown = {
    requests: after.requests - before.requests,
    failures: after.failures - before.failures,
    latency: after.latency.map((count, bucket) => count - before.latency[bucket]!),
  }
  return [grown.requests, grown.failures, ...grown.latency].every((count) => count >= 0) ? grown : null
}
