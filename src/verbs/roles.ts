// What a plan starts from: the roles of the journal, corrected by what really serves.
import type { ServiceName } from '../domain/names.ts'
import type { Revision } from '../domain/revision.ts'
import { type EnvironmentState, emptyService, rolesAfterEnding } from '../engine/state.ts'
import type { CurrentRoles } from '../plan/planner.ts'
import type { Context } from './context.ts'

export interface RolesNow {
  readonly current: Readonly<Record<ServiceName, CurrentRoles>>
  /** What others have changed, and what is not known from the journal, for people. */
  readonly notes: readonly string[]
  /** What could serve again without being built or found anew, by service. */
  readonly others: Readonly<Record<ServiceName, Revision>>
}

/** Where the platform can say what runs, that is the truth; during a release the journal is. */
export async function rolesNow({ platform }: Context, state: EnvironmentState): Promise<RolesNow> {
  const known = rolesAfterEnding(state)
  const found = state.release ? null : await platform.found?.()
  if (!found) return { current: known, notes: [], others: {} }
  const current: Record<ServiceName, CurrentRoles> = { ...known }
  const others: Record<ServiceName, Revision> = {}
  const notes: string[] = []
  for (const [service, { live, others: waiting, isScaled, changes }] of Object.entries(found)) {
    const { stable } = known[service] ?? emptyService
    if (waiting[0]) others[service] = waiting[0].revision
    if (!live) continue
    const serving = isScaled ? { serving: live.replicas } : {}
    if (stable?.slot === live.slot && stable.revision.id === live.revision.id) {
      current[service] = { stable, ...serving }
      for (const change of changes) {
        notes.push(`${service} in ${live.slot} was changed by ${change}; the release does not carry that over`)
      }
      continue
    }
    current[service] = { stable: live, isAdopted: true, ...serving }
    const what = `${service}: ${live.revision.version} serves in ${live.slot}`
    notes.push(
      stable
        ? `${what}, and not ${stable.revision.version} in ${stable.slot} as the journal says: it was changed by hand, and the release starts from what serves`
        : `${what} and was not shipped by this journal; the release starts from it`,
    )
  }
  return { current, notes, others }
}
