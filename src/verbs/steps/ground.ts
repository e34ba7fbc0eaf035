// What the single steps stand on. A step is a release's own act, typed by a person: it keeps to the same rules, writes
// with an epoch of its own, and is refused while a release runs.
import { capacityRule } from '../../domain/capacity.ts'
import type { ServiceName, Shares, SlotLayout, SlotName } from '../../domain/names.ts'
import type { ServiceFacts, Snapshot } from '../../domain/snapshot.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import { VERSION } from '../../version.ts'
import { type Context, readState, whatThePlatformCan } from '../context.ts'

const LOOK_MS = 250
/** A data plane that has not followed by then is looked into by a person. */
const FOLLOW_MS = 60_000

/** Says what a step does while it does it. */
export type Say = (line: string) => void

export interface Ground {
  readonly context: Context
  readonly service: ServiceName
  readonly layout: SlotLayout
  readonly say: Say
}

export interface Writer extends Ground {
  readonly epoch: number
}

/** @throws OperatingError UNKNOWN_SLOT when moodify.yaml has no such service */
export async function groundOf(context: Context, service: ServiceName, say: Say): Promise<Ground> {
  if (!context.config.services.some(({ name }) => name === service)) {
    const known = context.config.services.map(({ name }) => name).join(', ')
    throw new OperatingError('UNKNOWN_SLOT', `moodify.yaml has no service ${service}; it has ${known}`)
  }
  const { slots, layouts } = await whatThePlatformCan(context)
  return { context, service, layout: layouts?.[service] ?? { slots, visitor: null }, say }
}

/**
 * From here on writes of a runner that was there before are refused.
 *
 * @throws OperatingError REFUSED while a release runs
 */
export async function takeWriter(ground: Ground): Promise<Writer> {
  const { context } = ground
  const { release } = (await readState(context)).state
  // One that has its outcome only keeps the version before warm, and gives way.
  if (release && release.outcome === null) {
    throw new OperatingError(
      'REFUSED',
      `Release ${release.id} runs in ${context.environment.name} and makes these steps itself; nothing was changed.`,
      `moodify status -e ${context.environment.name}, or moodify abort`,
    )
  }
  const { journal, platform, actor } = context
  const epoch = await journal.takeEpoch({ name: `a step of ${actor.name}`, moodify: VERSION })
  await platform.workloads.takeEpoch(epoch)
  await platform.traffic.takeEpoch(epoch)
  return { ...ground, epoch }
}

/** @throws OperatingError PLATFORM_FAILED when a part of the platform does not answer */
export async function look({ context, service }: Ground): Promise<ServiceFacts> {
  const snapshot = await wholeSnapshot(context)
  const facts = snapshot.services[service]
  if (facts) return facts
  throw new OperatingError('PLATFORM_FAILED', `Nothing is known of ${service}.`, 'moodify doctor')
}

async function wholeSnapshot({ platform, clock }: Context): Promise<Snapshot> {
  const deadlineMs = clock.monotonicMs() + FOLLOW_MS
  for (;;) {
    const snapshot = await platform.observer.snapshot()
    if (snapshot.complete) return snapshot
    if (clock.monotonicMs() > deadlineMs)
      throw new OperatingError('PLATFORM_FAILED', `Cannot see: ${snapshot.missing.join('; ')}.`, 'moodify doctor')
    await clock.sleep(LOOK_MS)
  }
}

/**
 * The slot that is meant to stay and has the most of the traffic, or the one that would get it when a canary has all;
 * null before the first release.
 */
export function activeSlot({ layout }: Ground, { route }: ServiceFacts): SlotName | null {
  const serving = Object.entries(route.shares).filter(([slot, share]) => layout.slots.includes(slot) && share > 0)
  return serving.toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? route.selected ?? null
}

/** The slot that a new version goes to. */
export function idleSlot({ layout }: Ground, active: SlotName | null): SlotName {
  const free = layout.slots.filter((slot) => slot !== active)
  return free[0] ?? layout.visitor ?? layout.slots[0]!
}

export function checkSlot({ layout, service }: Ground, slot: SlotName): SlotName {
  const known = [...layout.slots, ...(layout.visitor ? [layout.visitor] : [])]
  if (known.includes(slot)) return slot
  throw new OperatingError('UNKNOWN_SLOT', `${service} has no slot ${slot}; it has ${known.join(', ')}`)
}

export function shareOf({ route }: ServiceFacts, slot: SlotName): number {
  return route.shares[slot] ?? 0
}

/**
 * Shares the traffic out and waits until the data plane is known to follow.
 *
 * @throws OperatingError REFUSED when what would get it has not the ready capacity, PLATFORM_FAILED when it does not follow
 */
export async function share(writer: Writer, shares: Shares): Promise<Shares> {
  const { context, service, epoch } = writer
  const facts = await look(writer)
  const capacity = capacityRule(facts, shares)
  if (!capacity.allowed) {
    throw new OperatingError(
      'REFUSED',
      `Not enough is ready for that: ${capacity.reason}. No request moved.`,
      `moodify status -e ${context.environment.name}`,
    )
  }
  const generation = Math.max(facts.route.generation, facts.route.behind?.generation ?? 0) + 1
  const effective = await context.platform.traffic.setShares({ service, shares, generation }, epoch)
  await waitFor(writer, FOLLOW_MS, async () => {
    const { route } = await look(writer)
    return route.generation >= generation
      ? null
      : (route.behind?.reason ?? 'the data plane still has the shares before')
  })
  return effective
}

/**
 * Looks again and again until nothing is missing any more.
 *
 * @param missing  what is still waited for, in words, or null
 * @throws OperatingError PLATFORM_FAILED with what was missing at the end
 */
export async function waitFor(
  { context: { clock }, say }: Ground,
  deadlineMs: number,
  missing: () => Promise<string | null>,
): Promise<void> {
  const endMs = clock.monotonicMs() + deadlineMs
  let said = ''
  for (;;) {
    const reason = await missing()
    if (reason === null) return
    if (clock.monotonicMs() > endMs) {
      const seconds = Math.round(deadlineMs / 1000)
      throw new OperatingError('PLATFORM_FAILED', `After ${seconds} s: ${reason}.`, 'moodify doctor')
    }
    if (reason !== said) say(`  ${reason}`)
    said = reason
    await clock.sleep(LOOK_MS)
  }
}
