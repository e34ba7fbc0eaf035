// Steps that start, check and end replicas.
import { drainRule } from '../../domain/drain.ts'
import type { SlotName } from '../../domain/names.ts'
import type { Revision } from '../../domain/revision.ts'
import { readyReplicas, type ServiceFacts } from '../../domain/snapshot.ts'
import type { SmokeRequest, SmokeResult } from '../../effects/ports/platform.ts'
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
  shareOf,
  takeWriter,
  type Writer,
  waitFor,
} from './ground.ts'

const READY_MS = 600_000

export interface ApplyOptions {
  readonly service: string
  readonly version: string
  /** Default: the slot that is not live. */
  readonly slot?: SlotName
  /** Default: one for a canary, else as many as the live slot has ready. */
  readonly replicas?: number
}

/** Puts a version into a slot that gets no traffic, and waits until all of it is ready. */
export async function applyStep(context: Context, options: ApplyOptions, say: Say): Promise<{ slot: SlotName }> {
  const ground = await groundOf(context, options.service, say)
  const facts = await look(ground)
  const active = activeSlot(ground, facts)
  const slot = checkSlot(ground, options.slot ?? idleSlot(ground, active))
  refuseWithTraffic(ground, facts, slot, 'to be replaced')
  const revision = await revisionOf(context, options)
  const usual =
    slot === ground.layout.visitor ? 1 : Math.max(readyReplicas(facts.slots[active ?? '']), configured(ground))
  const replicas = options.replicas ?? usual
  const writer = await takeWriter(ground)
  await context.platform.workloads.prepare(revision, new AbortController().signal)
  await put(writer, slot, revision, replicas)
  return { slot }
}

/** Puts a revision into a slot and waits until it is all ready. */
export async function put(writer: Writer, slot: SlotName, revision: Revision, replicas: number): Promise<void> {
  const { context, service, epoch, say } = writer
  say(`${replicas} × ${revision.version} start in ${slot}`)
  await context.platform.workloads.applyRevision({ service, slot, revision, replicas }, epoch)
  await waitFor(writer, READY_MS, async () => {
    const facts = (await look(writer)).slots[slot]
    const trouble = facts?.trouble ?? facts?.replicas.find((replica) => replica.trouble)?.trouble
    if (trouble?.isFinal) throw new OperatingError('PLATFORM_FAILED', `${slot} will not get ready: ${trouble.reason}`)
    const ready = readyReplicas(facts, revision.id)
    if (ready >= replicas) return null
    return `${ready} of ${replicas} ready in ${slot}${trouble ? `: ${trouble.reason}` : ''}`
  })
  say(`${replicas} × ${revision.version} are ready in ${slot}`)
}

export interface Verified {
  /** Where the tests were sent: a slot, or a URL. */
  readonly slot?: SlotName
  readonly url?: string
  readonly results: readonly SmokeResult[]
}

/** Sends the smoke tests to one slot, or to every slot that has ready replicas, the live one first. */
export async function verifyStep(
  context: Context,
  { service, slot }: { readonly service: string; readonly slot?: SlotName },
  say: Say,
): Promise<Verified[]> {
  const ground = await groundOf(context, service, say)
  const facts = await look(ground)
  const active = activeSlot(ground, facts)
  const running = Object.keys(facts.slots).filter((each) => readyReplicas(facts.slots[each]) > 0)
  const wanted = slot === 'live' ? active : slot
  const slots = wanted
    ? [checkSlot(ground, wanted)]
    : running.toSorted((a, b) => Number(b === active) - Number(a === active))
  if (slots.length === 0) throw new OperatingError('REFUSED', `No slot of ${service} has a ready replica.`)
  const verified: Verified[] = []
  for (const each of slots) verified.push({ slot: each, results: await smoke(ground, each) })
  return verified
}

/** Sends the smoke tests to any address; no platform is asked. */
export async function verifyUrl(
  { config, smokeUrl }: Context,
  { service, url }: { readonly service: string; readonly url: string },
): Promise<Verified[]> {
  return [{ url, results: await smokeUrl(url, testsOf(config, service)) }]
}

export function smoke({ context, service }: Ground, slot: SlotName): Promise<readonly SmokeResult[]> {
  const tests = testsOf(context.config, service)
  return context.platform.checks.smoke({ service, slot, tests }, new AbortController().signal)
}

function testsOf({ services }: Context['config'], service: string): readonly SmokeRequest[] {
  return services.find(({ name }) => name === service)?.smoke ?? []
}

/** Ends what runs in a slot, once nothing can be on its way there any more. */
export async function scaleDownStep(
  context: Context,
  { service, slot: named }: { readonly service: string; readonly slot: SlotName },
  say: Say,
): Promise<void> {
  const ground = await groundOf(context, service, say)
  const slot = checkSlot(ground, named)
  const before = await look(ground)
  refuseWithTraffic(ground, before, slot, 'to be ended')
  if (slot === activeSlot(ground, before)) {
    throw new OperatingError('REFUSED', `${slot} is live: ending it would be an outage. Nothing was changed.`)
  }
  const writer = await takeWriter(ground)
  const drainMs = context.config.services.find(({ name }) => name === service)?.drainMs ?? 0
  await waitFor(ground, drainMs + READY_MS, async () => {
    const facts = await look(ground)
    refuseWithTraffic(ground, facts, slot, 'to be ended')
    const traffic = facts.route.slots[slot]
    if (!traffic) return null
    const { mayEnd, reason } = drainRule(traffic, drainMs)
    return mayEnd ? null : `${slot}: ${reason}`
  })
  await context.platform.workloads.retire({ service, slot }, writer.epoch)
  await waitFor(ground, READY_MS, async () => {
    const left = (await look(ground)).slots[slot]?.replicas.length ?? 0
    return left === 0 ? null : `${left} in ${slot} are ending`
  })
}

function refuseWithTraffic({ service }: Ground, facts: ServiceFacts, slot: SlotName, what: string): void {
  const percent = shareOf(facts, slot)
  if (percent === 0) return
  throw new OperatingError(
    'REFUSED',
    `${slot} of ${service} gets ${percent} % of the traffic and is not ${what} under it. Nothing was changed.`,
    'moodify step weight 0, or moodify step switch',
  )
}

export async function revisionOf(
  context: Context,
  { service, version }: { readonly service: string; readonly version: string },
): Promise<Revision> {
  const revision = (await context.versions.revisions(context.config, version))[service]
  if (revision) return revision
  throw new OperatingError('UNKNOWN_VERSION', `${version} has no ${service}.`)
}

function configured({ context, service }: Ground): number {
  return context.config.services.find(({ name }) => name === service)?.replicas ?? 1
}
