// What tells one kind of route object from another. Everything here is pure: an object in, operations out.
import type { KubernetesObject, PatchOperation } from '../api.ts'
import type { Target } from './guarded.ts'
import type { PlaneName, RoutedService } from './plane.ts'
import type { Weights } from './weights.ts'

export interface RouteKind {
  readonly name: PlaneName
  /** Header that pins a request to the canary, where the route of this kind has such a rule. */
  pinHeader(object: KubernetesObject, service: RoutedService): string | null
  /** Whether the route itself can mark its answers with the generation. */
  readonly marks: boolean
  /** Gateways count the requests of the canary under the name of the stable Service. */
  readonly countsUnderStable: boolean
  /** Null where the service names no such object. */
  target(service: RoutedService): Target | null
  /** Weights of the rule that shares; null where no rule does. */
  weights(object: KubernetesObject, service: RoutedService): Weights | null
  /** Tests of what was read, then the new weights and the marker: to be sent in one patch. */
  operations(
    object: KubernetesObject,
    service: RoutedService,
    change: { readonly weights: Weights; readonly generation: number },
  ): PatchOperation[]
  /** Hosts that users ask for. */
  hosts(object: KubernetesObject): readonly string[]
  /** What the controller says of the object: null when it has read it, else what is wrong; `unknown` without a status. */
  reported(object: KubernetesObject): string | null | 'unknown'
}

/** Weights whose old value is known are tested; then they are replaced where they change. */
export function weightOperations(path: string, before: number | undefined, after: number): PatchOperation[] {
  if (before === undefined) return [{ op: 'add', path, value: after }]
  const test: PatchOperation = { op: 'test', path, value: before }
  return before === after ? [test] : [test, { op: 'replace', path, value: after }]
}

/** Tests first: a patch is all or nothing either way, but reads better. */
export function testsFirst(operations: readonly PatchOperation[]): PatchOperation[] {
  const isTest = ({ op }: PatchOperation) => op === 'test'
  return [...operations.filter(isTest), ...operations.filter((operation) => !isTest(operation))]
}

/**
 * Adds what is missing on the way to a member of nested objects, then sets the member. Keys that hold `/` are escaped.
 *
 * @param base  path of an object that exists, and that object
 */
export function setMember(
  base: { readonly path: string; readonly value: object },
  keys: readonly string[],
  value: unknown,
): PatchOperation[] {
  let path = base.path
  let here: unknown = base.value
  for (const [index, key] of keys.entries()) {
    const inner = (here as Record<string, unknown>)[key]
    path = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const rest = keys.slice(index + 1)
    if (rest.length === 0) {
      return inner === value ? [] : [{ op: inner === undefined ? 'add' : 'replace', path, value }]
    }
    if (inner === undefined) return [{ op: 'add', path, value: nested(rest, value) }]
    here = inner
  }
  return []
}

function nested(keys: readonly string[], value: unknown): unknown {
  return keys.reduceRight((inner, key) => ({ [key]: inner }), value)
}
