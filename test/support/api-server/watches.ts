// Changes after a version, as they come. An object that begins or ceases to match a selector looks added or deleted.
import type { Refusal } from './answers.ts'
import { apiVersionOf } from './kinds.ts'
import type { Change, Objects, Stored } from './objects.ts'
import { matcherOf, type Target } from './requests.ts'

export interface Event {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: unknown
}

export interface Watch {
  readonly close: () => void
  /** Says how far it has come, where that was asked for. */
  readonly bookmark: () => void
}

/**
 * @param emit  gets those that have happened already before this returns
 * @throws Refusal 410 when the version is too old
 */
export function openWatch(
  objects: Objects,
  target: Target,
  query: URLSearchParams,
  emit: (event: Event) => void,
): Watch {
  const { kind, namespace } = target
  const matches = matcherOf(query)
  const from = query.get('resourceVersion')
  const show = (change: Change) => {
    if (change.kind !== kind || (namespace !== undefined && change.object.metadata.namespace !== namespace)) return
    const event = eventOf(change, matches)
    if (event) emit(event)
  }
  if (from && from !== '0') for (const change of objects.since(Number(from))) show(change)
  else for (const object of objects.list(kind, namespace).filter(matches)) emit({ type: 'ADDED', object })
  const close = objects.onChange(show)
  return {
    close,
    bookmark() {
      if (query.get('allowWatchBookmarks') !== 'true') return
      const metadata = { resourceVersion: String(objects.version()), creationTimestamp: null }
      emit({ type: 'BOOKMARK', object: { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata } })
    },
  }
}

function eventOf({ type, object, before }: Change, matches: (object: Stored) => boolean): Event | null {
  const isNow = type !== 'DELETED' && matches(object)
  const was = before !== null && matches(before)
  if (isNow) return { type: was ? 'MODIFIED' : 'ADDED', object }
  return was ? { type: 'DELETED', object } : null
}

export const errorEvent = (refusal: Refusal): Event => ({ type: 'ERROR', object: refusal.status })
