import type { Finding } from '../effects/ports/host.ts'
import { phaseMeaning, phaseOf } from '../engine/admission.ts'
import { type Context, readState } from './context.ts'

/** Everything that could be wrong, looked at one by one; never throws. */
export async function doctor(context: Context): Promise<readonly Finding[]> {
  const [machine, journal, drift] = await Promise.all([
    context.host.examine(),
    journalFindings(context),
    driftFindings(context),
  ])
  return [{ level: 'ok', what: `${context.config.file} is valid` }, ...machine, ...journal, ...drift]
}

async function journalFindings(context: Context): Promise<Finding[]> {
  try {
    const { state } = await readState(context)
    const records = await context.journal.read()
    const phase = phaseOf(state)
    const found: Finding[] = [{ level: 'ok', what: `journal: ${records.length} records, ${phaseMeaning[phase]}` }]
    const needsPerson = state.release?.wait?.needsPerson ? state.release.wait : null
    if (needsPerson)
      found.push({ level: 'warning', what: `waits for a person: ${needsPerson.blocker}`, next: needsPerson.next })
    return found
  } catch (error) {
    return [{ level: 'failure', what: (error as Error).message, next: 'restore the journal file from a copy' }]
  }
}

/** What runs is compared with what the journal says should. */
async function driftFindings(context: Context): Promise<Finding[]> {
  const snapshot = await context.platform.observer.snapshot()
  if (!snapshot.complete)
    return [{ level: 'failure', what: `no answer from ${snapshot.missing.join(', ')}`, next: 'moodify up' }]
  const { state } = await readState(context).catch(() => ({ state: null }))
  return Object.entries(state?.services ?? {}).flatMap(([service, { stable }]): Finding[] => {
    if (!stable) return []
    const slot = snapshot.services[service]?.slots[stable.slot]
    const ready =
      slot?.replicas.filter((replica) => replica.ready && replica.revision === stable.revision.id).length ?? 0
    if (ready >= stable.replicas)
      return [{ level: 'ok', what: `${service} ${stable.revision.version}: ${ready} ready in ${stable.slot}` }]
    return [
      {
        level: ready === 0 ? 'failure' : 'warning',
        what: `${service} ${stable.revision.version}: ${ready} of ${stable.replicas} ready in ${stable.slot}`,
        next: `moodify logs --slot ${stable.slot}`,
      },
    ]
  })
}
