// Istio: weights of `http[].route[]`, and the marker by the response headers of the same rule. A VirtualService has no
// status, so only marked answers tell that a gateway follows it.
import type { KubernetesObject, PatchOperation } from '../api.ts'
import { inNamespace, MARKER_HEADER, type RoutedService, VIRTUAL_SERVICES } from './plane.ts'
import { type RouteKind, setMember, testsFirst, weightOperations } from './route-kind.ts'
import { isSplit } from './weights.ts'

interface Rule {
  readonly match?: readonly { readonly headers?: Readonly<Record<string, unknown>> }[]
  readonly route?: readonly Destination[]
}
interface Destination {
  readonly destination: { readonly host: string; readonly subset?: string }
  readonly weight?: number
}

export const virtualService: RouteKind = {
  name: 'virtualservice',
  marks: true,
  countsUnderStable: false,

  target: (service) => {
    const name = service.objects.virtualService
    return name === undefined ? null : { resource: inNamespace(VIRTUAL_SERVICES, service), name }
  },

  weights(object, service) {
    const [split] = splitRules(object, service)
    if (!split) return null
    const entries = split.rule.route!.map(({ destination, weight = 0 }) => [nameOf(destination.host, service), weight])
    return Object.fromEntries(entries)
  },

  operations(object, service, { weights, generation }) {
    return testsFirst(
      splitRules(object, service).flatMap(({ rule, path }) => [
        ...rule.route!.flatMap((route, index) => routeOperations(`${path}/route/${index}`, route, service, weights)),
        ...setMember({ path, value: rule }, ['headers', 'response', 'set', MARKER_HEADER], String(generation)),
      ]),
    )
  },

  hosts: (object) => (specOf(object).hosts ?? []).filter((host) => host !== '*'),

  pinHeader(object, service) {
    const leadsToCanary = ({ destination }: Destination) =>
      nameOf(destination.host, service) === service.slots['canary']?.service
    const pins = (specOf(object).http ?? []).filter(({ route = [] }) => route.length > 0 && route.every(leadsToCanary))
    return pins.flatMap(({ match = [] }) => match.flatMap(({ headers = {} }) => Object.keys(headers)))[0] ?? null
  },

  reported: () => 'unknown',
}

function specOf(object: KubernetesObject): { hosts?: string[]; http?: Rule[] } {
  return (object['spec'] ?? {}) as { hosts?: string[]; http?: Rule[] }
}

function splitRules(object: KubernetesObject, service: RoutedService): { rule: Rule; path: string }[] {
  return (specOf(object).http ?? [])
    .map((rule, index) => ({ rule, path: `/spec/http/${index}` }))
    .filter(({ rule }) =>
      isSplit(
        service,
        (rule.route ?? []).map(({ destination }) => nameOf(destination.host, service)),
      ),
    )
}

function routeOperations(
  path: string,
  { destination, weight }: Destination,
  service: RoutedService,
  weights: Readonly<Record<string, number>>,
): PatchOperation[] {
  const test: PatchOperation = { op: 'test', path: `${path}/destination/host`, value: destination.host }
  const wanted = weights[nameOf(destination.host, service)]
  return wanted === undefined ? [test] : [test, ...weightOperations(`${path}/weight`, weight, wanted)]
}

/** A host in any of its spellings as the name of the Service; other namespaces' and foreign hosts stay as they are. */
function nameOf(host: string, { namespace }: RoutedService): string {
  const [name, inside, ...rest] = host.split('.')
  const isService = rest.length === 0 || rest.join('.') === 'svc' || rest.join('.').startsWith('svc.')
  return isService && (inside === undefined || inside === namespace) ? name! : host
}
