// What is written on every object that shares traffic out: who wrote last (epoch), which change it was (generation),
// and what was asked for (shares). A patch tests the epoch that was read, so a runner that was taken over writes nothing.
import type { Shares } from '../../../domain/names.ts'
import type { KubernetesObject, PatchOperation } from '../api.ts'

export const EPOCH = 'moodify.dev/epoch'
export const GENERATION = 'moodify.dev/generation'
export const SHARES = 'moodify.dev/shares'

export interface Stamp {
  readonly epoch: number
  readonly generation: number
  /** Null when nothing was ever asked, or by somebody whose words are not understood. */
  readonly shares: Shares | null
}

export function stampOf({ metadata }: KubernetesObject): Stamp {
  const { annotations = {} } = metadata
  return {
    epoch: numberIn(annotations[EPOCH]),
    generation: numberIn(annotations[GENERATION]),
    shares: sharesIn(annotations[SHARES]),
  }
}

/** Tests that nobody has written since the object was read, then says who writes what. */
export function stampOperations(
  object: KubernetesObject,
  change: Partial<Stamp> & { epoch: number },
): PatchOperation[] {
  const { annotations, resourceVersion } = object.metadata
  const known = annotations?.[EPOCH]
  // What is absent cannot be tested for: the version of the whole object stands in on the first write.
  const test: PatchOperation =
    known === undefined
      ? { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion }
      : { op: 'test', path: annotationPath(EPOCH), value: known }
  const values = [
    [EPOCH, String(change.epoch)],
    ...(change.generation === undefined ? [] : [[GENERATION, String(change.generation)]]),
    ...(change.shares ? [[SHARES, JSON.stringify(change.shares)]] : []),
  ] as [string, string][]
  return [test, ...annotationOperations(object, Object.fromEntries(values))]
}

export function annotationOperations(
  { metadata }: KubernetesObject,
  values: Readonly<Record<string, string>>,
): PatchOperation[] {
  const { annotations } = metadata
  if (!annotations) return [{ op: 'add', path: '/metadata/annotations', value: values }]
  return Object.entries(values)
    .filter(([name, value]) => annotations[name] !== value)
    .map(([name, value]) => {
      const op = annotations[name] === undefined ? 'add' : 'replace'
      return { op, path: annotationPath(name), value } as const
    })
}

export function annotationPath(name: string): string {
  return `/metadata/annotations/${escapePointer(name)}`
}

/** A key as one part of a JSON Pointer (RFC 6901). */
export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

function numberIn(text: string | undefined): number {
  const value = Number(text ?? 0)
  return Number.isSafeInteger(value) && value >= 0 ? value : 0
}

function sharesIn(text: string | undefined): Shares | null {
  try {
    const value = JSON.parse(text ?? 'null')
    const isShares = value !== null && typeof value === 'object' && Object.values(value).every(Number.isFinite)
    return isShares ? value : null
  } catch {
    return null
  }
}
