// Steps that move traffic. None sends requests to what is not ready for them.
import type { Shares, SlotName } from '../../domain/names.ts'
import { readyReplicas } from '../../domain/snapshot.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Context } from '../context.ts'
import {
  activeSlot,
  checkSlot,
  type Ground,
  groundOf,
  idleSlot,
  look,
  type Say,
  share,
  shareOf,
  takeWriter,
  waitFor,
} from './ground.ts'
import { put, revisionOf, smoke } from './workloads.ts'

const ROLLED_MS = 600_000

/** The slot that users get, such as `blue`; null before the first release. */
export async function activeSlotOf(context: Context, service: string): Promise<SlotName | null> {
  const ground = await groundOf(context, service, () => {})
  return activeSlot(ground, await look(ground))
}

/** All traffic to the slot that is not live, or to the one that is named. */
export async function switchStep(
  context: Context,
  { service, slot }: { readonly service: string; readonly slot?: SlotName },
  say: Say,
): Promise<Shares> {
  const ground = await groundOf(context, service, say)
  const active = activeSlot(ground, await look(ground))
  const target = checkSlot(ground, slot ?? idleSlot(ground, active))
  return share(await takeWriter(ground), { [target]: 100 })
}

/** @param percent  of the traffic for the canary, or for the idle slot where there is no canary */
export async function weightStep(
  context: Context,
  { service, percent }: { readonly service: string; readonly percent: number },
  say: Say,
): Promise<Shares> {
  const ground = await groundOf(context, service, say)
  const active = liveSlot(ground, activeSlot(ground, await look(ground)))
  const target = ground.layout.visitor ?? idleSlot(ground, active)
  const shares = { [active]: 100 - percent, [target]: percent }
  const wanted = Object.fromEntries(Object.entries(shares).filter(([, each]) => each > 0))
  return share(await takeWriter(ground), wanted)
}

/**
 * Makes what the canary runs the version that stays: the same revision in the slot that is not live, checked there, then
 * all of the traffic. The slot that was live keeps running, so that going back is one change of traffic. A service with
 * one slot is rolled in place.
 */
export async function promoteStep(
  context: Context,
  options: { readonly service: string; readonly version: string },
  say: Say,
): Promise<{ slot: SlotName }> {
  const ground = await groundOf(context, options.service, say)
  const { visitor, slots } = ground.layout
  const facts = await look(ground)
  const revision = await revisionOf(context, options)
  if (visitor === null || readyReplicas(facts.slots[visitor], revision.id) === 0) {
    throw new OperatingError(
      'REFUSED',
      `The canary does not run this very ${options.version}, so it was not tried. Nothing was changed.`,
      `moodify step apply -v ${options.version} --slot canary`,
    )
  }
  const active = liveSlot(ground, activeSlot(ground, facts))
  const replicas = Math.max(readyReplicas(facts.slots[active]), 1)
  const writer = await takeWriter(ground)
  const slot = slots.length > 1 ? idleSlot(ground, active) : active
  if (slot === active) {
    const minReadyMs = context.environment.settings.rolling.minReadyMs
    const { service } = ground
    await context.platform.workloads.rollInPlace({ service, slot, revision, minReadyMs, replicas }, writer.epoch)
    await waitFor(ground, ROLLED_MS, async () => {
      const now = (await look(ground)).slots[slot]
      const ready = readyReplicas(now, revision.id)
      return ready >= replicas && now?.replicas.length === ready ? null : `${ready} of ${replicas} rolled in ${slot}`
    })
  } else {
    if (shareOf(facts, slot) > 0) throw new OperatingError('REFUSED', `${slot} gets traffic. Nothing was changed.`)
    await put(writer, slot, revision, replicas)
  }
  const failed = (await smoke(ground, slot)).filter(({ passed }) => !passed)
  if (failed.length > 0) {
    const what = failed.map(({ name, saw }) => `${name}: ${saw}`).join('; ')
    throw new OperatingError('CHECK_FAILED', `${slot} fails its smoke tests: ${what}. No traffic was moved.`)
  }
  await share(writer, { [slot]: 100 })
  return { slot }
}

function liveSlot({ service }: Ground, active: SlotName | null): SlotName {
  if (active !== null) return active
  throw new OperatingError('REFUSED', `No slot of ${service} is live yet.`, 'moodify step switch')
}
