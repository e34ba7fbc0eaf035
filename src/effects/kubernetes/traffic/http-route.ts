// Gateway API: weights of `backendRefs`, and the marker by a ResponseHeaderModifier filter of the same rule.
import type { KubernetesObject, PatchOperation } from '../api.ts'
import { HTTP_ROUTES, inNamespace, MARKER_HEADER, type RoutedService } from './plane.ts'
import { type RouteKind, testsFirst, weightOperations } from './route-kind.ts'
import { isSplit } from './weights.ts'

export const NOT_ACCEPTED = 'no gateway has accepted the route yet'
const MODIFIER = 'ResponseHeaderModifier'

interface Rule {
  readonly matches?: readonly { readonly headers?: readonly { readonly name: string; readonly value: string }[] }[]
  readonly filters?: readonly Filter[]
  readonly backendRefs?: readonly BackendRef[]
}
interface BackendRef {
  readonly name: string
  readonly namespace?: string
  readonly weight?: number
}
interface Filter {
  readonly type: string
  readonly responseHeaderModifier?: { readonly set?: readonly { readonly name: string; readonly value: string }[] }
}

export const httpRoute: RouteKind = {
  name: 'httproute',
  marks: true,
  countsUnderStable: false,

  target: (service) => {
    const name = service.objects.httpRoute
    return name === undefined ? null : { resource: inNamespace(HTTP_ROUTES, service), name }
  },

  weights(object, service) {
    const [split] = splitRules(object, service)
    return split ? Object.fromEntries(split.rule.backendRefs!.map(({ name, weight = 1 }) => [name, weight])) : null
  },

  operations(object, service, { weights, generation }) {
    return testsFirst(
      splitRules(object, service).flatMap(({ rule, path }) => [
        ...rule.backendRefs!.flatMap((backend, index) =>
          backendOperations(`${path}/backendRefs/${index}`, backend, weights),
        ),
        ...markerOperations(path, rule, String(generation)),
      ]),
    )
  },

  hosts: (object) => specOf(object).hostnames ?? [],

  pinHeader(object, service) {
    const leadsToCanary = ({ name }: BackendRef) => name === service.slots['canary']?.service
    const pins = (specOf(object).rules ?? []).filter(
      ({ backendRefs = [] }) => backendRefs.length > 0 && backendRefs.every(leadsToCanary),
    )
    return pins.flatMap(({ matches = [] }) => matches.flatMap(({ headers = [] }) => headers))[0]?.name ?? null
  },

  reported(object) {
    const { generation } = object.metadata
    const { parents = [] } = (object['status'] ?? {}) as { parents?: readonly ParentStatus[] }
    if (parents.length === 0) return `${NOT_ACCEPTED}: see its parentRefs`
    const problems = parents.flatMap(({ conditions = [] }) =>
      conditions.flatMap((condition) => problemIn(condition, generation)),
    )
    return problems[0] ?? null
  },
}

interface ParentStatus {
  readonly conditions?: readonly Condition[]
}
interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly observedGeneration?: number
}

function problemIn({ type, status, reason, message, observedGeneration }: Condition, generation?: number): string[] {
  if (type !== 'Accepted' && type !== 'ResolvedRefs') return []
  if (status !== 'True') return [`${type} is ${status} (${reason ?? ''}${message ? `: ${message}` : ''})`]
  const isOld = generation !== undefined && (observedGeneration ?? 0) < generation
  return isOld ? ['the gateway’s controller has not read the newest route yet'] : []
}

function specOf(object: KubernetesObject): { hostnames?: string[]; rules?: Rule[] } {
  return (object['spec'] ?? {}) as { hostnames?: string[]; rules?: Rule[] }
}

function splitRules(object: KubernetesObject, service: RoutedService): { rule: Rule; path: string }[] {
  return (specOf(object).rules ?? [])
    .map((rule, index) => ({ rule, path: `/spec/rules/${index}` }))
    .filter(({ rule }) =>
      isSplit(
        service,
        (rule.backendRefs ?? []).map(({ name }) => name),
      ),
    )
}

function backendOperations(
  path: string,
  { name, weight }: BackendRef,
  weights: Readonly<Record<string, number>>,
): PatchOperation[] {
  const test: PatchOperation = { op: 'test', path: `${path}/name`, value: name }
  const wanted = weights[name]
  return wanted === undefined ? [test] : [test, ...weightOperations(`${path}/weight`, weight, wanted)]
}

function markerOperations(path: string, { filters }: Rule, value: string): PatchOperation[] {
  const header = { name: MARKER_HEADER, value }
  const filter = { type: MODIFIER, responseHeaderModifier: { set: [header] } }
  if (!filters) return [{ op: 'add', path: `${path}/filters`, value: [filter] }]
  // A rule may have one filter of a type only: somebody else's headers are kept.
  const index = filters.findIndex(({ type }) => type === MODIFIER)
  if (index < 0) return [{ op: 'add', path: `${path}/filters/-`, value: filter }]
  const modifier = `${path}/filters/${index}/responseHeaderModifier`
  const { set } = filters[index]!.responseHeaderModifier ?? {}
  if (!set) return [{ op: 'add', path: `${modifier}/set`, value: [header] }]
  const place = set.findIndex(({ name }) => name.toLowerCase() === MARKER_HEADER)
  if (place < 0) return [{ op: 'add', path: `${modifier}/set/-`, value: header }]
  return set[place]!.value === value ? [] : [{ op: 'replace', path: `${modifier}/set/${place}/value`, value }]
}
