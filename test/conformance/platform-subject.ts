// What the suites of the platform's ports need of a platform that is being tested.
import type { Revision } from '../../src/domain/revision.ts'
import { emptySlot, isReady, type ServiceFacts, type SlotFacts } from '../../src/domain/snapshot.ts'
import type { Platform } from '../../src/effects/ports/platform.ts'

export const behaviours = ['good', 'crashes', 'neverReady', 'buildFails', 'smokeFails'] as const
export type Behaviour = (typeof behaviours)[number]

/** A platform with one service, of which nothing runs yet. */
export interface PlatformSubject extends AsyncDisposable {
  readonly platform: Platform
  readonly service: string
  /** False where versions come built, such as images. */
  readonly builds?: boolean
  /** Another version every time it is called with another name. */
  revision(version: string, behaviour?: Behaviour): Promise<Revision>
  /** Lets time pass until something is seen, and fails when it never is. */
  until<T>(what: string, look: () => Promise<T | null | false>): Promise<T>
  /** Some requests of users, answered. */
  serveUsers(): Promise<void>
  /** From now on a part of the platform does not answer. */
  blind(): Promise<void>
}

export const going = new AbortController().signal
export const [BLUE, GREEN] = ['blue', 'green']

export async function factsOf({ platform, service }: PlatformSubject): Promise<ServiceFacts> {
  const { services } = await platform.observer.snapshot()
  return services[service] ?? { slots: {}, route: { generation: 0, shares: {}, slots: {} } }
}

export async function slotOf(subject: PlatformSubject, slot: string): Promise<SlotFacts> {
  return (await factsOf(subject)).slots[slot] ?? emptySlot
}

/** Waits until a slot runs exactly so many ready replicas of a revision and nothing else. */
export function runs(subject: PlatformSubject, slot: string, revision: Revision, replicas: number): Promise<SlotFacts> {
  return subject.until(`${slot} runs ${replicas} of ${revision.version}`, async () => {
    const facts = await slotOf(subject, slot)
    const right = facts.replicas.every((replica) => isReady(replica) && replica.revision === revision.id)
    return right && facts.replicas.length === replicas && facts.desiredRevision === revision.id && facts
  })
}

/** A version that is prepared and runs in a slot. */
export async function running(
  subject: PlatformSubject,
  { version = 'v1', slot = BLUE!, replicas = 2, epoch = 1 } = {},
): Promise<Revision> {
  const { workloads } = subject.platform
  const revision = await subject.revision(version)
  await workloads.prepare(revision, going)
  await workloads.applyRevision({ service: subject.service, slot, revision, replicas }, epoch)
  await runs(subject, slot, revision, replicas)
  return revision
}

/** Waits until the data plane follows at least this generation. */
export function follows(subject: PlatformSubject, generation: number): Promise<ServiceFacts> {
  return subject.until(`generation ${generation} is followed`, async () => {
    const facts = await factsOf(subject)
    return facts.route.generation >= generation && facts
  })
}

export const ids = (slot: SlotFacts): string[] => slot.replicas.map(({ id }) => id).sort()
