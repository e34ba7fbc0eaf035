// NGINX: the weight of the canary ingress. The main ingress is not touched and gets the rest. These annotations can mark
// nothing, and nobody reports them as read: after a change a declared time is waited.
import type { KubernetesObject, PatchOperation } from '../api.ts'
import { INGRESSES, inNamespace } from './plane.ts'
import type { RouteKind } from './route-kind.ts'
import { annotationOperations, annotationPath } from './stamp.ts'

const ANNOTATION = 'nginx.ingress.kubernetes.io'
const CANARY = `${ANNOTATION}/canary`
const WEIGHT = `${ANNOTATION}/canary-weight`
const TOTAL = `${ANNOTATION}/canary-weight-total`
const BY_HEADER = `${ANNOTATION}/canary-by-header`

export const nginxIngress: RouteKind = {
  name: 'nginx',
  marks: false,
  countsUnderStable: true,

  target: (service) => {
    const name = service.objects.canaryIngress
    return name === undefined ? null : { resource: inNamespace(INGRESSES, service), name }
  },

  weights(object, service) {
    const canary = backendsOf(object)[0]?.name
    const { [CANARY]: isCanary, [WEIGHT]: weight = '0' } = annotationsOf(object)
    if (isCanary !== 'true' || canary === undefined || canary === service.publicService) return null
    return { [service.publicService]: totalOf(object) - Number(weight), [canary]: Number(weight) }
  },

  operations(object, _service, { weights }) {
    const [canary] = backendsOf(object)
    const { [WEIGHT]: before } = annotationsOf(object)
    const share = (weights[canary!.name] ?? 0) / 100
    const tests: PatchOperation[] = [
      { op: 'test', path: annotationPath(CANARY), value: 'true' },
      ...backendsOf(object).map(({ path, name }): PatchOperation => ({ op: 'test', path, value: name })),
      ...(before === undefined ? [] : [{ op: 'test', path: annotationPath(WEIGHT), value: before } as const]),
    ]
    return [...tests, ...annotationOperations(object, { [WEIGHT]: String(Math.round(share * totalOf(object))) })]
  },

  hosts: (object) => rulesOf(object).flatMap(({ host }) => host ?? []),

  pinHeader: (object) => annotationsOf(object)[BY_HEADER] ?? null,

  reported: () => 'unknown',
}

interface Rule {
  readonly host?: string
  readonly http?: {
    readonly paths?: readonly { readonly backend?: { readonly service?: { readonly name: string } } }[]
  }
}

function annotationsOf({ metadata }: KubernetesObject): Readonly<Record<string, string>> {
  return metadata.annotations ?? {}
}

function totalOf(object: KubernetesObject): number {
  return Number(annotationsOf(object)[TOTAL] ?? 100)
}

function rulesOf(object: KubernetesObject): readonly Rule[] {
  return ((object['spec'] ?? {}) as { rules?: Rule[] }).rules ?? []
}

/** Every Service that the ingress names, and where. */
function backendsOf(object: KubernetesObject): { name: string; path: string }[] {
  return rulesOf(object).flatMap(({ http }, rule) =>
    (http?.paths ?? []).flatMap(({ backend }, index) => {
      const path = `/spec/rules/${rule}/http/paths/${index}/backend/service/name`
      return backend?.service ? [{ name: backend.service.name, path }] : []
    }),
  )
}
