// What a namespace holds, kept fresh by watches: lists once, follows, resumes where a watch ended, and lists again when
// that place is too old. Nothing is asked before the first look.
import type { Clock } from '../ports/clock.ts'
import { type Api, ApiError, type KubernetesObject, type ListOptions, type Resource, type WatchEvent } from './api.ts'

export interface WatchedKind {
  readonly resource: Resource
  readonly options?: ListOptions
}

export interface ObjectCache<Name extends string> {
  /** Resolves when every kind was listed, or cannot be; then `missing` says which. */
  synced(): Promise<void>
  items(name: Name): readonly KubernetesObject[]
  find(name: Name, objectName: string): KubernetesObject | null
  /** What a write has answered: so that who wrote sees it. */
  put(name: Name, object: KubernetesObject): void
  /** What cannot be seen now, in words; empty when all can. Of some kinds, or of all. */
  missing(of?: readonly Name[]): readonly string[]
  /** Age of what is known in milliseconds: 0 while all watches are alive. */
  ageMs(): number
  close(): void
}

/** Bookmarks come once a minute: a watch that is silent for longer is dead. */
const SILENT_MS = 90_000
const PAUSES_MS = [100, 250, 500, 1000, 2000, 5000]
/** The first look may take this long; then what is not there is missing. */
const FIRST_LOOK_MS = 10_000

export function watchedObjects<Name extends string>(
  api: Api,
  clock: Clock,
  kinds: Readonly<Record<Name, WatchedKind>>,
): ObjectCache<Name> {
  const stop = new AbortController()
  const names = Object.keys(kinds) as Name[]
  let followed: Record<Name, Followed> | null = null

  const start = (): Record<Name, Followed> => {
    followed ??= Object.fromEntries(
      names.map((name) => [name, follow(api, clock, kinds[name], stop.signal)]),
    ) as unknown as Record<Name, Followed>
    return followed
  }
  const all = () => Object.values(start()) as Followed[]

  return {
    async synced() {
      const unseen = all().filter(({ isLookedAt }) => !isLookedAt)
      if (unseen.length === 0) return
      const over = new AbortController()
      const late = clock.sleep(FIRST_LOOK_MS, AbortSignal.any([stop.signal, over.signal]))
      await Promise.race([Promise.all(unseen.map(({ firstLook }) => firstLook)), late])
      over.abort()
    },
    items: (name) => [...start()[name].objects.values()],
    find: (name, objectName) => start()[name].objects.get(objectName) ?? null,
    put: (name, object) => keep(start()[name].objects, object),
    missing: (of = names) =>
      of.flatMap((name) => {
        const { lost } = start()[name]
        return lost ? [`the API server (${name}): ${lost.reason}`] : []
      }),
    ageMs: () => Math.max(0, ...all().map(({ lost }) => (lost ? clock.monotonicMs() - lost.sinceMs : 0))),
    close: () => stop.abort(),
  }
}

interface Followed {
  readonly objects: Map<string, KubernetesObject>
  readonly firstLook: Promise<void>
  /** It was listed, or could not be. */
  isLookedAt: boolean
  /** Set while nothing is known to be up to date. */
  lost: { readonly sinceMs: number; readonly reason: string } | null
}

function follow(api: Api, clock: Clock, { resource, options = {} }: WatchedKind, signal: AbortSignal): Followed {
  const { promise, resolve: resolveFirst } = Promise.withResolvers<void>()
  const looked = () => {
    state.isLookedAt = true
    resolveFirst()
  }
  const state: Followed = {
    objects: new Map(),
    firstLook: promise,
    isLookedAt: false,
    lost: { sinceMs: clock.monotonicMs(), reason: 'not looked at yet' },
  }

  async function list(): Promise<string> {
    const { items, resourceVersion } = await api.list(resource, options)
    state.objects.clear()
    for (const item of items) state.objects.set(item.metadata.name, item)
    return resourceVersion
  }

  async function run(): Promise<void> {
    let from: string | null = null
    for (let failures = 0; !signal.aborted; ) {
      try {
        from ??= await list()
        state.lost = null
        failures = 0
        looked()
        for await (const event of watchAlive(api, resource, from, options, signal)) {
          from = event.object.metadata.resourceVersion ?? from
          take(state.objects, event)
        }
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof ApiError && error.status === 410) {
          from = null
          continue
        }
        state.lost ??= { sinceMs: clock.monotonicMs(), reason: (error as Error).message }
        looked()
        await clock.sleep(PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)]!, signal)
      }
    }
  }

  run().catch((error: Error) => {
    state.lost = { sinceMs: clock.monotonicMs(), reason: error.message }
    looked()
  })
  return state
}

async function* watchAlive(
  api: Api,
  resource: Resource,
  from: string,
  options: ListOptions,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  const silence = new AbortController()
  const arm = () => setTimeout(() => silence.abort(), SILENT_MS).unref()
  let timer = arm()
  try {
    for await (const event of api.watch(resource, from, options, AbortSignal.any([signal, silence.signal]))) {
      clearTimeout(timer)
      timer = arm()
      yield event
    }
  } finally {
    clearTimeout(timer)
  }
}

function take(objects: Map<string, KubernetesObject>, { type, object }: WatchEvent): void {
  if (type === 'DELETED') objects.delete(object.metadata.name)
  else if (type !== 'BOOKMARK') keep(objects, object)
}

/** An older state never replaces a newer one: a write's answer may be here before its event. */
function keep(objects: Map<string, KubernetesObject>, object: KubernetesObject): void {
  const known = objects.get(object.metadata.name)
  if (known && versionOf(known) > versionOf(object)) return
  objects.set(object.metadata.name, object)
}

function versionOf({ metadata }: KubernetesObject): number {
  return Number(metadata.resourceVersion ?? 0)
}
