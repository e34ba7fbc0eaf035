// A share of the traffic as a share of the pods behind one Service. Pure.
import type { Shares, SlotName } from '../../../domain/names.ts'

export interface ReplicaShare {
  /** Replicas of the candidate that come nearest to the share; at least one. */
  readonly replicas: number
  readonly effectivePercent: number
  /** `1 of 4 pods = 25 %, not 10 %` */
  readonly inWords: string
}

/** @param sharePercent  above 0 and below 100: at the ends the other slot gets nothing, however many replicas it has */
export function replicaShare(stableReplicas: number, sharePercent: number): ReplicaShare {
  const wanted = (stableReplicas * sharePercent) / (100 - sharePercent)
  const shareOf = (replicas: number) => (100 * replicas) / (stableReplicas + replicas)
  const below = Math.max(1, Math.floor(wanted))
  const isNearer = Math.abs(shareOf(below + 1) - sharePercent) < Math.abs(shareOf(below) - sharePercent)
  const replicas = isNearer ? below + 1 : below
  const effectivePercent = rounded(shareOf(replicas))
  return { replicas, effectivePercent, inWords: shareInWords(replicas, stableReplicas + replicas, sharePercent) }
}

export function shareInWords(replicas: number, all: number, askedPercent: number): string {
  const effective = rounded((100 * replicas) / all)
  const isExact = Math.abs(effective - askedPercent) < 0.5
  return `${replicas} of ${all} pods = ${effective} %${isExact ? '' : `, not ${askedPercent} %`}`
}

/** What each slot gets when every pod gets the same; nothing when there is no pod. */
export function sharesByPods(pods: Readonly<Record<SlotName, number>>): Shares {
  const all = Object.values(pods).reduce((sum, count) => sum + count, 0)
  const carrying = Object.entries(pods).filter(([, count]) => count > 0)
  return Object.fromEntries(carrying.map(([slot, count]) => [slot, rounded((100 * count) / all)]))
}

function rounded(percent: number): number {
  return Math.round(percent * 10) / 10
}
